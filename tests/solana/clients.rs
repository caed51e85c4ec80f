//! The official clients as they come, with their own spending caps.

use crate::world::{FUNDS, NETWORK, World};
use serde_json::json;
use tollwire_tests::script::Script;

async fn buys_and_streams(script: Script, version: u8, atomic: u64) {
    let world = World::start(|_| {}).await;
    let wallet = world.payer().await;
    let script = script
        .env("SESSION_URL", world.session_url())
        .env("PRIVATE_KEY", &wallet.key)
        .env("RPC_URL", world.node.url());
    let told = script.result().await;
    let units = atomic / 10_000;
    assert_eq!((&told["status"], &told["payer"]), (&json!(200), &json!(wallet.address)), "{told}");
    let session = &told["bought"]["session"];
    assert_eq!(session["units_remaining"], units, "{told}");
    assert_eq!((&session["chain"], &session["feed"]), (&json!("solana-devnet"), &json!("ticks")));
    assert_eq!(told["frames"], json!([{ "tick": 1 }, { "tick": 2 }, { "tick": 3 }]));
    let receipt = &told["receipt"];
    assert_eq!((&receipt["success"], &receipt["payer"]), (&json!(true), &json!(wallet.address)), "{receipt}");
    assert_eq!(receipt["network"], if version == 2 { NETWORK } else { "solana-devnet" });

    assert_eq!(world.upstream.requests().len(), 1, "one stream reached the upstream");
    assert_eq!((world.received().await, world.tokens(&wallet).await), (atomic, FUNDS - atomic));
    let signatures = world.node.signatures(&wallet.address).await.unwrap();
    assert_eq!(json!(signatures), json!([receipt["transaction"]]), "one transaction, the receipt's");
    assert_eq!(world.node.lamports(&wallet.address).await.unwrap(), 0, "the payer needs no SOL");
    let totals = &world.books().await["totals"];
    assert_eq!((&totals["sessions"], &totals["captured"]), (&json!(1), &json!(1)));
    assert_eq!(totals["usdc"]["deposited"], atomic.to_string());
}

/// Takes at most $1.
#[tokio::test]
async fn x402_fetch_with_svm() {
    buys_and_streams(Script::node("clients/solana_v2.mjs"), 2, 1_000_000).await;
}

/// Takes at most $0.10.
#[tokio::test]
async fn legacy_x402_fetch() {
    buys_and_streams(Script::node("clients/solana_v1.mjs"), 1, 100_000).await;
}

/// Takes at most $1.
#[tokio::test]
async fn python_x402() {
    buys_and_streams(Script::python("clients/solana_v2.py"), 2, 1_000_000).await;
}
