//! Payments made by hand, and other people's servers that have us settle them.

use crate::world::{FUNDS, NETWORK, World, deposit, fee_payer};
use serde_json::{Value, json};
use tollwire_exact::solana::{Address, PrivateKey, Transfer};
use tollwire_testkit::solana::DEVNET_USDC;
use tollwire_tests::http::{get, post};
use tollwire_tests::solana::Wallet;
use tollwire_x402::header;

/// A payment for an offer, signed.
pub(crate) struct Signed {
    bill: Value,
    accepted: Value,
    payload: Value,
}

/// Signs the ten-cent offer of a feed.
pub(crate) async fn signed(world: &World, wallet: &Wallet, feed: &str) -> Signed {
    let bill =
        get(&world.facilitator.url(&format!("/feeds/{feed}/session")), &[]).await.decoded("payment-required");
    let accepted =
        bill["accepts"].as_array().unwrap().iter().find(|offer| offer["amount"] == "100000").unwrap().clone();
    let payload = pay(wallet, &accepted);
    Signed { bill, accepted, payload }
}

fn pay(wallet: &Wallet, offer: &Value) -> Value {
    let address = |value: &Value| value.as_str().unwrap().parse::<Address>().unwrap();
    let key = PrivateKey::from_text(&wallet.key).unwrap();
    let amount = offer["amount"].as_str().unwrap().parse().unwrap();
    let extra = &offer["extra"];
    let transfer = Transfer::usdc(
        address(&extra["feePayer"]),
        key.address(),
        address(&offer["payTo"]),
        address(&offer["asset"]),
        amount,
    );
    let blockhash = *address(&extra["recentBlockhash"]).as_bytes();
    let memo = extra["memo"].as_str().unwrap_or_default();
    let mut transaction = Transfer { blockhash, memo, ..transfer }.transaction().unwrap();
    transaction.sign(&key).unwrap();
    json!({ "transaction": transaction.to_base64() })
}

impl Signed {
    /// As v2 clients send it.
    pub(crate) fn v2(&self) -> (&'static str, String) {
        let message = json!({
            "x402Version": 2, "resource": self.bill["resource"], "accepted": self.accepted, "payload": self.payload,
            "extensions": self.bill["extensions"],
        });
        ("payment-signature", header::encode(&message).unwrap())
    }

    /// As a thief would who saw no more than the payment.
    pub(crate) fn v2_without_quote(&self) -> (&'static str, String) {
        let message = json!({ "x402Version": 2, "accepted": self.accepted, "payload": self.payload });
        ("payment-signature", header::encode(&message).unwrap())
    }

    /// As v1 clients send it.
    pub(crate) fn v1(&self) -> (&'static str, String) {
        let message = json!({
            "x402Version": 1, "scheme": "exact", "network": "solana-devnet", "payload": self.payload,
        });
        ("x-payment", header::encode(&message).unwrap())
    }
}

/// What a resource server asks for its own goods.
fn offer(to: &Wallet, bill: &Value) -> Value {
    json!({
        "scheme": "exact", "network": NETWORK, "amount": "5000", "asset": DEVNET_USDC, "payTo": to.address,
        "maxTimeoutSeconds": 60, "extra": {
            "feePayer": fee_payer().address, "memo": "order 7",
            "recentBlockhash": bill["accepts"][0]["extra"]["recentBlockhash"],
        },
    })
}

async fn ask(world: &World, path: &str, requirements: &Value, payload: &Value) -> Value {
    let body = json!({
        "x402Version": 2, "paymentRequirements": requirements,
        "paymentPayload": { "x402Version": 2, "accepted": requirements, "payload": payload },
    });
    let answer = post(&world.facilitator.url(path), &[], &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn a_resource_server_learns_who_pays_the_fees() {
    let world = World::start(|_| {}).await;
    let supported = get(&world.facilitator.url("/supported"), &[]).await.json();
    let kinds = supported["kinds"].as_array().unwrap();
    for (version, network) in [(1, "solana-devnet"), (2, NETWORK)] {
        let wanted = |kind: &&Value| kind["x402Version"] == version && kind["network"] == network;
        let kind = kinds.iter().find(wanted).unwrap();
        assert_eq!(
            (&kind["scheme"], &kind["extra"]["feePayer"]),
            (&json!("exact"), &json!(fee_payer().address))
        );
    }
    assert_eq!(supported["signers"]["solana:*"], json!([fee_payer().address]));
}

#[tokio::test]
async fn a_resource_server_settles_through_us() {
    let served = Wallet::of(50);
    let world = World::start(|settings| {
        settings.top = format!("[facilitator]\npay_to = [\"{}\"]", served.address);
    })
    .await;
    world.node.mint(DEVNET_USDC, &served.address, 0).await.unwrap();
    let payer = world.payer().await;
    let bill = get(&world.session_url(), &[]).await.decoded("payment-required");
    let requirements = offer(&served, &bill);
    let payload = pay(&payer, &requirements);
    let verified = ask(&world, "/verify", &requirements, &payload).await;
    assert_eq!(
        (&verified["isValid"], &verified["payer"]),
        (&json!(true), &json!(payer.address)),
        "{verified}"
    );
    let changed = |pointer: &str, value: &str| {
        let mut changed = requirements.clone();
        *changed.pointer_mut(pointer).unwrap() = json!(value);
        changed
    };
    for (requirements, reason) in [
        (changed("/extra/memo", "order 8"), "invalid_exact_svm_payload_memo_mismatch"),
        (changed("/amount", "5001"), "invalid_exact_svm_payload_amount_mismatch"),
        (
            changed("/extra/feePayer", &payer.address),
            "invalid_exact_svm_fee_payer_not_managed_by_facilitator",
        ),
        (offer(&deposit(), &bill), "invalid_payment_requirements"),
        (offer(&payer, &bill), "invalid_payment_requirements"),
    ] {
        let refused = ask(&world, "/verify", &requirements, &payload).await;
        assert_eq!(refused["invalidReason"], reason, "{refused}");
        let refused = ask(&world, "/settle", &requirements, &payload).await;
        assert_eq!(
            (&refused["success"], &refused["errorReason"]),
            (&json!(false), &json!(reason)),
            "{refused}"
        );
    }
    let settled = ask(&world, "/settle", &requirements, &payload).await;
    assert_eq!(settled["success"], true, "{settled}");
    assert_eq!(ask(&world, "/settle", &requirements, &payload).await, settled, "the same, not another");
    assert_eq!((world.tokens(&served).await, world.tokens(&payer).await), (5_000, FUNDS - 5_000));
    let signatures = world.node.signatures(&payer.address).await.unwrap();
    assert_eq!(json!(signatures), json!([settled["transaction"]]));
}
