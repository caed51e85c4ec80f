//! Clients that nobody here wrote, paying prices of ours.

use super::shop::Shop;
use serde_json::json;
use tollwire_tests::agent::fresh_nonce;
use tollwire_tests::script::Script;

#[tokio::test]
async fn x402_fetch_pays_the_twin() {
    let shop = Shop::open().await;
    let told = Script::node("servers/buyer.mjs")
        .env("URL", shop.broker.url("/relay/demo/slow?1"))
        .env("PRIVATE_KEY", format!("0x{}", hex::encode(fresh_nonce())))
        .env("TIMES", "2")
        .result()
        .await;
    assert_eq!(told.as_array().unwrap().len(), 2);
    for bought in told.as_array().unwrap() {
        assert_eq!((&bought["status"], &bought["body"]), (&json!(200), &json!({ "slow": 1 })), "{told}");
        assert_eq!(bought["settled"]["success"], true, "{told}");
    }
    assert_eq!(shop.api.seen().len(), 2);
}

#[tokio::test]
async fn the_python_package_pays_over_one_socket() {
    let shop = Shop::open().await;
    let told = Script::python("relay/buyer.py")
        .env("SOCKET_URL", shop.broker.socket_url())
        .env("CALL_PATH", "/slow?1")
        .env("PRIVATE_KEY", format!("0x{}", hex::encode(fresh_nonce())))
        .result()
        .await;
    assert_eq!(told["unpaid"], json!([402, 402, 402]));
    for paid in told["paid"].as_array().unwrap() {
        assert_eq!(
            (&paid["result"], &paid["paymentResponse"]["success"], &paid["metadata"]["settled"]),
            (&json!({ "slow": 1 }), &json!(true), &json!(true)),
            "{told}"
        );
    }
}
