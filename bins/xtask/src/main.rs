//! Development tasks. `cargo xtask` lists them.
//!
//! It depends on nothing but the standard library, so that the first `cargo xtask` of a fresh clone is quick.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool talks to the person who typed the command"
)]

mod autobahn;
mod bench;
mod command;
mod conformance;
mod package;
mod readers;
mod sdks;
mod setup;
mod test;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask <task>

  setup        install what the tests need and this machine lacks, into target/testkit and by apt-get; says what it installs
  test         setup, then every test of the workspace (arguments after -- go to cargo test), then those of the SDKs
  sdks         install what the SDKs' languages need, then run their tests and the shared vectors in every language, and say
               which disagrees; `sdks bench` prints what a token costs in each, Rust too
  conformance  install the Autobahn suite into target/testkit, then check RFC 6455 with it (needs CPython 2.7; says so if
               there is none, and fails then with --required)
  package      build the release binaries and pack them as target/package/tollwire_*.deb, with a container file beside it
  bench        install nginx, haproxy and nats-server if they are missing, then print the comparison tables (arguments go to the
               benchmark: `bench broker` is one of them)";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next();
    let rest: Vec<String> = arguments.filter(|argument| argument != "--").collect();
    let done = match task.as_deref() {
        Some("setup") => setup::for_tests(),
        Some("test") => test::run(&rest),
        Some("sdks") => sdks::run(&rest),
        Some("conformance") => conformance::run(&rest),
        Some("package") => package::package(&rest),
        Some("bench") => bench::run(&rest),
        _ => {
            println!("{USAGE}");
            return ExitCode::from(if task.is_none() { 0 } else { 64 });
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("xtask: {problem}");
            ExitCode::FAILURE
        }
    }
}
