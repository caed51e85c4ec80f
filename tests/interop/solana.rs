//! Solana: a node with the cluster's own programs.

use crate::client::{AXIOS, Client, FETCH, HTTPX, LEGACY_AXIOS, LEGACY_FETCH, REQUESTS};
use crate::purchase::{FUNDS, Names, Payer, Shop};
use serde_json::json;
use std::time::Duration;
use tollwire_testkit::solana::{DEVNET_USDC, Surfnet};
use tollwire_tests::settings::Chain;
use tollwire_tests::solana::Wallet;

/// A blockhash lives for 150 of these.
const SLOT: Duration = Duration::from_millis(100);

async fn buys(client: Client) {
    let node = Surfnet::start(SLOT).await.unwrap();
    let (fee_payer, deposit) = (Wallet::of(8), Wallet::of(9));
    node.set_lamports(&fee_payer.address, 1_000_000_000).await.unwrap();
    node.mint(DEVNET_USDC, &deposit.address, 0).await.unwrap();
    let names =
        Names { v2: "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1", v1: "solana-devnet", claim: "solana-devnet" };
    let chain = Chain::Solana {
        network: names.v2,
        rpc_url: node.url(),
        genesis: node.genesis().await.unwrap(),
        settlement_key: fee_payer.key,
        deposit_key: deposit.key,
    };
    let shop = Shop::open(names, chain).await;
    let mut deposited = 0;
    for (sold, version) in (1..).zip(client.versions) {
        let atomic = client.atomic(*version);
        deposited += atomic;
        let Wallet { key, address } = Wallet::of(20 + version);
        node.mint(DEVNET_USDC, &address, FUNDS).await.unwrap();
        let payer = Payer { key, address, rpc: Some(node.url()) };
        let transaction = shop.sells_to(client, *version, &payer).await;

        let tokens = |wallet| node.tokens(DEVNET_USDC, wallet);
        assert_eq!(tokens(&payer.address).await.unwrap(), Some(FUNDS - atomic));
        assert_eq!(tokens(&deposit.address).await.unwrap(), Some(deposited));
        let signatures = node.signatures(&payer.address).await.unwrap();
        assert_eq!(json!(signatures), json!([transaction]), "one transaction, the receipt's");
        assert_eq!(node.lamports(&payer.address).await.unwrap(), 0, "the payer needs no SOL");
        shop.has_sold(sold, deposited).await;
    }
}

#[tokio::test]
async fn x402_fetch_on_solana() {
    buys(FETCH).await;
}

#[tokio::test]
async fn x402_axios_on_solana() {
    buys(AXIOS).await;
}

#[tokio::test]
async fn legacy_x402_fetch_on_solana() {
    buys(LEGACY_FETCH).await;
}

#[tokio::test]
async fn legacy_x402_axios_on_solana() {
    buys(LEGACY_AXIOS).await;
}

#[tokio::test]
async fn python_x402_with_httpx_on_solana() {
    buys(HTTPX).await;
}

#[tokio::test]
async fn python_x402_with_requests_on_solana() {
    buys(REQUESTS).await;
}
