//! Facilitators: ours beside the reference facilitator of npm and x402-rs, each on one thread before a chain of its own.

mod blocks;
mod calls;
mod throughput;

use std::path::Path;

use super::Plan;
use crate::Failure;
use crate::payments::Wallet;
use crate::rivals::{PAYEE, Rival};

/// What the payer has, in atomic units.
const FUNDS: u64 = 1_000_000_000;

/// What a call costs, how long a settlement takes with blocks every two seconds, and how many verifications one thread
/// answers.
pub(crate) async fn run(plan: &Plan) -> Result<String, Failure> {
    let mut wallet = Wallet::paying(PAYEE)?;
    let dir = tempfile::tempdir()?;
    let rivals = rivals(dir.path(), &wallet).await?;
    let mut out = calls::run(plan, calls::ALONE, &rivals, &mut wallet).await?;
    out.push_str(&blocks::run(&rivals, &mut wallet).await?);
    out.push('\n');
    out.push_str(&throughput::run(plan, &rivals, &mut wallet).await?);
    out.push('\n');
    drop(rivals);
    // Last, and of processes of their own: not everybody is well afterwards.
    let dir = tempfile::tempdir()?;
    let rivals = self::rivals(dir.path(), &wallet).await?;
    out.push_str(&calls::run(plan, calls::TOGETHER, &rivals, &mut wallet).await?);
    Ok(out)
}

/// Everybody, each with a chain on which the wallet has money.
async fn rivals(dir: &Path, wallet: &Wallet) -> Result<[Rival; 3], Failure> {
    let (ours, theirs) = (dir.join("ours"), dir.join("theirs"));
    for dir in [&ours, &theirs] {
        std::fs::create_dir(dir)?;
    }
    let rivals = [Rival::reference(&theirs).await?, Rival::x402_rs().await?, Rival::ours(&ours).await?];
    for rival in &rivals {
        rival.chain.mint(&wallet.address(), FUNDS).await?;
    }
    Ok(rivals)
}
