//! A second look at tests that failed beside all the others.
//!
//! Whole-system tests wait for real processes, and on a machine that is busy with something else one of them may miss its
//! time. So a few that fail are run once more, alone. What fails again has failed; what passes then is named, loudly, because
//! it is a fault all the same: of the test, or of what it tests.

use crate::command;
use std::collections::BTreeSet;
use std::process::Command;

/// More failures than these are no accident.
const AGAIN_MAX: usize = 3;

/// Runs the tests that failed in a run once more, by themselves. `cargo` is the run's command without what follows `--`.
pub(super) fn look(mut cargo: Command, output: &str) -> Result<(), String> {
    let failed = failed(output);
    if failed.is_empty() || failed.len() > AGAIN_MAX {
        return Err(format!("{} tests failed", failed.len()));
    }
    let names: Vec<&str> = failed.iter().map(String::as_str).collect();
    println!("NOTICE: failed beside all the others, and run once more alone: {}", names.join(", "));
    let (ended_well, told) = command::run_and_tell(cargo.args(["--", "--exact"]).args(&names))?;
    if !ended_well || passed(&told) < failed.len() {
        return Err(format!("failed twice: {}", names.join(", ")));
    }
    println!(
        "NOTICE: passed when run alone, which says that they depend on their time: {}",
        names.join(", ")
    );
    Ok(())
}

/// The names of tests that failed, as the test harness tells them.
fn failed(output: &str) -> BTreeSet<String> {
    let told = output.lines().filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
    told.map(str::to_owned).collect()
}

/// How many tests passed, in all test programs of a run.
fn passed(output: &str) -> usize {
    let count = |line: &str| line.strip_prefix("test result: ok. ")?.split_once(" passed;")?.0.parse().ok();
    output.lines().filter_map(count).fold(0_usize, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::{failed, passed};

    #[test]
    fn a_run_is_read() {
        let output = "\
running 3 tests
test broker::an_operator_registers ... FAILED
test walk::an_operator_sells ... ok
test slow has been running for over 60 seconds
test nodes::a_redis_that_is_killed ... FAILED
test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 40.30s
test result: ok. 33 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.14s
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 205 filtered out; finished in 0.14s
";
        let names: Vec<_> = failed(output).into_iter().collect();
        assert_eq!(names, ["broker::an_operator_registers", "nodes::a_redis_that_is_killed"]);
        assert_eq!(passed(output), 35);
    }
}
