//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use tollwire_client::PayOn;
use tollwire_ops::manual::Shell;
use tollwire_x402::{Network, Usdc};

/// Pays for live feeds within a budget, in USDC over x402.
///
/// Exit codes: 0 the feed ended normally; 1 something failed; 3 the budget is spent; 4 the seller refused, or a receipt
/// is not genuine; 64 the command line is wrong.
#[derive(Debug, Parser)]
#[command(name = "tollwire", version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Buy a session of a feed, stream it to standard output, and pay on until the budget is spent.
    Stream(StreamArguments),
    /// Buy a session and print it as JSON, its token included.
    Session(SessionArguments),
    /// Buy more units for a session that is kept in a file, and print it as JSON.
    TopUp(TopUpArguments),
    /// Usage receipts.
    #[command(subcommand)]
    Receipt(ReceiptCommand),
    /// Print what a shell needs to complete this command.
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Write the manual pages, one for each command, into a folder.
    Manual {
        /// The folder; made if it is missing.
        #[arg(long)]
        out: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReceiptCommand {
    /// Verify the receipts in a file, one a line, and print what they say as JSON lines.
    Verify(VerifyArguments),
}

/// Who pays, how much, to whom.
#[derive(Debug, Args)]
pub(crate) struct PayArguments {
    /// The most to spend in all, in dollars; with --resume over all runs.
    #[arg(long, value_name = "DOLLARS")]
    pub(crate) max: Usdc,
    /// The most to spend at once, in dollars; --max if left out.
    #[arg(long, value_name = "DOLLARS")]
    pub(crate) per_payment: Option<Usdc>,
    /// The highest price per unit that is paid even if it was lower at first, in dollars.
    #[arg(long, value_name = "DOLLARS")]
    pub(crate) price_max: Option<Usdc>,
    /// A network to pay on, such as base, solana-devnet or eip155:8453; repeatable. If left out those of the key: Base
    /// and Base Sepolia, or Solana and its devnet.
    #[arg(long, value_name = "NETWORK", value_parser = Network::from_any_name)]
    pub(crate) network: Vec<Network>,
    /// The paying wallet's key: env:NAME or file:PATH. 64 hexadecimal digits for EVM; for Solana the 64 bytes that wallets
    /// export, in base58 or as a JSON array. `random` is a new wallet that is forgotten at the end: for the dev chain,
    /// where every wallet has play money.
    #[arg(long, value_name = "env:NAME|file:PATH|random", default_value = "env:TOLLWIRE_KEY")]
    pub(crate) key: String,
    /// JSON-RPC address of a Solana node (or env:NAME), asked for a blockhash where an offer hints at none.
    #[arg(long, value_name = "URL|env:NAME")]
    pub(crate) solana_rpc: Option<String>,
    /// Bind sessions to a DPoP key: the one in PATH (PEM), which is made if it is not there; without PATH one that is
    /// forgotten at the end, which does not go with --resume.
    #[arg(long, value_name = "PATH", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    pub(crate) dpop: Option<PathBuf>,
    /// Keep the session and what was spent in FILE (mode 0600), and go on from it without paying. It holds a token, no
    /// key.
    #[arg(long, value_name = "FILE")]
    pub(crate) resume: Option<PathBuf>,
    /// Allow http: and ws: to other machines: tokens and payments then travel in the clear.
    #[arg(long)]
    pub(crate) allow_plain: bool,
    /// Trust the certificate authorities in FILE (PEM) too.
    #[arg(long, value_name = "FILE")]
    pub(crate) roots: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct StreamArguments {
    /// The feed: `https://pay.example/feeds/ticks`, or where its sessions are sold.
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) pay: PayArguments,
    /// Before buying, ask for a session that this wallet has paid for already, by signing in.
    #[arg(long)]
    pub(crate) sign_in: bool,
    /// How to pay on.
    #[arg(long, value_enum, default_value_t = PayOnWord::InBand)]
    pub(crate) pay_on: PayOnWord,
    /// How often in a row a lost connection is replaced.
    #[arg(long, value_name = "TIMES", default_value_t = 5)]
    pub(crate) reconnects: u32,
    /// Write binary messages as lines of hexadecimal digits; otherwise they are written as they are, one after another.
    #[arg(long)]
    pub(crate) hex: bool,
    /// Append usage receipts to FILE, one a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) receipts: Option<PathBuf>,
    /// How payments and other events are told on standard error.
    #[arg(long, value_enum, default_value_t = Events::Text)]
    pub(crate) events: Events,
}

#[derive(Debug, Args)]
pub(crate) struct SessionArguments {
    /// The feed, or where its sessions are sold.
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) pay: PayArguments,
    /// Before buying, ask for a session that this wallet has paid for already, by signing in.
    #[arg(long)]
    pub(crate) sign_in: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TopUpArguments {
    #[command(flatten)]
    pub(crate) pay: PayArguments,
    /// Instead of --resume: top up the session that this wallet has at this feed, by signing in.
    pub(crate) url: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// The receipts: compact JWS, one a line, or the JSON that a facilitator answered.
    pub(crate) file: PathBuf,
    /// The facilitator's key set, as a file; if left out it is fetched from the issuer that the receipt names.
    #[arg(long, value_name = "FILE")]
    pub(crate) jwks: Option<PathBuf>,
    /// The facilitator that must have signed; if left out any.
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// Allow http: to other machines.
    #[arg(long)]
    pub(crate) allow_plain: bool,
}

/// How a stream pays on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PayOnWord {
    /// Within the stream when the balance is low, else over HTTP, else by another session.
    InBand,
    /// Over HTTP when the balance is spent, else by another session.
    TopUp,
    /// By another session when the balance is spent.
    NewSession,
    /// Not at all.
    Never,
}

impl From<PayOnWord> for PayOn {
    fn from(word: PayOnWord) -> Self {
        match word {
            PayOnWord::InBand => Self::InBand,
            PayOnWord::TopUp => Self::TopUp,
            PayOnWord::NewSession => Self::NewSession,
            PayOnWord::Never => Self::Never,
        }
    }
}

/// The form of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Events {
    /// Lines for people.
    Text,
    /// JSON lines.
    Json,
    /// None.
    None,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_with_optional_values_do_not_eat_the_feed() {
        let line = ["tollwire", "stream", "--max", "1", "--dpop", "http://x", "--network", "base"];
        let Ok(Cli { command: Command::Stream(arguments) }) = Cli::try_parse_from(line) else { panic!() };
        assert_eq!(arguments.url, "http://x");
        assert_eq!(arguments.pay.network, [Network::BASE]);
    }
}
