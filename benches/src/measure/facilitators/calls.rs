//! CPU, time and questions to the chain per `/verify` and per `/settle`.
//!
//! Payments come one after the other over one connection; blocks are mined as soon as there is a transaction.

use std::time::Instant;

use bytes::Bytes;
use tollwire_x402::Network;

use crate::measure::Plan;
use crate::numbers::{median, micros, ratio};
use crate::payments::Wallet;
use crate::process::cpu_nanos;
use crate::rivals::Rival;
use crate::{Failure, table};

/// Payments verified in a round.
const VERIFIES: u64 = 200;

/// Payments settled in a round.
const SETTLES: u64 = 40;

/// What one round of one facilitator came to.
#[derive(Debug, Default)]
struct Round {
    nanos: u64,
    requests: u64,
    /// Of each payment, in nanoseconds.
    times: Vec<u64>,
}

/// Measures both calls at every facilitator, round by round.
pub(super) async fn run(plan: &Plan, rivals: &[Rival], wallet: &mut Wallet) -> Result<String, Failure> {
    let mut out = String::new();
    for (path, word, count) in [("/verify", "isValid", VERIFIES), ("/settle", "success", SETTLES)] {
        let mut rounds: Vec<Vec<Round>> = rivals.iter().map(|_| Vec::new()).collect();
        // The first round warms both up: node's compiler above all.
        for number in 0..=plan.rounds {
            let bodies = wallet.requests(Network::BASE_SEPOLIA, count)?;
            for (rival, rounds) in rivals.iter().zip(&mut rounds) {
                let round = one(rival, path, word, &bodies).await?;
                if number > 0 {
                    rounds.push(round);
                }
            }
        }
        out.push_str(&compare(path, count, rivals, &rounds));
        out.push('\n');
    }
    Ok(out)
}

async fn one(rival: &Rival, path: &str, word: &str, bodies: &[Bytes]) -> Result<Round, Failure> {
    rival.rpc.count();
    let before = cpu_nanos(rival.pid)?;
    let mut times = Vec::with_capacity(bodies.len());
    for body in bodies {
        let begun = Instant::now();
        rival.agrees(path, body.clone(), word).await?;
        times.push(u64::try_from(begun.elapsed().as_nanos())?);
    }
    let nanos = cpu_nanos(rival.pid)?.saturating_sub(before);
    Ok(Round { nanos, requests: rival.rpc.count().requests, times })
}

fn compare(path: &str, count: u64, rivals: &[Rival], rounds: &[Vec<Round>]) -> String {
    let each =
        |rounds: &[Round], of: fn(&Round) -> u64| median(rounds.iter().map(of).collect::<Vec<u64>>()) / count;
    let whole = rounds.first().map_or(0, |rounds| each(rounds, |round| round.nanos));
    let rows: Vec<Vec<String>> = rivals
        .iter()
        .zip(rounds)
        .map(|(rival, rounds)| {
            let nanos = each(rounds, |round| round.nanos);
            let mut times: Vec<u64> = rounds.iter().flat_map(|round| round.times.iter().copied()).collect();
            times.sort_unstable();
            let share = |hundredths: usize| {
                times.get(times.len().saturating_sub(1) * hundredths / 100).copied().unwrap_or_default()
            };
            vec![
                rival.name.to_owned(),
                micros(nanos),
                format!("{}x", ratio(nanos, whole)),
                each(rounds, |round| round.requests).to_string(),
                micros(share(50)),
                micros(share(99)),
            ]
        })
        .collect();
    let title = format!("{path}, one at a time");
    table::render(&[&title, "CPU µs", "of npm's", "requests to the node", "p50 µs", "p99 µs"], &rows)
}
