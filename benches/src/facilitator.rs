//! The product: a facilitator with an embedded ledger, and a session that was paid for on the dev chain.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::process::Command;
use tollwire_client::{Budget, Config, Payer, Wallet};
use tollwire_x402::Network;

use crate::Failure;
use crate::process::{PROXY_CORE, pinned};
use crate::socket::Ask;

/// The feed's id.
const FEED: &str = "bench";

/// Agents, each with a wallet and a session of its own: as many as open streams at the same time.
const AGENTS: u32 = 50;

/// Streams one session pays for: more than a run can open.
const UNITS: u32 = 1_000_000;

/// The command that serves on `port` in front of `upstream`, with keys and configuration in `dir`.
pub(crate) async fn command(dir: &Path, port: u16, upstream: SocketAddr) -> Result<Command, Failure> {
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
    fs::write(&file, configuration(port, upstream))?;
    let mut command = pinned(PROXY_CORE, &program);
    command.args(["serve", "--config"]).arg(&file);
    Ok(command)
}

/// Pays for a session per agent, and asks for streams with their tokens.
pub(crate) async fn ask(address: SocketAddr) -> Result<Ask, Failure> {
    let url = format!("http://{address}/feeds/{FEED}/session");
    let dollar = "1".parse()?;
    let mut tokens = Vec::new();
    for _ in 0..AGENTS {
        let config = Config::new([Network::BASE_SEPOLIA]);
        let payer = Payer::new(Wallet::random()?, Budget::new(dollar, dollar), config)?;
        tokens.push(payer.buy(&url).await?.token().to_owned());
    }
    Ok(Ask { address, target: format!("/feeds/{FEED}/ws"), tokens })
}

/// The facilitator that was built beside this program.
fn program() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?.with_file_name("facilitator");
    if program.exists() {
        return Ok(program);
    }
    Err(format!("{} is missing: cargo build --release -p facilitator", program.display()).into())
}

/// One thread, a durable ledger, play money; logging as quiet as that of the others.
fn configuration(port: u16, upstream: SocketAddr) -> String {
    format!(
        r#"listen = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"
store = "file:./facilitator.db"
[token]
issuer = "http://127.0.0.1:{port}"
signing_key = "file:./session-key.pem"
[[chain]]
kind = "dev"
[[feed]]
id = "{FEED}"
upstream = "ws://{upstream}/"
price = "0.000001"
deposit_units = [{UNITS}]
[runtime]
threads = 1
[log]
filter = "warn"
"#
    )
}
