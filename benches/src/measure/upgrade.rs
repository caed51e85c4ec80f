//! CPU per stream that is opened and closed: ours with token, hold and capture in a durable ledger, theirs plain.

use super::job::{Counted, Job};
use super::{Plan, start};
use crate::numbers::{median, micros, ratio};
use crate::{Failure, table, targets};

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
    let mut rounds = vec![Vec::new(); targets.len()];
    for _ in 0..plan.rounds {
        for (target, rounds) in targets.iter().zip(&mut rounds) {
            rounds.push(job.counted(target).await?);
        }
    }
    let nanos: Vec<u64> = rounds.iter().map(|rounds| each(rounds, |round| Some(round.nanos))).collect();
    let reference = targets.iter().position(|target| target.name == targets::NGINX);
    let reference = reference.and_then(|at| nanos.get(at)).copied().unwrap_or_default();
    let rows: Vec<Vec<String>> = targets
        .iter()
        .zip(&rounds)
        .zip(&nanos)
        .map(|((target, rounds), nanos)| {
            let instructions = each(rounds, |round| round.instructions);
            let instructions = if instructions == 0 { "-".to_owned() } else { instructions.to_string() };
            vec![
                target.name.to_owned(),
                micros(*nanos),
                format!("{}x", ratio(*nanos, reference)),
                instructions,
            ]
        })
        .collect();
    let head = ["CPU per stream opened and closed", "µs", "of nginx's", "instructions in user space"];
    Ok(table::render(&head, &rows))
}

/// The median of what the rounds cost, for one stream.
fn each(rounds: &[Counted], value: fn(&Counted) -> Option<u64>) -> u64 {
    median(rounds.iter().filter_map(value).collect()) / STREAMS
}
