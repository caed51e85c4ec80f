//! An agent that calls one path of an API many times at once through a broker, over one WebSocket, and pays for each call:
//!
//! ```text
//! relay-broker dev
//! cargo run --example relay -- http://127.0.0.1:4030 paid "/v1/slow?ms=100" [CALLS]
//! ```
//!
//! `AGENT_KEY` is the wallet's key in hex; without it one is made up, which the dev chain has given play money.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use std::error::Error;
use tollwire_client::{ApiCall, Budget, Config, Payer, RelayClient, Wallet};
use tollwire_x402::Network;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "relay BROKER_URL API PATH [CALLS]";
    let (broker, api, path) =
        (arguments.next().ok_or(usage)?, arguments.next().ok_or(usage)?, arguments.next().ok_or(usage)?);
    let calls: u64 = arguments.next().map_or(Ok(5), |text| text.parse())?;

    // At most a cent per call, and ten cents in all.
    let budget = Budget::new("0.01".parse()?, "0.10".parse()?);
    let wallet = match std::env::var("AGENT_KEY") {
        Ok(key) => Wallet::evm(&key)?,
        Err(_) => Wallet::random()?,
    };
    let payer = Payer::new(wallet, budget, Config::new([Network::BASE_SEPOLIA]))?;
    let client = RelayClient::new(payer, &broker)?;

    let call = ApiCall::get(&api, &path);
    let mut under_way: FuturesUnordered<_> = (1..=calls)
        .map(|number| {
            let (client, call) = (client.clone(), call.clone());
            async move { (number, client.call(&call).await) }
        })
        .collect();
    while let Some((number, called)) = under_way.next().await {
        let called = called?;
        let body = String::from_utf8_lossy(&called.body);
        println!("call {number}: {} for {}: {body}", called.status, called.paid);
    }
    println!("spent {}", client.payer().budget().spent());
    Ok(())
}
