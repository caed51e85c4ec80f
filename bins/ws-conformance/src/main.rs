//! Walks a server of the WebSocket transport for x402 through its specification, over the wire, with real payments.
//!
//! It shares no code with our client or our server beyond the vocabulary and the signatures: what it checks is what
//! another implementation would see.

mod cli;
mod ending;
mod frames;
mod purchase;
mod purse;
mod report;
mod server;
mod session;
mod talk;
mod tokens;
mod unpaid;
mod walk;

use clap::Parser as _;
use cli::Cli;
use std::io::Write as _;
use std::process::ExitCode;

/// The command line is wrong (sysexits.h).
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked_for = !error.use_stderr();
            drop(error.print());
            return if asked_for { ExitCode::SUCCESS } else { ExitCode::from(USAGE) };
        }
    };
    match run(&cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            drop(writeln!(std::io::stderr().lock(), "error: {problem}"));
            ExitCode::from(USAGE)
        }
    }
}

/// Whether no rule was broken; an error if the walk could not begin.
fn run(cli: &Cli) -> Result<bool, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(Box::pin(walk::walk(cli)))
}
