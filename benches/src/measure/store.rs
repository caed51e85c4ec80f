//! What one Redis can do: opens and renewals per second, and the CPU time of Redis for each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tollwire_ledger::{Command, Ledger, Outcome};
use tollwire_ledger_redis::{RedisConfig, RedisLedger};
use tollwire_testkit::redis::RedisServer;
use tollwire_x402::{SessionId, StreamId};

use super::Plan;
use crate::facilitator::{self, Store};
use crate::numbers::micros;
use crate::process::cpu_nanos;
use crate::targets;
use crate::{Failure, table};

/// Sessions that are bought first.
const SESSIONS: u32 = 500;

/// Commands under way at once: one after another per session.
const HANDS: usize = 64;

/// Operations of a round.
const OPERATIONS: usize = 100_000;

const LEASE: Duration = Duration::from_secs(10);

/// Buys sessions, and then does nothing but the ledger's commands.
pub(crate) async fn run(_: &Plan) -> Result<String, Failure> {
    let dir = tempfile::tempdir()?;
    let redis = RedisServer::start().await?;
    let (_upstream, upstream) = targets::upstream().await?;
    let target = targets::product(dir.path(), upstream, Store::Redis(&redis.url())).await?;
    facilitator::ask(dir.path(), target.ask.address, "message", SESSIONS).await?;
    drop(target);
    let info = redis.command(&["INFO", "server"]).await?;
    let pid = info
        .lines()
        .find_map(|line| line.strip_prefix("process_id:"))
        .ok_or("no process_id")?
        .trim()
        .parse()?;
    let ledger = Arc::new(RedisLedger::connect(RedisConfig::new(redis.url())).await?);
    let sessions: Vec<SessionId> =
        ledger.sessions(None, usize::try_from(SESSIONS)?).await?.into_iter().map(|(id, _)| id).collect();
    let mut rows = Vec::new();
    for (name, commands, job) in
        [("open and end (Hold, Post, End)", 3, Work::Open), ("renewal (Extend)", 1, Work::Renew)]
    {
        let (began, cpu) = (Instant::now(), cpu_nanos(pid)?);
        try_join_all((0..HANDS).map(|hand| work(&ledger, &sessions, hand, job))).await?;
        let (took, cpu) = (began.elapsed(), cpu_nanos(pid)? - cpu);
        let done = u64::try_from(OPERATIONS)?;
        let per_second = u128::from(done) * 1_000_000 / took.as_micros().max(1);
        rows.push(vec![
            name.to_owned(),
            per_second.to_string(),
            (per_second * commands).to_string(),
            micros(cpu / done),
            (1_000_000_000 * done / cpu.max(1)).to_string(),
        ]);
    }
    let head = [
        "One Redis, synced every second",
        "per second",
        "commands/s",
        "its CPU each (µs)",
        "bound by its CPU",
    ];
    Ok(table::render(&head, &rows))
}

#[derive(Debug, Clone, Copy)]
enum Work {
    Open,
    Renew,
}

/// One hand's share: its streams are its own, so nothing waits for another's.
async fn work(ledger: &RedisLedger, sessions: &[SessionId], hand: usize, job: Work) -> Result<(), Failure> {
    let ours: Vec<&SessionId> = sessions.iter().skip(hand).step_by(HANDS).collect();
    let mut fence = 1;
    let renewed: StreamId = format!("bench-renewed-{hand:06}").parse()?;
    if let Work::Renew = job {
        for session in &ours {
            fence = open(ledger, session, &renewed).await?;
        }
    }
    for turn in 0..OPERATIONS / HANDS {
        let session = ours.get(turn % ours.len()).ok_or("no session")?;
        match job {
            Work::Open => {
                let stream: StreamId = format!("bench-{hand:06}-{turn:08}").parse()?;
                let fence = open(ledger, session, &stream).await?;
                let end = Command::End { session: (*session).clone(), stream, fence, used: 1 };
                expect(ledger.apply(end).await?, "End")?;
            }
            Work::Renew => {
                let used = u64::try_from(turn / ours.len())? + 1;
                let extend = Command::Extend {
                    session: (*session).clone(),
                    stream: renewed.clone(),
                    fence,
                    used,
                    need: used,
                    want: used + 2,
                    lease: LEASE,
                    live_for: LEASE,
                };
                expect(ledger.apply(extend).await?, "Extend")?;
            }
        }
    }
    Ok(())
}

/// Opens a stream as the proxy does.
async fn open(ledger: &RedisLedger, session: &SessionId, stream: &StreamId) -> Result<u64, Failure> {
    let hold = Command::Hold {
        session: session.clone(),
        stream: stream.clone(),
        fence: None,
        to: 1,
        lease: LEASE,
        streams_max: u32::MAX,
    };
    let Outcome::Held { fence, .. } = ledger.apply(hold).await? else {
        return Err("a stream was not opened".into());
    };
    let post =
        Command::Post { session: session.clone(), stream: stream.clone(), fence, to: 1, live_for: LEASE };
    expect(ledger.apply(post).await?, "Post")?;
    Ok(fence)
}

fn expect(outcome: Outcome, command: &str) -> Result<(), Failure> {
    match outcome {
        Outcome::Done(_) | Outcome::Held { .. } => Ok(()),
        other => Err(format!("{command}: {other:?}").into()),
    }
}
