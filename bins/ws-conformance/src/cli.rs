//! The command line.

use clap::Parser;
use std::path::PathBuf;
use tollwire_x402::{Network, Usdc};

/// Checks a server against the specification of the WebSocket transport for x402 (crates/gate/WEBSOCKET.md), over the
/// wire, with payments up to a maximum.
///
/// Prints one line per rule: pass, fail or n/a, the section of the specification, and the rule. Exit codes: 0 no rule was
/// broken; 1 one was; 64 the command line is wrong, or the walk could not begin.
#[derive(Debug, Parser)]
#[command(name = "ws-conformance", version, about)]
pub(crate) struct Cli {
    /// Where sessions of a feed are sold, such as `https://pay.example/feeds/ticks/session`.
    pub(crate) url: String,
    /// The most to spend in all, in dollars: real money, unless the server takes play money.
    #[arg(long, value_name = "DOLLARS")]
    pub(crate) max: Usdc,
    /// The paying wallet's key, 64 hexadecimal digits: env:NAME or file:PATH. `random` is a new wallet, for servers
    /// that take play money.
    #[arg(long, value_name = "env:NAME|file:PATH|random", default_value = "env:TOLLWIRE_KEY")]
    pub(crate) key: String,
    /// A network to pay on, such as base, base-sepolia or eip155:8453; repeatable. Base and Base Sepolia if left out.
    #[arg(long, value_name = "NETWORK", value_parser = Network::from_any_name)]
    pub(crate) network: Vec<Network>,
    /// How long to wait for anything, and for a balance to run dry.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) patience: u64,
    /// Allow http: and ws: to other machines: tokens and payments then travel in the clear.
    #[arg(long)]
    pub(crate) allow_plain: bool,
    /// Trust the certificate authorities in FILE (PEM) too.
    #[arg(long, value_name = "FILE")]
    pub(crate) roots: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
