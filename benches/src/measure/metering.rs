//! What metering costs: one facilitator, the same messages, sold by the stream, the message, the KiB and the second.

use super::Plan;
use super::job::{Counted, Job};
use crate::facilitator::{self, FEEDS, Store};
use crate::numbers::{median, per_mille, ratio};
use crate::{Failure, table, targets};

/// Rounds at least: the difference is small, so its spread is shown.
const ROUNDS_MIN: usize = 11;

/// A flood, as the sockets take it, and one message per read.
const JOBS: [(&str, Job); 2] = [
    ("64 B at full speed", Job { mode: "blast", size: 64, count: 30_000_000, connections: 1 }),
    ("64 B question and answer", Job { mode: "echo", size: 64, count: 40_000, connections: 1 }),
];

/// Runs every feed in turn, round by round, and compares each with the feed that meters nothing.
pub(crate) async fn run(plan: &Plan) -> Result<String, Failure> {
    let dir = tempfile::tempdir()?;
    let (_upstream, upstream) = targets::upstream().await?;
    let mut target = targets::product(dir.path(), upstream, Store::File).await?;
    let mut asks = Vec::new();
    for feed in FEEDS {
        asks.push(facilitator::ask(dir.path(), target.ask.address, feed, 1).await?);
    }
    let mut out = String::new();
    for (title, job) in JOBS {
        let mut rounds: Vec<Vec<Counted>> = Vec::new();
        for _ in 0..plan.rounds.max(ROUNDS_MIN) {
            let mut round = Vec::new();
            for ask in &asks {
                target.ask = ask.clone();
                round.push(job.counted(&target).await?);
            }
            rounds.push(round);
        }
        out.push_str(&compare(title, job, &rounds));
        out.push('\n');
    }
    Ok(out)
}

/// A row per feed: instructions and CPU per message, and by how much each round's exceeded that of the unmetered feed.
fn compare(title: &str, job: Job, rounds: &[Vec<Counted>]) -> String {
    let rows: Vec<Vec<String>> = FEEDS
        .iter()
        .enumerate()
        .map(|(feed, name)| {
            let of = |value: fn(&Counted) -> Option<u64>| -> (Vec<u64>, Vec<i64>) {
                let pairs = rounds.iter().filter_map(|round| {
                    Some((round.get(feed).and_then(value)?, round.first().and_then(value)?))
                });
                pairs.map(|(mine, plain)| (mine, per_mille(mine, plain))).unzip()
            };
            let (instructions, more_instructions) = of(|counted| counted.instructions);
            let (nanos, more_nanos) = of(|counted| Some(counted.nanos));
            vec![
                (*name).to_owned(),
                per_message(instructions, job.count),
                spread(more_instructions),
                per_message(nanos, job.count),
                spread(more_nanos),
            ]
        })
        .collect();
    table::render(&[title, "instructions", "more", "ns", "more"], &rows)
}

fn per_message(values: Vec<u64>, count: u64) -> String {
    if values.is_empty() { "not counted here".to_owned() } else { ratio(median(values), count) }
}

/// The median of differences in per mille, and the middle half of them, as percent.
fn spread(mut values: Vec<i64>) -> String {
    values.sort_unstable();
    let at = |quarter: usize| values.get(values.len().saturating_sub(1) * quarter / 4).copied().map(percent);
    match (at(2), at(1), at(3)) {
        (Some(middle), Some(low), Some(high)) => format!("{middle} % ({low} to {high})"),
        _ => "-".to_owned(),
    }
}

fn percent(per_mille: i64) -> String {
    let sign = if per_mille < 0 { "-" } else { "+" };
    let whole = per_mille.unsigned_abs();
    format!("{sign}{}.{}", whole / 10, whole % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_names_the_middle_half() {
        assert_eq!(spread(vec![25, -3, 40, 10, 31]), "+2.5 % (+1.0 to +3.1)");
        assert_eq!(spread(vec![]), "-");
    }
}
