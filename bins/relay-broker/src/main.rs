//! Carries many API calls over one WebSocket, and the same calls over HTTP.
//!
//! Configuration and wiring only: the rules live in `tollwire-relay`.

mod check;
mod cli;
mod config;
mod dev;
mod failure;
mod sample;
mod say;
mod serve;
mod wiring;

use clap::Parser as _;
use cli::{Cli, Command};
use failure::Failure;
use std::future::Future;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say::problem(&failure);
            failure.exit_code()
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Dev { listen } => in_runtime(None, dev::run(listen)),
        Command::Serve { config } => {
            let file = config::read(&config)?;
            in_runtime(file.value.runtime.threads, serve::run(file))
        }
        Command::Check { config } => check::run(&config),
    }
}

/// Runs a future on a runtime of `threads` workers (`TOKIO_WORKER_THREADS`, else one per core, when not given).
fn in_runtime(
    threads: Option<usize>,
    future: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = threads {
        builder.worker_threads(threads.max(1));
    }
    builder.enable_all().build().map_err(|error| Failure::Start(error.to_string()))?.block_on(future)
}
