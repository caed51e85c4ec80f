//! A Solana node: Surfpool with the SPL programs of the cluster, and mints at USDC's real addresses.
//!
//! It runs programs and keeps blockhashes as the cluster does; votes and forks it has none, and what it calls final is
//! what is 31 blocks old.
//!
//! ```no_run
//! # async fn example() -> Result<(), tollwire_testkit::Error> {
//! use std::time::Duration;
//! use tollwire_testkit::solana::{DEVNET_USDC, Surfnet};
//!
//! let node = Surfnet::start(Duration::from_millis(50)).await?;
//! node.mint(DEVNET_USDC, "GmaDrppBC7P5ARKV8g3djiwP89vz1jLK23V2GBjuAEGB", 5_000_000).await?;
//! println!("JSON-RPC at {}", node.url());
//! # Ok(()) }
//! ```

use crate::process::Process;
use crate::rpc::{call, wrong};
use crate::{Error, tools};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::process::Command;

/// USDC on devnet.
pub const DEVNET_USDC: &str = "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU";
/// USDC on mainnet.
pub const MAINNET_USDC: &str = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";
/// The SPL token program.
pub const TOKEN_PROGRAM: &str = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
/// The Token-2022 program.
pub const TOKEN_2022_PROGRAM: &str = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb";

/// How long the node may take to start.
const WITHIN: Duration = Duration::from_secs(30);

/// A running node; dropping it kills it.
#[derive(Debug)]
pub struct Surfnet {
    process: Process,
    address: SocketAddr,
}

impl Surfnet {
    /// Starts a node whose slots last this long, with mints at USDC's addresses on devnet and mainnet. A blockhash lives
    /// for 150 slots.
    pub async fn start(slot: Duration) -> Result<Self, Error> {
        let mut command = Command::new("node");
        command
            .arg(tools::workspace().join("crates/testkit/node/surfnet.mjs"))
            .arg(tools::surfpool()?)
            .arg(slot.as_millis().to_string());
        let mut process = Process::spawn(command)?;
        let line = process.wait_for_line("listening on http://", WITHIN).await?;
        let address = line.rsplit('/').next().unwrap_or_default();
        let address = address.parse().map_err(|error| wrong("surfnet", format!("{line}: {error}")))?;
        let node = Self { process, address };
        for mint in [DEVNET_USDC, MAINNET_USDC] {
            node.put_mint(mint, TOKEN_PROGRAM, &[]).await?;
        }
        Ok(node)
    }

    /// Its JSON-RPC URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// One JSON-RPC call; the `surfnet_` methods of the node among them.
    pub async fn rpc(&self, method: &str, params: Value) -> Result<Value, Error> {
        call(self.address, method, params).await
    }

    /// The hash that names its cluster: not that of a public one.
    pub async fn genesis(&self) -> Result<String, Error> {
        let genesis = self.rpc("getGenesisHash", json!([])).await?;
        genesis.as_str().map(str::to_owned).ok_or_else(|| wrong("getGenesisHash", &genesis))
    }

    /// The chain begins again without accounts and history, as if all of it had been on a fork that lost. What it grows to
    /// is compared by height alone, so it is shorter than it was for a while.
    pub async fn forget_everything(&self) -> Result<(), Error> {
        self.rpc("surfnet_resetNetwork", json!([])).await.map(drop)
    }

    /// Puts a mint of six decimals at an address, with the extensions of Token-2022 as they stand there.
    pub async fn put_mint(&self, mint: &str, program: &str, extensions: &[u8]) -> Result<(), Error> {
        let mut data = vec![0; 82];
        data[36..44].copy_from_slice(&u64::MAX.to_le_bytes());
        (data[44], data[45]) = (6, 1);
        if !extensions.is_empty() {
            data.resize(165, 0);
            data.push(1);
            data.extend(extensions);
        }
        self.put_account(mint, program, 10_000_000, &data).await
    }

    /// Puts an account at an address.
    pub async fn put_account(
        &self,
        address: &str,
        owner: &str,
        lamports: u64,
        data: &[u8],
    ) -> Result<(), Error> {
        let account = json!({ "owner": owner, "lamports": lamports, "data": hex::encode(data) });
        self.rpc("surfnet_setAccount", json!([address, account])).await.map(drop)
    }

    /// Gives a wallet exactly these lamports.
    pub async fn set_lamports(&self, wallet: &str, lamports: u64) -> Result<(), Error> {
        self.rpc("surfnet_setAccount", json!([wallet, { "lamports": lamports }])).await.map(drop)
    }

    /// A wallet's lamports.
    pub async fn lamports(&self, wallet: &str) -> Result<u64, Error> {
        let method = "getBalance";
        let answer = self.rpc(method, json!([wallet, { "commitment": "processed" }])).await?;
        answer["value"].as_u64().ok_or_else(|| wrong(method, &answer))
    }

    /// Gives a wallet a token account for a mint with exactly these tokens, in atomic units.
    pub async fn mint(&self, mint: &str, wallet: &str, atomic: u64) -> Result<(), Error> {
        let method = "getAccountInfo";
        let found = self.rpc(method, json!([mint, { "encoding": "base64" }])).await?;
        let program = found["value"]["owner"].as_str().ok_or_else(|| wrong(method, &found))?;
        let account = json!({ "amount": atomic });
        self.rpc("surfnet_setTokenAccount", json!([wallet, mint, account, program])).await.map(drop)
    }

    /// A wallet's tokens of a mint, in atomic units; `None` if it has no token account.
    pub async fn tokens(&self, mint: &str, wallet: &str) -> Result<Option<u64>, Error> {
        let method = "getTokenAccountsByOwner";
        let config = json!({ "encoding": "jsonParsed", "commitment": "processed" });
        let answer = self.rpc(method, json!([wallet, { "mint": mint }, config])).await?;
        let accounts = answer["value"].as_array().ok_or_else(|| wrong(method, &answer))?;
        let Some(account) = accounts.first() else { return Ok(None) };
        let amount = account.pointer("/account/data/parsed/info/tokenAmount/amount");
        let amount = amount.and_then(Value::as_str).and_then(|amount| amount.parse().ok());
        amount.map(Some).ok_or_else(|| wrong(method, account))
    }

    /// The signatures of the transactions that name an address, newest first.
    pub async fn signatures(&self, address: &str) -> Result<Vec<String>, Error> {
        let method = "getSignaturesForAddress";
        let answer = self.rpc(method, json!([address])).await?;
        let list = answer.as_array().ok_or_else(|| wrong(method, &answer))?;
        Ok(list.iter().filter_map(|entry| entry["signature"].as_str().map(str::to_owned)).collect())
    }

    /// How many blocks there are, as far as they are seen or final.
    pub async fn height(&self, commitment: &str) -> Result<u64, Error> {
        let method = "getBlockHeight";
        let height = self.rpc(method, json!([{ "commitment": commitment }])).await?;
        height.as_u64().ok_or_else(|| wrong(method, &height))
    }

    /// Stops the process where it stands, so that it answers nothing.
    pub async fn freeze(&self) -> Result<(), Error> {
        self.process.signal("STOP").await
    }

    /// Lets it go on.
    pub async fn thaw(&self) -> Result<(), Error> {
        self.process.signal("CONT").await
    }
}

#[cfg(test)]
mod tests;
