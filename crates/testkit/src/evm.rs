//! An EVM node with the real USDC: anvil, and Circle's own contract at its canonical address, beside Multicall3.
//!
//! ```no_run
//! # async fn example() -> Result<(), tollwire_testkit::Error> {
//! use tollwire_testkit::evm::Anvil;
//! let anvil = Anvil::start(8453).await?;
//! anvil.mint("0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A", 5_000_000).await?;
//! println!("JSON-RPC at {}", anvil.url());
//! # Ok(()) }
//! ```

mod abi;
mod canned;
mod multicall;
pub mod proxy;
mod usdc;
mod wallet;

use crate::process::{Process, free_port};
use crate::{Error, rpc, tools};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::process::Command;

pub use multicall::MULTICALL3;
pub use usdc::{Authorization, Transfer};

/// How long the node may take to start, or a transaction to be mined.
const WITHIN: Duration = Duration::from_secs(20);

/// A running node; dropping it kills it. Every transaction is mined at once until told otherwise.
///
/// It signs for every address it is asked to (`--auto-impersonate`), so helpers need no keys.
#[derive(Debug)]
pub struct Anvil {
    process: Process,
    address: SocketAddr,
    chain_id: u64,
    kept: Option<Value>,
}

impl Anvil {
    /// Starts a node on a free port and deploys USDC and Multicall3 on it. `chain_id` is 8453 (Base) or 84532 (Base Sepolia).
    pub async fn start(chain_id: u64) -> Result<Self, Error> {
        let token = usdc::token(chain_id)?;
        let (process, port) = launch(chain_id, free_port()?).await?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let anvil = Self { process, address, chain_id, kept: None };
        usdc::deploy(&anvil, &token).await?;
        multicall::deploy(&anvil).await?;
        Ok(anvil)
    }

    /// Its JSON-RPC URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its chain id.
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// One JSON-RPC call.
    pub async fn rpc(&self, method: &str, params: Value) -> Result<Value, Error> {
        rpc::call(self.address, method, params).await
    }

    /// Stops the node; its chain is kept for [`Anvil::start_again`].
    pub async fn stop(&mut self) -> Result<(), Error> {
        self.kept = Some(self.rpc("anvil_dumpState", json!([])).await?);
        self.process.kill().await
    }

    /// Starts the node again at the same address, with the chain it had.
    pub async fn start_again(&mut self) -> Result<(), Error> {
        let (process, _) = launch(self.chain_id, self.address.port()).await?;
        self.process = process;
        if let Some(state) = self.kept.take() {
            self.rpc("anvil_loadState", json!([state])).await?;
        }
        Ok(())
    }

    /// Starts the node again at the same address with an empty chain: no USDC, no history.
    pub async fn start_empty(&mut self) -> Result<(), Error> {
        self.process.kill().await?;
        (self.process, _) = launch(self.chain_id, self.address.port()).await?;
        Ok(())
    }

    /// Freezes the node: connections are accepted by the system, nothing is answered.
    pub async fn freeze(&self) -> Result<(), Error> {
        self.process.signal("STOP").await
    }

    /// Lets a frozen node go on.
    pub async fn thaw(&self) -> Result<(), Error> {
        self.process.signal("CONT").await
    }

    /// Mines blocks.
    pub async fn mine(&self, blocks: u64) -> Result<(), Error> {
        self.rpc("anvil_mine", json!([format!("{blocks:#x}")])).await.map(drop)
    }

    /// Whether every transaction is mined at once. Off: blocks come only by [`Anvil::mine`].
    pub async fn set_automine(&self, on: bool) -> Result<(), Error> {
        self.rpc("evm_setAutomine", json!([on])).await.map(drop)
    }

    /// Puts code at each of these addresses that does nothing, for programs that look whether something is there.
    pub async fn put_nothing(&self, addresses: &[&str]) -> Result<(), Error> {
        for address in addresses {
            self.rpc("anvil_setCode", json!([address, "0x00"])).await?;
        }
        Ok(())
    }

    /// A block every so many seconds instead of one per transaction.
    pub async fn set_block_interval(&self, seconds: u64) -> Result<(), Error> {
        self.rpc("evm_setIntervalMining", json!([seconds])).await.map(drop)
    }

    /// Moves the chain's clock forward and mines a block there.
    pub async fn advance_time(&self, seconds: u64) -> Result<(), Error> {
        self.rpc("evm_increaseTime", json!([seconds])).await?;
        self.mine(1).await
    }

