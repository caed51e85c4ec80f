//! The dev chain, which speaks as Base Sepolia: one client of each family.

use crate::base;
use crate::client::{Client, FETCH, HTTPX, LEGACY_FETCH};
use crate::purchase::{Names, Shop};
use tollwire_tests::settings::Chain;

async fn buys(client: Client) {
    let names = Names { v2: "eip155:84532", v1: "base-sepolia", claim: "dev" };
    let shop = Shop::open(names, Chain::Dev).await;
    let mut deposited = 0;
    for (sold, version) in (1..).zip(client.versions) {
        deposited += client.atomic(*version);
        shop.sells_to(client, *version, &base::payer()).await;
        shop.has_sold(sold, deposited).await;
    }
}

#[tokio::test]
async fn x402_fetch_on_the_dev_chain() {
    buys(FETCH).await;
}

#[tokio::test]
async fn legacy_x402_fetch_on_the_dev_chain() {
    buys(LEGACY_FETCH).await;
}

#[tokio::test]
async fn python_x402_on_the_dev_chain() {
    buys(HTTPX).await;
}
