//! Facilitators: ours beside the reference facilitator of npm and x402-rs, each on one thread before a chain of its own.

mod blocks;
mod calls;
mod throughput;

use super::Plan;
use crate::Failure;
use crate::payments::Wallet;
use crate::rivals::{PAYEE, Rival};

/// What the payer has, in atomic units.
const FUNDS: u64 = 1_000_000_000;

/// What a call costs, how long a settlement takes with blocks every two seconds, and how many verifications one thread
/// answers.
pub(crate) async fn run(plan: &Plan) -> Result<String, Failure> {
    let (ours, theirs) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let rivals =
        [Rival::reference(theirs.path()).await?, Rival::x402_rs().await?, Rival::ours(ours.path()).await?];
    let mut wallet = Wallet::paying(PAYEE)?;
    for rival in &rivals {
        rival.chain.mint(&wallet.address(), FUNDS).await?;
    }
    let mut out = calls::run(plan, &rivals, &mut wallet).await?;
    out.push_str(&blocks::run(&rivals, &mut wallet).await?);
    out.push('\n');
    out.push_str(&throughput::run(plan, &rivals, &mut wallet).await?);
    Ok(out)
}
