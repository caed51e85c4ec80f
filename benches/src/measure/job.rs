//! One run of the load against one proxy.

use std::time::Duration;

use tokio::process::Command;
use tollwire_testkit::process::Process;

use super::instructions;
use crate::Failure;
use crate::process::{PEER_CORE, cpu_nanos, role};
use crate::targets::Target;

/// The longest one run may take.
const RUN: Duration = Duration::from_secs(120);

/// What the load does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job {
    /// `blast`, `echo`, `hold`, `ticks` or `upgrade`.
    pub(crate) mode: &'static str,
    /// Payload bytes of a message.
    pub(crate) size: u64,
    /// Messages, or streams, in all; with `ticks`, messages a second.
    pub(crate) count: u64,
    /// Connections at once.
    pub(crate) connections: u64,
}

impl Job {
    /// The load's command.
    fn command(&self, target: &Target) -> Result<Command, Failure> {
        let Self { mode, size, count, connections } = *self;
        let mut command = role(PEER_CORE, "load")?;
        command.args(["--mode", mode, "--address", &target.ask.address.to_string()]);
        command.args(["--target", &format!("{}?mode={mode}&size={size}&count={count}", target.ask.target)]);
        command.args(["--size", &size.to_string(), "--count", &count.to_string()]);
        command.args(["--connections", &connections.to_string()]);
        if let Some(file) = &target.ask.tokens {
            command.arg("--tokens").arg(file);
        }
        Ok(command)
    }

    /// Starts the load.
    pub(crate) fn start(&self, target: &Target) -> Result<Process, Failure> {
        Ok(Process::spawn(self.command(target)?)?)
    }

    /// Runs the load to its end; the proxy's CPU time for it, per message or stream, in nanoseconds.
    pub(crate) async fn cost(&self, target: &Target) -> Result<u64, Failure> {
        let before = cpu_nanos(target.pid)?;
        ended_well(self.start(target)?, target).await?;
        Ok((cpu_nanos(target.pid)? - before) / self.count)
    }

    /// The same, and the instructions of the proxy in user space where the machine counts them; both for the whole job.
    pub(crate) async fn counted(&self, target: &Target) -> Result<Counted, Failure> {
        let before = cpu_nanos(target.pid)?;
        let counting = instructions::counting(target.pid, &self.command(target)?)?;
        let instructions = if let Some((command, counter)) = counting {
            ended_well(Process::spawn(command)?, target).await?;
            counter.read()?
        } else {
            ended_well(self.start(target)?, target).await?;
            None
        };
        Ok(Counted { nanos: cpu_nanos(target.pid)? - before, instructions })
    }
}

/// What a whole job cost the proxy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    pub(crate) nanos: u64,
    pub(crate) instructions: Option<u64>,
}

async fn ended_well(mut load: Process, target: &Target) -> Result<(), Failure> {
    let ended = load.exit(RUN).await?;
    if ended.success() {
        return Ok(());
    }
    Err(format!("load against {}: {}", target.name, load.lines().join("; ")).into())
}
