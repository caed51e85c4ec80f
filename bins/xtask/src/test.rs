//! Every test, with the real parts they need.

mod again;

use crate::{command, sdks, setup};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::process::{Command, Stdio};

/// Tests of whole systems that take long and mostly wait: for processes that start, time that passes, blocks that are made.
/// They run beside all the others.
const WAITING: [&str; 6] = ["crash", "interop", "metered_faults", "outage", "page", "relay"];

/// Installs what is missing, builds the binaries that the whole-system tests start, and runs every test; a run
/// that names tests of its own leaves the SDKs out.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    setup::for_tests()?;
    // All targets at once, so that binaries and tests share one build of every dependency.
    command::run(command::cargo().args(["build", "--locked", "--workspace", "--all-targets"]))?;
    if !arguments.is_empty() {
        return command::run(cargo_test().args(arguments));
    }
    side_by_side()?;
    command::run(cargo_test().arg("--doc"))?;
    sdks::test()
}

fn cargo_test() -> Command {
    let mut cargo = command::cargo();
    cargo.args(["test", "--locked", "--workspace"]);
    cargo
}

/// Runs the tests in two halves at once. What the second says is shown when both have ended.
fn side_by_side() -> Result<(), String> {
    let (waiting, others): (Vec<String>, Vec<String>) =
        integration_tests()?.into_iter().partition(|name| WAITING.contains(&name.as_str()));
    let folder = command::workspace().join("target");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let path = folder.join("test-beside.log");
    let open = || File::create(&path).map_err(|error| format!("{}: {error}", path.display()));
    let log = open()?;
    let errors = log.try_clone().map_err(|error| format!("{}: {error}", path.display()))?;
    let of_others = || {
        let mut cargo = cargo_test();
        cargo.arg("--no-fail-fast").args(["--lib", "--bins", "--examples"]).args(named(&others));
        cargo
    };
    let of_waiting = || {
        let mut cargo = cargo_test();
        cargo.arg("--no-fail-fast").args(named(&waiting));
        cargo
    };
    println!("beside the next command, all other tests run; {} is shown at the end", path.display());
    let mut beside = of_others()
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .map_err(|error| format!("cargo test: {error}"))?;
    let (first_well, first) = command::run_and_tell(&mut of_waiting())?;
    let second_well = beside.wait().map_err(|error| format!("cargo test: {error}"))?.success();
    let second = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let second = String::from_utf8_lossy(&second);
    print!("{second}");
    if !first_well {
        again::look(of_waiting(), &first)?;
    }
    if second_well { Ok(()) } else { again::look(of_others(), &second) }
}

fn named(tests: &[String]) -> Vec<&str> {
    tests.iter().flat_map(|name| ["--test", name]).collect()
}

/// The names of all integration tests, as cargo lists them.
fn integration_tests() -> Result<BTreeSet<String>, String> {
    let listed = cargo_test().arg("--no-run").output().map_err(|error| format!("cargo test: {error}"))?;
    let said = String::from_utf8_lossy(&listed.stderr);
    if !listed.status.success() {
        return Err(format!("cargo test --no-run: {said}"));
    }
    let names: BTreeSet<String> = said.lines().filter_map(integration_test).map(str::to_owned).collect();
    let missing = WAITING.iter().find(|name| !names.contains(**name));
    missing.map_or(Ok(names), |name| Err(format!("there is no test {name} any more: {said}")))
}

/// The name in a line such as `  Executable tests/page/main.rs (target/debug/deps/page-0123456789abcdef)`.
fn integration_test(line: &str) -> Option<&str> {
    let (source, program) = line.trim().strip_prefix("Executable ")?.split_once(" (")?;
    let file = program.strip_suffix(')')?.rsplit('/').next()?;
    let (name, _hash) = file.rsplit_once('-')?;
    (!source.starts_with("unittests ")).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::integration_test;

    #[test]
    fn integration_tests_are_told_from_unit_tests() {
        let page = "  Executable tests/page/main.rs (target/debug/deps/page-dfc2b8a4a1c6d2d8)";
        assert_eq!(integration_test(page), Some("page"));
        let top = "  Executable top_ups.rs (/elsewhere/debug/deps/top_ups-0123456789abcdef)";
        assert_eq!(integration_test(top), Some("top_ups"));
        for other in
            ["  Executable unittests src/lib.rs (target/debug/deps/asp-01)", "    Finished `test`", ""]
        {
            assert_eq!(integration_test(other), None, "{other}");
        }
    }
}
