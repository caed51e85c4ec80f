//! One run of the load against one proxy.

use std::time::Duration;

use tollwire_testkit::process::Process;

use crate::Failure;
use crate::process::{PEER_CORE, cpu_nanos, role};
use crate::targets::Target;

/// The longest one run may take.
const RUN: Duration = Duration::from_secs(120);

/// What the load does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job {
    /// `blast`, `echo`, `hold` or `upgrade`.
    pub(crate) mode: &'static str,
    /// Payload bytes of a message.
    pub(crate) size: u64,
    /// Messages, or streams, in all.
    pub(crate) count: u64,
    /// Connections at once.
    pub(crate) connections: u64,
}

impl Job {
    /// Starts the load.
    pub(crate) fn start(&self, target: &Target) -> Result<Process, Failure> {
        let Self { mode, size, count, connections } = *self;
        let mut command = role(PEER_CORE, "load")?;
        command.args(["--mode", mode, "--address", &target.ask.address.to_string()]);
        command.args(["--target", &format!("{}?mode={mode}&size={size}&count={count}", target.ask.target)]);
        command.args(["--size", &size.to_string(), "--count", &count.to_string()]);
        command.args(["--connections", &connections.to_string()]);
        if !target.ask.tokens.is_empty() {
            command.args(["--tokens", &target.ask.tokens.join(",")]);
        }
        Ok(Process::spawn(command)?)
    }

    /// Runs the load to its end; the proxy's CPU time for it, per message or stream, in nanoseconds.
    pub(crate) async fn cost(&self, target: &Target) -> Result<u64, Failure> {
        let before = cpu_nanos(target.pid)?;
        let mut load = self.start(target)?;
        let ended = load.exit(RUN).await?;
        if !ended.success() {
            return Err(format!("load against {}: {}", target.name, load.lines().join("; ")).into());
        }
        Ok((cpu_nanos(target.pid)? - before) / self.count)
    }
}
