//! Verifications that one thread answers in a second, with a node that answers at once: each question of a kind as the
//! first of it was answered. With a real node, the node is what is measured.

use std::time::Instant;

use futures_util::stream::{StreamExt as _, TryStreamExt as _, iter};
use tollwire_x402::Network;

use crate::measure::Plan;
use crate::numbers::{median, micros, ratio};
use crate::payments::Wallet;
use crate::process::cpu_nanos;
use crate::rivals::Rival;
use crate::{Failure, table};

/// Verifications of a round.
const VERIFIES: u64 = 600;

/// Asked for at the same time.
const AT_ONCE: usize = 32;

pub(super) async fn run(plan: &Plan, rivals: &[Rival], wallet: &mut Wallet) -> Result<String, Failure> {
    let mut rates: Vec<Vec<u64>> = rivals.iter().map(|_| Vec::new()).collect();
    let mut costs = rates.clone();
    for rival in rivals {
        rival.rpc.can();
    }
    // The first round warms up, and is what the node answers itself.
    for number in 0..=plan.rounds {
        let bodies = wallet.requests(Network::BASE_SEPOLIA, VERIFIES)?;
        for ((rival, rates), costs) in rivals.iter().zip(&mut rates).zip(&mut costs) {
            let before = cpu_nanos(rival.pid)?;
            let begun = Instant::now();
            iter(&bodies)
                .map(|body| rival.agrees("/verify", body.clone(), "isValid"))
                .buffer_unordered(AT_ONCE)
                .try_collect::<()>()
                .await?;
            let millis = u64::try_from(begun.elapsed().as_millis())?.max(1);
            let nanos = cpu_nanos(rival.pid)?.saturating_sub(before);
            if number > 0 {
                rates.push(VERIFIES * 1000 / millis);
                costs.push(nanos / VERIFIES);
            }
        }
    }
    let rates: Vec<u64> = rates.into_iter().map(median).collect();
    let whole = rates.first().copied().unwrap_or_default();
    let rows: Vec<Vec<String>> = rivals
        .iter()
        .zip(rates)
        .zip(costs)
        .map(|((rival, rate), costs)| {
            let (rate_of, nanos) = (format!("{}x", ratio(rate, whole)), median(costs));
            vec![rival.name.to_owned(), rate.to_string(), rate_of, micros(nanos)]
        })
        .collect();
    let title = format!("/verify, {AT_ONCE} at once, node of kept answers");
    Ok(table::render(&[&title, "a second", "of npm's", "CPU µs of each"], &rows))
}
