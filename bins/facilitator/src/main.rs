//! Sells access to WebSocket feeds over x402; also a plain x402 facilitator.
//!
//! Configuration and wiring only: the rules live in the crates.

mod accounts;
mod check;
mod cli;
mod config;
mod cost_model;
mod demo;
mod dev;
mod failure;
mod keys;
mod receipt;
mod sample;
mod say;
mod serve;
mod wiring;

use clap::Parser as _;
use cli::{AccountsCommand, Cli, Command, KeysCommand, ReceiptCommand};
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
        Command::Demo => in_runtime(None, demo::run()),
        Command::Dev { listen } => in_runtime(None, dev::run(listen)),
        Command::Serve { config } => {
            let file = config::read(&config)?;
            in_runtime(file.value.runtime.threads, serve::run(file))
        }
        Command::Check { config } => check::run(&config),
        Command::Keys(KeysCommand::New { out, algorithm }) => keys::new(&out, algorithm),
        Command::Accounts(AccountsCommand::New { id }) => accounts::new(&id),
        Command::Receipt(ReceiptCommand::Verify { file, jwks }) => {
            in_runtime(Some(1), receipt::verify(&file, jwks.as_deref()))
        }
        Command::CostModel => cost_model::run(),
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
