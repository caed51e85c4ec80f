//! Starting processes on a chosen core, and what the kernel says they used.

use std::fs;
use std::path::Path;

use tokio::process::Command;

use crate::Failure;

/// The core of proxies under test.
pub(crate) const PROXY_CORE: &str = "0";
/// The core of everything around them.
pub(crate) const PEER_CORE: &str = "1";

/// A command that runs on `core`, if this machine has one to spare.
pub(crate) fn pinned(core: &str, program: impl AsRef<Path>) -> Command {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if cores > 1 && Path::new("/usr/bin/taskset").exists() {
        let mut command = Command::new("/usr/bin/taskset");
        command.args(["-c", core]).arg(program.as_ref());
        return command;
    }
    Command::new(program.as_ref())
}

/// Files that this process, and so each that it starts, may have open.
pub(crate) fn files_max() -> Result<u64, Failure> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line =
        limits.lines().find(|line| line.starts_with("Max open files")).ok_or("no limit of open files")?;
    Ok(line.split_whitespace().nth(3).unwrap_or_default().parse().unwrap_or(u64::MAX))
}

/// This program again, in one of its roles.
pub(crate) fn role(core: &str, name: &str) -> Result<Command, Failure> {
    let mut command = pinned(core, std::env::current_exe()?);
    command.args(["role", name]);
    Ok(command)
}

/// CPU time of a process so far, user and system, in nanoseconds: the sum over its threads.
pub(crate) fn cpu_nanos(pid: u32) -> Result<u64, Failure> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let stat = fs::read_to_string(task?.path().join("schedstat"))?;
        sum += stat.split_whitespace().next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(sum)
}

/// The most memory that a process has had resident since [`forget_peak`], in bytes.
pub(crate) fn peak_bytes(pid: u32) -> Result<u64, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).ok_or("no VmHWM line")?;
    Ok(line.split_whitespace().nth(1).unwrap_or_default().parse::<u64>()? * 1024)
}

/// Counts a process's peak anew.
pub(crate) fn forget_peak(pid: u32) -> Result<(), Failure> {
    Ok(fs::write(format!("/proc/{pid}/clear_refs"), "5")?)
}

/// Resident memory of a process, in bytes.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64, Failure> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = rollup.lines().find(|line| line.starts_with("Rss:")).ok_or("no Rss line")?;
    Ok(line.split_whitespace().nth(1).unwrap_or_default().parse::<u64>()? * 1024)
}
