//! The command line.

use clap::{Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use tollwire_gate::AccountId;

/// Sells access to WebSocket feeds over x402; also a plain x402 facilitator.
#[derive(Debug, Parser)]
#[command(name = "facilitator", version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the whole story in one process: pay, stream, run dry at 4008, pay again, pay on while frames flow, and the
    /// books at the end.
    Demo,
    /// Serve a sample feed on the dev chain (play money) and print what to try.
    Dev {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:4020")]
        listen: SocketAddr,
    },
    /// Serve what a configuration file says.
    Serve {
        /// The file (docs/configuration.md).
        #[arg(long)]
        config: PathBuf,
    },
    /// Read a configuration file as `serve` would, bind nothing, and warn of likely mistakes.
    Check {
        /// The file.
        #[arg(long)]
        config: PathBuf,
    },
    /// Keys that sign session tokens.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Accounts of those who settle through us.
    #[command(subcommand)]
    Accounts(AccountsCommand),
    /// Usage receipts.
    #[command(subcommand)]
    Receipt(ReceiptCommand),
    /// Print the cost model: what agent, provider, chain and facilitator pay and get.
    CostModel,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a new key file (mode 0600). Never overwrites.
    New {
        /// Where to write it.
        #[arg(long)]
        out: PathBuf,
        /// What it signs with.
        #[arg(long, value_enum, default_value_t = KeyAlgorithm::Eddsa)]
        algorithm: KeyAlgorithm,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountsCommand {
    /// Make a key for an account and print it with its hash. The key is shown this once.
    New {
        /// The account's name: 1 to 32 of a-z, 0-9 and -.
        id: AccountId,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReceiptCommand {
    /// Verify a receipt and print what it says; exit code 1 with the reason if it does not verify.
    Verify {
        /// The receipt, alone or as `GET /session/receipt` answers it.
        file: PathBuf,
        /// File or URL of the facilitator's public keys. Left out: fetched from the issuer that the receipt names.
        #[arg(long)]
        jwks: Option<String>,
    },
}

/// Signature algorithms for session tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyAlgorithm {
    /// Ed25519.
    Eddsa,
    /// ECDSA on P-256.
    Es256,
}
