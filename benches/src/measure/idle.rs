//! Resident memory per idle stream.

use std::time::Duration;

use super::job::Job;
use super::{Plan, compared, start};
use crate::numbers::kib;
use crate::process::resident_bytes;
use crate::{Failure, targets};

/// Streams open at once.
const STREAMS: u64 = 5_000;

/// How long they stay open before memory is looked at.
const REST: Duration = Duration::from_secs(30);

/// How long opening them may take.
const OPENING: Duration = Duration::from_secs(120);

/// Opens streams through one proxy after another, lets them rest, and compares.
pub(crate) async fn run(plan: &Plan) -> Result<String, Failure> {
    let dir = tempfile::tempdir()?;
    let job = Job { mode: "hold", size: 0, count: 0, connections: STREAMS };
    let (upstream, address) = targets::upstream().await?;
    let mut found = Vec::new();
    for target in start(plan, dir.path(), address).await? {
        let before = resident_bytes(target.pid)?;
        let mut load = job.start(&target)?;
        load.wait_for_line("open", OPENING).await?;
        tokio::time::sleep(REST).await;
        let grown = resident_bytes(target.pid)?.saturating_sub(before);
        load.kill().await?;
        found.push((target.name, grown / STREAMS));
    }
    drop(upstream);
    Ok(compared("Resident memory per idle stream", "KiB", targets::HAPROXY, &found, kib))
}
