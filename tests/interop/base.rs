//! Base: anvil with Circle's USDC.

use crate::client::{AXIOS, Client, FETCH, HTTPX, LEGACY_AXIOS, LEGACY_FETCH, REQUESTS};
use crate::purchase::{FUNDS, Names, Payer, Shop};
use tollwire_exact::evm::PrivateKey;
use tollwire_testkit::evm::Anvil;
use tollwire_tests::agent::fresh_nonce;
use tollwire_tests::settings::{ANVIL_ADDRESS, ANVIL_KEY, Chain};

async fn buys(client: Client) {
    let anvil = Anvil::start(8453).await.unwrap();
    let names = Names { v2: "eip155:8453", v1: "base", claim: "base" };
    let chain = Chain::Evm { network: names.v2, rpc_url: anvil.url(), settlement_key: ANVIL_KEY.into() };
    let shop = Shop::open(names, chain).await;
    let mut deposited = 0;
    for (sold, version) in (1..).zip(client.versions) {
        let atomic = client.atomic(*version);
        deposited += atomic;
        let bytes = fresh_nonce();
        let address = PrivateKey::from_bytes(&bytes).unwrap().address().to_string();
        let payer = Payer { key: format!("0x{}", hex::encode(bytes)), address, rpc: None };
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
    buys(FETCH).await;
}

#[tokio::test]
async fn x402_axios_on_base() {
    buys(AXIOS).await;
}

#[tokio::test]
async fn legacy_x402_fetch_on_base() {
    buys(LEGACY_FETCH).await;
}

#[tokio::test]
async fn legacy_x402_axios_on_base() {
    buys(LEGACY_AXIOS).await;
}

#[tokio::test]
async fn python_x402_with_httpx_on_base() {
    buys(HTTPX).await;
}

#[tokio::test]
async fn python_x402_with_requests_on_base() {
    buys(REQUESTS).await;
}