    /// The newest block's number.
    pub async fn block_number(&self) -> Result<u64, Error> {
        rpc::quantity("eth_blockNumber", &self.rpc("eth_blockNumber", json!([])).await?)
    }

    /// The newest block's time, seconds since the epoch.
    pub async fn block_time(&self) -> Result<u64, Error> {
        let method = "eth_getBlockByNumber";
        let block = self.rpc(method, json!(["latest", false])).await?;
        rpc::quantity(method, block.get("timestamp").unwrap_or(&Value::Null))
    }

    /// Gives an address this much ETH, in wei, in place of what it had.
    pub async fn set_eth(&self, address: &str, wei: u128) -> Result<(), Error> {
        self.rpc("anvil_setBalance", json!([address, format!("{wei:#x}")])).await.map(drop)
    }

    /// How many transactions of an address are mined.
    pub async fn transaction_count(&self, address: &str) -> Result<u64, Error> {
        let method = "eth_getTransactionCount";
        rpc::quantity(method, &self.rpc(method, json!([address, "latest"])).await?)
    }

    /// Forgets every transaction that is not mined yet.
    pub async fn drop_pending(&self) -> Result<(), Error> {
        self.rpc("anvil_dropAllTransactions", json!([])).await.map(drop)
    }

    /// Sends a transaction from any address, which needs ETH of its own; returns its hash at once.
    pub async fn send(&self, from: &str, to: &str, data: &[u8]) -> Result<String, Error> {
        self.send_at((from, to, data), json!({})).await
    }

    /// The same at a price that puts it before every other transaction of its block.
    pub async fn send_first(&self, from: &str, to: &str, data: &[u8]) -> Result<String, Error> {
        let price = json!({ "maxPriorityFeePerGas": "0x174876e800", "maxFeePerGas": "0x2e90edd000" });
        self.send_at((from, to, data), price).await
    }

    /// With these members beside those that every transaction has.
    async fn send_at(&self, (from, to, data): (&str, &str, &[u8]), price: Value) -> Result<String, Error> {
        let method = "eth_sendTransaction";
        let mut transaction = price;
        transaction["from"] = json!(from);
        transaction["to"] = json!(to);
        transaction["data"] = json!(format!("0x{}", hex::encode(data)));
        transaction["gas"] = json!("0x7a1200");
        rpc::text(method, &self.rpc(method, json!([transaction])).await?)
    }

    /// Waits for a transaction's receipt, and that it succeeded.
    pub async fn succeeded(&self, transaction: &str) -> Result<Value, Error> {
        let method = "eth_getTransactionReceipt";
        let deadline = tokio::time::Instant::now() + WITHIN;
        loop {
            let receipt = self.rpc(method, json!([transaction])).await?;
            match receipt.get("status").and_then(Value::as_str) {
                Some("0x1") => return Ok(receipt),
                Some(_) => {
                    let message = format!("transaction {transaction} reverted");
                    return Err(Error::Rpc { method: method.into(), message });
                }
                None if tokio::time::Instant::now() > deadline => {
                    let what = format!("a block with {transaction}");
                    return Err(Error::Timeout { what, within: WITHIN, output: String::new() });
                }
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }

    async fn execute(&self, from: &str, to: &str, data: &[u8]) -> Result<Value, Error> {
        let transaction = self.send(from, to, data).await?;
        self.succeeded(&transaction).await
    }

    async fn call(&self, to: &str, data: &[u8]) -> Result<Vec<u8>, Error> {
        let method = "eth_call";
        let request = json!([{ "to": to, "data": format!("0x{}", hex::encode(data)) }, "latest"]);
        rpc::bytes(method, &self.rpc(method, request).await?)
    }
}

/// Starts the binary. Returns the port it listens on.
async fn launch(chain_id: u64, port: u16) -> Result<(Process, u16), Error> {
    let mut command = Command::new(tools::anvil()?);
    command.args(["--host", "127.0.0.1", "--auto-impersonate", "--no-request-size-limit"]);
    command.args(["--port", &port.to_string(), "--chain-id", &chain_id.to_string()]);
    let mut process = Process::spawn(command)?;
    let line = process.wait_for_line("Listening on ", WITHIN).await?;
    let port = line.rsplit(':').next().and_then(|port| port.trim().parse().ok());
    let told = Error::Rpc { method: "anvil".into(), message: format!("no port in {line:?}") };
    Ok((process, port.ok_or(told)?))
}

#[cfg(test)]
mod tests;
