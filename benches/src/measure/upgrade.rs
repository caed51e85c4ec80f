//! CPU per stream that is opened and closed: ours with token, hold and capture in a durable ledger, theirs plain.

use super::job::Job;
use super::{Plan, compared, start};
use crate::numbers::{median, micros};
use crate::{Failure, targets};

/// Streams opened in a round.
const STREAMS: u64 = 2_000;

/// Opened at the same time.
const AT_ONCE: u64 = 50;

/// Opens and closes streams through every proxy, round by round.
pub(crate) async fn run(plan: &Plan) -> Result<String, Failure> {
    let dir = tempfile::tempdir()?;
    let job = Job { mode: "upgrade", size: 0, count: STREAMS, connections: AT_ONCE };
    let (_upstream, address) = targets::upstream().await?;
    let targets = start(plan, dir.path(), address).await?;
    let mut costs = vec![Vec::new(); targets.len()];
    for _ in 0..plan.rounds {
        for (target, costs) in targets.iter().zip(&mut costs) {
            costs.push(job.cost(target).await?);
        }
    }
    let found: Vec<(&str, u64)> =
        targets.iter().map(|target| target.name).zip(costs.into_iter().map(median)).collect();
    Ok(compared("CPU per stream opened and closed", "µs", targets::NGINX, &found, micros))
}
