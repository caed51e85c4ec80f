//! How long a settlement takes on a chain that makes a block every two seconds, as Base does.

use std::time::Instant;

use futures_util::future::try_join_all;
use tollwire_x402::Network;

use crate::payments::Wallet;
use crate::rivals::Rival;
use crate::{Failure, table};

/// Seconds between blocks.
const INTERVAL: u64 = 2;

/// Settlements of each facilitator, one after the other.
const SETTLES: u64 = 15;

/// All facilitators at the same time: they do little but wait.
pub(super) async fn run(rivals: &[Rival], wallet: &mut Wallet) -> Result<String, Failure> {
    let bodies = wallet.requests(Network::BASE_SEPOLIA, SETTLES)?;
    let rows = try_join_all(rivals.iter().map(|rival| async {
        rival.chain.set_block_interval(INTERVAL).await?;
        let mut times = Vec::new();
        for body in &bodies {
            let begun = Instant::now();
            rival.agrees("/settle", body.clone(), "success").await?;
            times.push(begun.elapsed().as_millis());
        }
        rival.chain.set_block_interval(0).await?;
        rival.chain.set_automine(true).await?;
        times.sort_unstable();
        let at = |hundredths: usize| {
            times
                .get(times.len().saturating_sub(1) * hundredths / 100)
                .copied()
                .unwrap_or_default()
                .to_string()
        };
        Ok::<_, Failure>(vec![rival.name.to_owned(), at(50), at(99)])
    }))
    .await?;
    Ok(table::render(&["/settle, a block every 2 s", "p50 ms", "p99 ms"], &rows))
}
