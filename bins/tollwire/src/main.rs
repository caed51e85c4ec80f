//! The agent's command: pays for a feed within a budget and streams it.
//!
//! Wiring only: what may be paid, when and to whom are rules of `tollwire-client`.

mod cli;
mod failure;
mod output;
mod receipts;
mod state;
mod stream;
mod tell;
mod wiring;

use clap::{CommandFactory as _, Parser as _};
use cli::{Cli, Command, ReceiptCommand};
use failure::Failure;
use std::process::ExitCode;
use tollwire_ops::config::Log;
use tollwire_ops::manual;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked_for = !error.use_stderr();
            drop(error.print());
            return if asked_for { ExitCode::SUCCESS } else { Failure::usage_code() };
        }
    };
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tell::problem(&failure);
            failure.exit_code()
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    tollwire_ops::logging::install(&Log { filter: Some("warn".into()), json: false })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Io("starting".into(), error))?;
    runtime.block_on(async {
        match command {
            Command::Stream(arguments) => stream::run(arguments).await,
            Command::Session(arguments) => wiring::buy(arguments).await,
            Command::TopUp(arguments) => wiring::top_up(arguments).await,
            Command::Receipt(ReceiptCommand::Verify(arguments)) => receipts::verify(arguments).await,
            Command::Completions { shell } => {
                let printed = manual::print_completions(shell, Cli::command());
                printed.map_err(|error| Failure::Io("completions".into(), error))
            }
            Command::Manual { out } => {
                let written = manual::write_pages(Cli::command(), &out);
                written.map_err(|error| Failure::Io(out.display().to_string(), error))
            }
        }
    })
}
