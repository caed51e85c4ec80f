//! Carries many API calls over one WebSocket, and the same calls over HTTP.
//!
//! Configuration and wiring only: the rules live in `tollwire-relay`.

mod accounts;
mod asp;
mod asp_tools;
mod brain;
mod bridge;
mod check;
mod cli;
mod config;
mod demo;
mod demo_agent;
mod dev;
mod dev_asp;
mod failure;
mod orchestrator;
mod payments;
mod registrations;
mod sample;
mod serve;
mod store;
mod wiring;

use clap::{CommandFactory as _, Parser as _};
use cli::{AspCommand, Cli, Command};
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
        Command::Completions { shell } => {
            manual::print_completions(shell, Cli::command()).map_err(Failure::start)
        }
        Command::Manual { out } => manual::write_pages(Cli::command(), &out).map_err(Failure::start),
        Command::App(command) => in_runtime(Some(1), registrations::app(command)),
        Command::Asp(AspCommand::Verify { from, key, client, secret }) => {
            let login = client.zip(secret);
            in_runtime(Some(1), asp_tools::verify(&from, key.as_deref(), login))
        }
        Command::Asp(AspCommand::Secret) => asp_tools::secret(),
        Command::Agent(command) => in_runtime(Some(1), registrations::agent(command)),
        Command::Person(command) => in_runtime(Some(1), registrations::person(command)),
        Command::Brain { url, token } => in_runtime(Some(1), serve_brain(url, &token)),
    }
}

/// Runs a command on `threads` workers, or on as many as fit this machine.
fn in_runtime(
    threads: Option<usize>,
    command: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    tollwire_ops::runtime::block_on(threads, command).map_err(Failure::start)?
}

/// Runs the example brain until the broker is gone for good, or Ctrl-C.
async fn serve_brain(url: String, token: &str) -> Result<(), Failure> {
    let token = std::env::var(token).map_err(|_| Failure::Start(format!("{token} is not set")))?;
    let mut signals = tollwire_ops::shutdown::Signals::listen()?;
    console::line("The brain is at work.");
    tokio::select! {
        () = brain::run(tollwire_client::bridge::Config::new(url, token)) => {}
        _ = signals.next() => {}
    }
    Ok(())
}
