//! Many sessions with live metered streams on one node over Redis: memory per stream, and what Redis is asked.

use std::time::Duration;

use tollwire_testkit::redis::RedisServer;

use super::Plan;
use super::job::Job;
use crate::facilitator::{self, Store};
use crate::numbers::{kib, micros, ratio};
use crate::process::{cpu_nanos, files_max, resident_bytes};
use crate::targets::{self, Target};
use crate::{Failure, table};

/// Sessions, each with one live stream, if the limit on open files allows as many: a stream is two sockets of the proxy.
const STREAMS: u64 = 10_000;

/// Files that the proxy opens besides.
const OTHER_FILES: u64 = 200;

/// How long opening may take.
const OPENING: Duration = Duration::from_secs(300);

/// How long the streams run before anybody looks, and how long the rate is counted.
const REST: Duration = Duration::from_secs(20);

/// A message of 64 bytes every second on each of many streams; a thousand a second on one.
pub(crate) async fn run(_: &Plan) -> Result<String, Failure> {
    let dir = tempfile::tempdir()?;
    let redis = RedisServer::start().await?;
    let (_upstream, upstream) = targets::upstream().await?;
    let mut target = targets::product(dir.path(), upstream, Store::Redis(&redis.url())).await?;
    let address = target.ask.address;
    let many = STREAMS.min(files_max()?.saturating_sub(OTHER_FILES) / 2);
    let mut rows = Vec::new();
    for (unit, streams, rate) in [("message", 1, 1_000), ("message", many, 1), ("second", many, 1)] {
        target.ask = facilitator::ask(dir.path(), address, unit, u32::try_from(streams)?).await?;
        rows.push(observe(&target, &redis, unit, streams, rate).await?);
    }
    let head = [
        "Live streams",
        "messages/s each",
        "KiB per stream",
        "store operations/s",
        "per stream",
        "CPU/s (µs)",
    ];
    Ok(table::render(&head, &rows))
}

async fn observe(
    target: &Target,
    redis: &RedisServer,
    unit: &str,
    streams: u64,
    rate: u64,
) -> Result<Vec<String>, Failure> {
    let before = resident_bytes(target.pid)?;
    let job = Job { mode: "ticks", size: 64, count: rate, connections: streams };
    let mut load = job.start(target)?;
    if let Err(failure) = load.wait_for_line("open", OPENING).await {
        return Err(format!("{failure}; the proxy said: {}", target.said()).into());
    }
    tokio::time::sleep(REST).await;
    let grown = resident_bytes(target.pid)?.saturating_sub(before);
    let (asked, cpu) = (commands(redis).await?, cpu_nanos(target.pid)?);
    tokio::time::sleep(REST).await;
    let seconds = REST.as_secs();
    let (asked, cpu) = (commands(redis).await? - asked, cpu_nanos(target.pid)? - cpu);
    if let Ok(ended) = load.exit(Duration::ZERO).await {
        return Err(format!("the load ended, {ended}: {:?}", load.lines()).into());
    }
    load.kill().await?;
    Ok(vec![
        format!("{streams} by {unit}"),
        rate.to_string(),
        kib(grown / streams),
        (asked / seconds).to_string(),
        ratio(asked, seconds * streams),
        micros(cpu / seconds),
    ])
}

/// Scripts that Redis has run: the ledger's commands.
async fn commands(redis: &RedisServer) -> Result<u64, Failure> {
    let stats = redis.command(&["INFO", "commandstats"]).await?;
    let line = stats.lines().find(|line| line.starts_with("cmdstat_evalsha:")).unwrap_or_default();
    let calls = line.split("calls=").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or("0");
    Ok(calls.parse()?)
}
