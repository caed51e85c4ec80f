//! The product: a facilitator on the dev chain, one feed per unit, and sessions that were paid for.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use futures_util::stream::{StreamExt, TryStreamExt, iter};
use tokio::process::Command;
use tollwire_client::{Budget, Config, Payer, Wallet};
use tollwire_x402::Network;

use crate::Failure;
use crate::process::{PROXY_CORE, pinned};
use crate::targets::Ask;

/// The feeds, named by what they are sold by.
pub(crate) const FEEDS: [&str; 4] = ["stream", "message", "kib", "second"];

/// Units one session buys: more than a run can use, for less than an account of the dev chain owns.
const UNITS: u32 = 500_000_000;

/// What they cost, in dollars.
const DEPOSIT: &str = "500";

/// Payments under way at once.
const PAYING: usize = 32;

/// Where the ledger is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Store<'a> {
    /// The embedded one, a file.
    File,
    /// A Redis at this address.
    Redis(&'a str),
}

/// The command that serves on `port` in front of `upstream`, with keys and configuration in `dir`.
pub(crate) async fn command(
    dir: &Path,
    port: u16,
    upstream: SocketAddr,
    store: Store<'_>,
) -> Result<Command, Failure> {
    let program = program()?;
    let made = Command::new(&program)
        .args(["keys", "new", "--out"])
        .arg(dir.join("session-key.pem"))
        .output()
        .await?;
    if !made.status.success() {
        return Err(format!("keys new: {}", String::from_utf8_lossy(&made.stderr)).into());
    }
    let file = dir.join("facilitator.toml");
    fs::write(&file, configuration(port, upstream, store))?;
    let mut command = pinned(PROXY_CORE, &program);
    command.args(["serve", "--config"]).arg(&file);
    Ok(command)
}

/// Pays for one session per agent, and asks for streams of `feed` with their tokens, which are kept in `dir`.
pub(crate) async fn ask(dir: &Path, address: SocketAddr, feed: &str, agents: u32) -> Result<Ask, Failure> {
    let url = format!("http://{address}/feeds/{feed}/session");
    let deposit = DEPOSIT.parse()?;
    let tokens: Vec<String> = iter(0..agents)
        .map(|_| async {
            let config = Config::new([Network::BASE_SEPOLIA]);
            let payer = Payer::new(Wallet::random()?, Budget::new(deposit, deposit), config)?;
            Ok::<_, Failure>(payer.buy(&url).await?.token().to_owned())
        })
        .buffer_unordered(PAYING)
        .try_collect()
        .await?;
    let file = dir.join(format!("{feed}.tokens"));
    fs::write(&file, tokens.join("\n"))?;
    Ok(Ask { address, target: format!("/feeds/{feed}/ws"), tokens: Some(file) })
}

/// The facilitator that was built beside this program.
pub(crate) fn program() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?.with_file_name("facilitator");
    if program.exists() {
        return Ok(program);
    }
    Err(format!("{} is missing: cargo build --release -p facilitator", program.display()).into())
}

/// One thread, a durable ledger, play money; logging as quiet as that of the others.
fn configuration(port: u16, upstream: SocketAddr, store: Store<'_>) -> String {
    let store = match store {
        Store::File => "file:./facilitator.db",
        Store::Redis(url) => url,
    };
    let feeds = FEEDS.map(|unit| {
        format!(
            r#"[[feed]]
id = "{unit}"
unit = "{unit}"
upstream = "ws://{upstream}/"
price = "0.000001"
deposit_units = [{UNITS}]
"#
        )
    });
    let feeds = feeds.concat();
    format!(
        r#"listen = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"
store = "{store}"
[token]
issuer = "http://127.0.0.1:{port}"
signing_key = "file:./session-key.pem"
[[chain]]
kind = "dev"
{feeds}[runtime]
threads = 1
[log]
filter = "warn"
"#
    )
}
