//! The command line.

use clap::{Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use tollwire_gate::AccountId;
use tollwire_ops::manual::Shell;
use tollwire_settlement::cost_model::EVM_GAS_ALONE;
use tollwire_x402::Usdc;

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
    /// Serve sample feeds on the dev chain (play money) and print what to try.
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
    /// What providers are paid.
    #[command(subcommand)]
    Payouts(PayoutsCommand),
    /// The books.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Copy the store, and the feeds registered over the admin API beside it, whether a node has it open or not.
    Backup {
        /// The configuration file; its store is copied by the running node that has it open, or by this command.
        #[arg(long)]
        config: PathBuf,
        /// The copy: a new file. Registered feeds go into another of the same name with `.feeds.json` behind it.
        #[arg(long)]
        out: PathBuf,
    },
    /// Put a backup in the place of a configuration's store, which must not exist. Overwrites nothing.
    Restore {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        /// What `backup` wrote.
        #[arg(long)]
        from: PathBuf,
    },
    /// Print the cost model: what agent, provider, chain and facilitator pay and get.
    CostModel(CostModelArgs),
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

/// Rates at which measured costs are reckoned beside the paper's.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct CostModelArgs {
    /// Also print measured costs beside the paper's assumptions.
    #[arg(long)]
    pub(crate) measured: bool,
    /// Gas of one settlement alone on an EVM chain; measured on the real USDC contract.
    #[arg(long, default_value_t = EVM_GAS_ALONE)]
    pub(crate) gas: u64,
    /// Gas of a transaction that settles several deposits, as SIZE=GAS; may be repeated.
    #[arg(long, value_parser = batch)]
    pub(crate) batch: Vec<(u64, u64)>,
    /// Price per gas, in wei.
    #[arg(long, default_value_t = 10_000_000)]
    pub(crate) wei_per_gas: u64,
    /// Dollars per whole coin of the EVM chain's currency.
    #[arg(long, default_value = "3000")]
    pub(crate) usdc_per_coin: Usdc,
    /// Priority fee of a settlement on Solana, in lamports.
    #[arg(long, default_value_t = 0)]
    pub(crate) priority_lamports: u64,
    /// Dollars per SOL.
    #[arg(long, default_value = "150")]
    pub(crate) usdc_per_sol: Usdc,
}

fn batch(text: &str) -> Result<(u64, u64), String> {
    let rule = "write SIZE=GAS, such as 10=600000";
    let (size, gas) = text.split_once('=').ok_or(rule)?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| rule.to_owned());
    match (number(size)?, number(gas)?) {
        (0, _) => Err("a batch settles at least one deposit".to_owned()),
        pair => Ok(pair),
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum PayoutsCommand {
    /// List every payout: account, amount, state, transaction.
    List {
        /// The configuration file; its store is read, or the node asked that has it open.
        #[arg(long)]
        config: PathBuf,
        /// Comma-separated values, for other programs; amounts in atomic units.
        #[arg(long)]
        csv: bool,
    },
    /// Pay every provider to whom enough is due, now. Safe beside running nodes and beside their schedule.
    Run {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        /// Dollars that must be due, in place of the configured threshold.
        #[arg(long)]
        threshold: Option<Usdc>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// The books in double entry, beside what the chains say; exit code 1 if they do not balance.
    Balance {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
    },
    /// Every session, refund and payout with where each atomic unit is, as comma-separated values.
    Export {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
    },
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
