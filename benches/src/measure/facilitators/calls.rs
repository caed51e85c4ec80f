//! CPU, time and questions to the chain per `/verify` and per `/settle`.
//!
//! Payments come one after the other over one connection, or many at once, where a facilitator may do for many what it
//! does for one; blocks are mined as soon as there is a transaction.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::{StreamExt as _, TryStreamExt as _, iter};
use tokio::time::timeout;
use tollwire_x402::Network;

use crate::measure::Plan;
use crate::numbers::{median, micros, ratio};
use crate::payments::Wallet;
use crate::process::cpu_nanos;
use crate::rivals::Rival;
use crate::{Failure, table};

/// How long an answer may take. Whoever takes longer is asked nothing more: some facilitators never answer again.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is asked of a facilitator, round by round.
pub(super) struct Call {
    path: &'static str,
    /// What the answer says is true.
    word: &'static str,
    /// Payments in a round.
    count: u64,
    /// How many of them are under way at the same time.
    at_once: usize,
}

/// One payment after the other.
pub(super) const ALONE: &[Call] = &[
    Call { path: "/verify", word: "isValid", count: 200, at_once: 1 },
    Call { path: "/settle", word: "success", count: 40, at_once: 1 },
];

/// Many at once.
pub(super) const TOGETHER: &[Call] = &[Call { path: "/settle", word: "success", count: 128, at_once: 32 }];

/// What one round of one facilitator came to.
#[derive(Debug, Default)]
struct Round {
    nanos: u64,
    requests: u64,
    /// Of each payment that was agreed to, in nanoseconds.
    times: Vec<u64>,
    /// Whether an answer did not come.
    silent: bool,
}

impl Round {
    /// How many payments were agreed to.
    fn agreed(&self) -> u64 {
        u64::try_from(self.times.len()).unwrap_or(u64::MAX)
    }
}

/// Measures each call at every facilitator, round by round.
pub(super) async fn run(
    plan: &Plan,
    calls: &[Call],
    rivals: &[Rival],
    wallet: &mut Wallet,
) -> Result<String, Failure> {
    let mut out = String::new();
    for call in calls {
        let mut rounds: Vec<Vec<Round>> = rivals.iter().map(|_| Vec::new()).collect();
        // The first round warms both up: node's compiler above all.
        for number in 0..=plan.rounds {
            let bodies = wallet.requests(Network::BASE_SEPOLIA, call.count)?;
            for (rival, rounds) in rivals.iter().zip(&mut rounds) {
                if rounds.last().is_some_and(|round| round.silent) {
                    continue;
                }
                let round = one(rival, call, &bodies).await?;
                if number > 0 || round.silent {
                    rounds.push(round);
                }
            }
        }
        out.push_str(&compare(call, rivals, &rounds));
        out.push('\n');
    }
    Ok(out)
}

async fn one(rival: &Rival, call: &Call, bodies: &[Bytes]) -> Result<Round, Failure> {
    rival.rpc.count();
    let before = cpu_nanos(rival.pid)?;
    let silent = AtomicBool::new(false);
    let answers: Vec<(bool, u64)> = iter(bodies)
        .map(|body| async {
            if silent.load(Ordering::Relaxed) {
                return Ok((false, 0));
            }
            let begun = Instant::now();
            let answer = rival.agrees(call.path, body.clone(), call.word);
            let agreed = timeout(PATIENCE, answer).await.unwrap_or_else(|elapsed| {
                silent.store(true, Ordering::Relaxed);
                Err(elapsed.into())
            });
            // Some cannot settle two payments at once. One at a time, everybody must.
            if call.at_once == 1 {
                agreed.as_ref().map_err(ToString::to_string)?;
            }
            Ok::<_, Failure>((agreed.is_ok(), u64::try_from(begun.elapsed().as_nanos())?))
        })
        .buffer_unordered(call.at_once)
        .try_collect()
        .await?;
    let nanos = cpu_nanos(rival.pid)?.saturating_sub(before);
    let times: Vec<u64> = answers.into_iter().filter_map(|(agreed, nanos)| agreed.then_some(nanos)).collect();
    Ok(Round { nanos, requests: rival.rpc.count().requests, times, silent: silent.into_inner() })
}

fn compare(call: &Call, rivals: &[Rival], rounds: &[Vec<Round>]) -> String {
    let each = |rounds: &[Round], of: fn(&Round) -> u64| {
        median(rounds.iter().map(|round| of(round) / round.agreed().max(1)).collect::<Vec<u64>>())
    };
    let whole = rounds.first().map_or(0, |rounds| each(rounds, |round| round.nanos));
    let rows: Vec<Vec<String>> = rivals
        .iter()
        .zip(rounds)
        .map(|(rival, rounds)| {
            let nanos = each(rounds, |round| round.nanos);
            let tenths = each(rounds, |round| round.requests * 10);
            let mut times: Vec<u64> = rounds.iter().flat_map(|round| round.times.iter().copied()).collect();
            let mut agreed = format!(
                "{} of {}",
                times.len(),
                call.count * u64::try_from(rounds.len()).unwrap_or_default()
            );
            if rounds.iter().any(|round| round.silent) {
                agreed.push_str(", then silent");
            }
            times.sort_unstable();
            let share = |hundredths: usize| {
                times.get(times.len().saturating_sub(1) * hundredths / 100).copied().unwrap_or_default()
            };
            vec![
                rival.name.to_owned(),
                agreed,
                micros(nanos),
                format!("{}x", ratio(nanos, whole)),
                format!("{}.{}", tenths / 10, tenths % 10),
                micros(share(50)),
                micros(share(99)),
            ]
        })
        .collect();
    let title = match call.at_once {
        1 => format!("{}, one at a time", call.path),
        many => format!("{}, {many} at once", call.path),
    };
    table::render(
        &[&title, "agreed", "CPU µs of each", "of npm's", "requests to the node", "p50 µs", "p99 µs"],
        &rows,
    )
}
