//! Facilitators, ours, the reference facilitator of npm and x402-rs, each a process on one core in front of a chain of its
//! own, with a proxy between them that counts what the chain is asked.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::process::Command;
use tollwire_testkit::evm::Anvil;
use tollwire_testkit::evm::proxy::RpcProxy;
use tollwire_testkit::process::{Process, free_port, wait_for_port};
use tollwire_testkit::tools;

use crate::Failure;
use crate::facilitator::program;
use crate::process::{PROXY_CORE, pinned};

/// The chain's number: Base Sepolia's.
const CHAIN: u64 = 84_532;

/// Anvil's first well-known account: pays the gas.
const KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

/// Anvil's second well-known account: is paid.
pub(crate) const PAYEE: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

/// How long a process may take until it listens.
const START: Duration = Duration::from_secs(20);

/// The reference facilitator; it is what the whole-system tests compare with, too.
const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/oracle/reference.mjs");

/// Where x402-rs's facilitator is, in the target folder.
const X402_RS: &str = "rivals/release/x402-rs-rival";

/// What x402-rs looks for on a chain before it starts. No payment of ours calls any of them.
const LOOKED_FOR: [&str; 3] = [
    "0xdAcD51A54883eb67D95FAEb2BBfdC4a9a6BD2a3B",
    "0x000000000022D473030F116dDEE9F6B43aC78BA3",
    "0x402085c248EeA27D92E8b30b2C58ed07f9E20001",
];

/// A facilitator under test.
pub(crate) struct Rival {
    pub(crate) name: &'static str,
    pub(crate) pid: u32,
    /// Between it and its chain.
    pub(crate) rpc: RpcProxy,
    pub(crate) chain: Anvil,
    base: String,
    client: Client<HttpConnector, Full<Bytes>>,
    _process: Process,
}

impl Rival {
    /// Ours: one thread, an embedded ledger on disk.
    pub(crate) async fn ours(dir: &Path) -> Result<Self, Failure> {
        let (chain, rpc) = node().await?;
        let port = free_port()?;
        let made =
            Command::new(program()?).args(["keys", "new", "--out"]).arg(dir.join("key.pem")).output().await?;
        if !made.status.success() {
            return Err(format!("keys new: {}", String::from_utf8_lossy(&made.stderr)).into());
        }
        let file = dir.join("facilitator.toml");
        fs::write(&file, configuration(port, &rpc.url()))?;
        let mut command = pinned(PROXY_CORE, program()?);
        command.args(["serve", "--config"]).arg(&file).env("TOLLWIRE_EVM_KEY", KEY);
        let process = Process::spawn(command)?;
        wait_for_port(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), START).await?;
        let pid = process.id().ok_or("it ended at once")?;
        Ok(Self::new("tollwire facilitator", pid, port, (chain, rpc), process))
    }

    /// npm's, in its own words.
    pub(crate) async fn reference(dir: &Path) -> Result<Self, Failure> {
        let (chain, rpc) = node().await?;
        // Node looks for packages beside the program.
        symlink(tools::node_modules()?, dir.join("node_modules"))?;
        let script = dir.join("reference.mjs");
        fs::copy(REFERENCE, &script)?;
        let mut command = pinned(PROXY_CORE, "/usr/bin/env");
        command.arg("node").arg(script).env("RPC_URL", rpc.url()).env("PRIVATE_KEY", KEY);
        let mut process = Process::spawn(command)?;
        let line = process.wait_for_line("listening on ", START).await?;
        let port = line.rsplit(' ').next().unwrap_or_default().parse()?;
        let pid = process.id().ok_or("it ended at once")?;
        Ok(Self::new("npm reference", pid, port, (chain, rpc), process))
    }

    /// x402-rs's, which `cargo xtask bench` builds.
    pub(crate) async fn x402_rs() -> Result<Self, Failure> {
        let program = std::env::current_exe()?.ancestors().nth(2).map(|target| target.join(X402_RS));
        let program =
            program.filter(|program| program.exists()).ok_or("x402-rs is not built: cargo xtask bench")?;
        let (chain, rpc) = node().await?;
        chain.put_nothing(&LOOKED_FOR).await?;
        let mut command = pinned(PROXY_CORE, program);
        command.env("RPC_URL", rpc.url()).env("PRIVATE_KEY", KEY).env("CHAIN_ID", CHAIN.to_string());
        let mut process = Process::spawn(command)?;
        let line = process.wait_for_line("listening on ", START).await?;
        let port = line.rsplit(':').next().unwrap_or_default().parse()?;
        let pid = process.id().ok_or("it ended at once")?;
        Ok(Self::new("x402-rs 2.0.2", pid, port, (chain, rpc), process))
    }

    fn new(
        name: &'static str,
        pid: u32,
        port: u16,
        (chain, rpc): (Anvil, RpcProxy),
        process: Process,
    ) -> Self {
        let base = format!("http://127.0.0.1:{port}");
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { name, pid, rpc, chain, base, client, _process: process }
    }

    /// Sends a body to a path and wants `"{word}":true` in the answer.
    pub(crate) async fn agrees(&self, path: &str, body: Bytes, word: &str) -> Result<(), Failure> {
        let request = Request::post(format!("{}{path}", self.base))
            .header("content-type", "application/json")
            .body(Full::new(body))?;
        let answer = self.client.request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        let text = String::from_utf8_lossy(&body);
        if status == StatusCode::OK && text.contains(&format!("\"{word}\":true")) {
            return Ok(());
        }
        Err(format!("{} {path}: {status} {text}", self.name).into())
    }
}

async fn node() -> Result<(Anvil, RpcProxy), Failure> {
    let chain = Anvil::start(CHAIN).await?;
    let rpc = RpcProxy::start(chain.address()).await?;
    Ok((chain, rpc))
}

fn configuration(port: u16, rpc: &str) -> String {
    format!(
        r#"listen = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"
store = "file:./facilitator.db"
[token]
issuer = "http://127.0.0.1:{port}"
signing_key = "file:./key.pem"
[[chain]]
network = "eip155:{CHAIN}"
rpc_url = "{rpc}"
settlement_key = "env:TOLLWIRE_EVM_KEY"
[facilitator]
pay_to = ["{PAYEE}"]
[runtime]
threads = 1
[log]
filter = "warn"
"#
    )
}
