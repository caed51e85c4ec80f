//! CPU per message: a feed at full speed, and question and answer.

use super::job::Job;
use super::{Plan, start};
use crate::numbers::{median, micros, ratio};
use crate::targets::Target;
use crate::{Failure, table, targets};

/// A feed at full speed: messages of 64 B, 1 KiB and 16 KiB, batched as the sockets take them.
pub(crate) async fn throughput(plan: &Plan) -> Result<String, Failure> {
    let job = |size, count| Job { mode: "blast", size, count, connections: 1 };
    let jobs = [job(64, 3_000_000), job(1024, 600_000), job(16 * 1024, 60_000)];
    compare(plan, "CPU per message, one stream at full speed (µs)", &["64 B", "1 KiB", "16 KiB"], &jobs).await
}

/// Messages of 256 B, each sent after the answer to the one before.
pub(crate) async fn echo(plan: &Plan) -> Result<String, Failure> {
    let job = |connections| Job { mode: "echo", size: 256, count: 20_000, connections };
    compare(plan, "CPU per 256 B echo (µs)", &["1 stream", "50 streams"], &[job(1), job(50)]).await
}

/// Runs every job against every proxy in turn, round by round.
async fn compare(plan: &Plan, title: &str, columns: &[&str], jobs: &[Job]) -> Result<String, Failure> {
    let dir = tempfile::tempdir()?;
    let (_upstream, address) = targets::upstream().await?;
    let targets = start(plan, dir.path(), address).await?;
    let mut costs = vec![vec![Vec::new(); jobs.len()]; targets.len()];
    for _ in 0..plan.rounds {
        for (target, costs) in targets.iter().zip(&mut costs) {
            for (job, costs) in jobs.iter().zip(costs) {
                costs.push(bounded(target, *job).cost(target).await?);
            }
        }
    }
    let medians: Vec<Vec<u64>> =
        costs.into_iter().map(|jobs| jobs.into_iter().map(median).collect()).collect();
    let reference = targets.iter().position(|target| target.name == targets::HAPROXY).unwrap_or_default();
    let reference = medians.get(reference).cloned().unwrap_or_default();
    let rows: Vec<Vec<String>> = targets
        .iter()
        .zip(&medians)
        .map(|(target, medians)| {
            let cells = medians
                .iter()
                .zip(&reference)
                .map(|(cost, reference)| format!("{} ({}x)", micros(*cost), ratio(*cost, *reference)));
            std::iter::once(target.name.to_owned()).chain(cells).collect()
        })
        .collect();
    let head: Vec<&str> = std::iter::once(title).chain(columns.iter().copied()).collect();
    Ok(table::render(&head, &rows))
}

/// The job, shortened for the proxy that would take minutes.
fn bounded(target: &Target, job: Job) -> Job {
    if target.name == targets::NAIVE && job.mode == "blast" {
        return Job { count: job.count / 10, ..job };
    }
    job
}
