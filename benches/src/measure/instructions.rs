//! Instructions of a process, by the machine's own counters where it has them.

use std::fs;

use tempfile::NamedTempFile;
use tokio::process::Command;

use crate::Failure;

const PERF: &str = "/usr/bin/perf";

/// The counter of one job: `perf` writes it when the job has ended.
#[derive(Debug)]
pub(crate) struct Counter(NamedTempFile);

/// `job`, run under a count of the instructions that process `pid` executes in user space meanwhile. `None` where nobody
/// counts them.
pub(crate) fn counting(pid: u32, job: &Command) -> Result<Option<(Command, Counter)>, Failure> {
    if !fs::exists(PERF)? {
        return Ok(None);
    }
    let file = NamedTempFile::new()?;
    let mut command = Command::new(PERF);
    command.args(["stat", "-x", ",", "-e", "instructions:u", "-p", &pid.to_string(), "-o"]).arg(file.path());
    command.arg("--").arg(job.as_std().get_program()).args(job.as_std().get_args());
    Ok(Some((command, Counter(file))))
}

impl Counter {
    /// What was counted; `None` if the machine has no such counter.
    pub(crate) fn read(&self) -> Result<Option<u64>, Failure> {
        let text = fs::read_to_string(self.0.path())?;
        Ok(text.lines().find(|line| line.contains("instructions")).and_then(first_number))
    }
}

fn first_number(line: &str) -> Option<u64> {
    line.split(',').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_perf_writes_is_read() {
        assert_eq!(first_number("539464,,instructions:u,18071043,100.00,,"), Some(539_464));
        assert_eq!(first_number("<not supported>,,instructions:u,0,100.00,,"), None);
    }
}
