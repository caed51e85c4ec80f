//! Base and its test network: anvil with Circle's USDC.

use crate::client::{AXIOS, Client, FETCH, HTTPX, LEGACY_AXIOS, LEGACY_FETCH, REQUESTS};
use crate::purchase::{FUNDS, Names, Payer, Shop};
use tollwire_exact::evm::PrivateKey;
use tollwire_testkit::evm::Anvil;
use tollwire_tests::agent::fresh_nonce;
use tollwire_tests::settings::{ANVIL_ADDRESS, ANVIL_KEY, Chain};

const BASE: (u64, Names) = (8453, Names { v2: "eip155:8453", v1: "base", claim: "base" });
const SEPOLIA: (u64, Names) =
    (84532, Names { v2: "eip155:84532", v1: "base-sepolia", claim: "base-sepolia" });

/// A wallet of its own.
pub(crate) fn payer() -> Payer {
    let bytes = fresh_nonce();
    let address = PrivateKey::from_bytes(&bytes).unwrap().address().to_string();
    Payer { key: format!("0x{}", hex::encode(bytes)), address, rpc: None }
}

/// The chain of a node, for the facilitator's file.
pub(crate) fn chain(network: &'static str, anvil: &Anvil) -> Chain {
    Chain::Evm { network, rpc_url: anvil.url(), settlement_key: ANVIL_KEY.into() }
}

async fn buys(client: Client, (chain_id, names): (u64, Names)) {
    let anvil = Anvil::start(chain_id).await.unwrap();
    let chain = chain(names.v2, &anvil);
    let shop = Shop::open(names, chain).await;
    let mut deposited = 0;
    for (sold, version) in (1..).zip(client.versions) {
        let atomic = client.atomic(*version);
        deposited += atomic;
        let payer = payer();
        anvil.mint(&payer.address, FUNDS).await.unwrap();
        let transaction = shop.sells_to(client, *version, &payer).await;

        let mut moved = anvil.transfers_to(ANVIL_ADDRESS).await.unwrap();
        moved.retain(|transfer| transfer.from == payer.address.to_lowercase());
        assert_eq!(moved.len(), 1, "USDC moved once: {moved:?}");
        assert_eq!((&moved[0].tx, moved[0].value), (&transaction.to_lowercase(), atomic));
        assert_eq!(anvil.balance_of(&payer.address).await.unwrap(), FUNDS - atomic);
        assert_eq!(anvil.authorizations_used(&payer.address).await.unwrap().len(), 1);
        shop.has_sold(sold, deposited).await;
    }
}

#[tokio::test]
async fn x402_fetch_on_base() {
    buys(FETCH, BASE).await;
}

#[tokio::test]
async fn x402_fetch_on_base_sepolia() {
    buys(FETCH, SEPOLIA).await;
}

#[tokio::test]
async fn x402_axios_on_base() {
    buys(AXIOS, BASE).await;
}

#[tokio::test]
async fn legacy_x402_fetch_on_base() {
    buys(LEGACY_FETCH, BASE).await;
}

#[tokio::test]
async fn legacy_x402_axios_on_base() {
    buys(LEGACY_AXIOS, BASE).await;
}

#[tokio::test]
async fn python_x402_with_httpx_on_base() {
    buys(HTTPX, BASE).await;
}

#[tokio::test]
async fn python_x402_with_requests_on_base() {
    buys(REQUESTS, BASE).await;
}
