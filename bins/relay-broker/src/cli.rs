//! The command line.

use clap::{Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Carries many API calls over one WebSocket, and the same calls over HTTP.
#[derive(Debug, Parser)]
#[command(name = "relay-broker", version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a sample API on this machine and print what to try.
    Dev {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:4030")]
        listen: SocketAddr,
    },
    /// Serve what a configuration file says.
    Serve {
        /// The file (docs/relay-broker.md).
        #[arg(long)]
        config: PathBuf,
    },
    /// Read a configuration file as `serve` would, bind nothing, and warn of likely mistakes.
    Check {
        /// The file.
        #[arg(long)]
        config: PathBuf,
    },
}
