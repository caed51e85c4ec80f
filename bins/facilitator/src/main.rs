//! Sells access to WebSocket feeds over x402; also a plain x402 facilitator.
//!
//! Configuration and wiring only: the rules live in the crates.

mod accounts;
mod backup;
mod check;
mod cli;
mod config;
mod cost_model;
mod demo;
mod dev;
mod failure;
mod keys;
mod ledger;
mod node;
mod payouts;
mod receipt;
mod sample;
mod serve;
mod table;
mod wiring;

use clap::{CommandFactory as _, Parser as _};
use cli::{AccountsCommand, Cli, Command, KeysCommand, LedgerCommand, PayoutsCommand, ReceiptCommand};
use failure::Failure;
use std::future::Future;
use std::process::ExitCode;
use tollwire_ops::{console, manual};

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            console::problem(&failure);
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
        Command::Payouts(PayoutsCommand::List { config, csv }) => {
            in_runtime(Some(1), payouts::list(config::read(&config)?, csv))
        }
        Command::Payouts(PayoutsCommand::Run { config, threshold }) => {
            in_runtime(Some(1), payouts::run(config::read(&config)?, threshold))
        }
        Command::Ledger(LedgerCommand::Balance { config }) => {
            in_runtime(Some(1), ledger::balance(config::read(&config)?))
        }
        Command::Ledger(LedgerCommand::Export { config }) => {
            in_runtime(Some(1), ledger::export(config::read(&config)?))
        }
        Command::Backup { config, out } => in_runtime(Some(1), backup::write(config::read(&config)?, &out)),
        Command::Restore { config, from } => {
            in_runtime(Some(1), backup::restore(config::read(&config)?, &from))
        }
        Command::CostModel(args) => cost_model::run(&args),
        Command::Completions { shell } => {
            manual::print_completions(shell, Cli::command()).map_err(Failure::start)
        }
        Command::Manual { out } => manual::write_pages(Cli::command(), &out).map_err(Failure::start),
    }
}

/// Runs a command on `threads` workers, or on as many as fit this machine.
fn in_runtime(
    threads: Option<usize>,
    command: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    tollwire_ops::runtime::block_on(threads, command).map_err(Failure::start)?
}
