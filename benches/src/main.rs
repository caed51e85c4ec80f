//! Benchmarks: this proxy beside nginx, HAProxy and a plain tungstenite proxy, all on one thread, in one run.
//!
//! ```text
//! load (frames by hand) ──▶ proxy under test (one thread) ──▶ upstream (frames by hand)
//! ```
//!
//! Every part is a process of its own. What is compared is the proxy's CPU time and resident memory as the kernel
//! accounts them, in interleaved rounds; the medians' ratios are what the table is about, since absolute numbers
//! belong to a machine and a moment.
//!
//! `cargo run --release -p tollwire-benches -- [all|throughput|echo|idle|upgrade|metering|live|store|facilitators|broker|asp]`, or `cargo xtask bench`.

mod arguments;
mod facilitator;
mod measure;
mod messengers;
mod numbers;
mod payments;
mod process;
mod rivals;
mod roles;
mod socket;
mod table;
mod targets;

use std::io::Write as _;
use std::process::ExitCode;

/// Whatever went wrong, told to a person.
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let ended = match arguments.split_first() {
        Some((role, rest)) if role == "role" => roles::run(rest).await,
        _ => measure::run(&arguments).await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(&format!("benches: {failure}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints a line; a reader who has gone away is no reason to fail.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
