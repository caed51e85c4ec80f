//! Agents that price themselves: an unpaid request is answered by 402 and an x402 requirement, whose price is the bill.

use super::paying::{approval, signed};
use super::rig::{APPROVE, COUNT, DECLINE, Stage, Talk};
use serde_json::{Value, json};
use tollwire_tests::agent::Agent;

/// Where the helper is registered to be paid.
const WALLET: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

fn wants(amount: &str, wallet: &str) -> Value {
    json!({
        "x402Version": 2, "resource": { "url": "http://helper.example/invoke" },
        "accepts": [{
            "scheme": "exact", "network": "eip155:84532", "amount": amount, "payTo": wallet,
            "asset": "0x036CbD53842c5426634e7929541eC2318f3dCF7e", "maxTimeoutSeconds": 60,
        }],
    })
}

#[tokio::test]
async fn what_it_asks_for_is_asked_of_the_person_and_then_it_is_paid() {
    let stage = Stage::set().await;
    let ada = stage.person("ada").await;
    let (_, deposit) = ada.deposit(&stage.broker, 1_000_000).await;
    stage.helper.wants(wants("70000", WALLET), false);
    let (mut talk, session) = ada.connect(&stage.broker).await;
    talk.say(COUNT).await;
    let asked = talk.heard("PAYMENT_REQUEST").await;
    assert_eq!((&asked["amount_usdc"], &asked["action"]), (&json!("0.07"), &json!("count")));
    assert_eq!(asked["payment_required"]["accepts"][0]["amount"], "70000");
    talk.say(DECLINE).await;
    talk.error("payment_declined").await;
    assert_eq!(stage.helper.invoked().len(), 1);
    // Who comes back finds the same request.
    talk.say(COUNT).await;
    let asked = talk.heard("PAYMENT_REQUEST").await;
    talk.0.close().await;
    let mut talk = Talk::open(&stage.broker, &ada.again(&stage.broker, &session).await).await;
    assert_eq!(talk.heard("PAYMENT_REQUEST").await, asked);
    talk.say(APPROVE).await;
    let paid = talk.heard("PAYMENT_SUCCESSFUL").await;
    assert_eq!((&paid["amount_usdc"], &paid["tx_hash"]), (&json!("0.07"), &json!(deposit)));
    assert_eq!(talk.answer().await, "count: done");
    assert_eq!(ada.balance(&stage.broker).await, "0.93");
    let invoked = stage.helper.invoked();
    let [_, (unpaid, first), (paid, second)] = &invoked[..] else { panic!("{invoked:?}") };
    assert_eq!(first["context"]["payment"], Value::Null);
    assert_eq!(
        second["context"]["payment"],
        json!({ "id": asked["payment_id"], "amount_usdc": "0.07", "source": "balance" })
    );
    assert_eq!(first["context"]["job_id"], second["context"]["job_id"]);
    assert_ne!(unpaid["idempotency-key"], paid["idempotency-key"], "to a cache it is another request");
    // Signed as well.
    talk.say(COUNT).await;
    let asked = talk.heard("PAYMENT_REQUEST").await;
    talk.say(&approval(&signed(&Agent::new(), &asked))).await;
    assert_eq!(talk.heard("PAYMENT_SUCCESSFUL").await["source"], Value::Null);
    assert_eq!(talk.answer().await, "count: done");
    assert_eq!(ada.balance(&stage.broker).await, "0.93");
}

#[tokio::test]
async fn the_person_s_rules_hold_for_it() {
    let stage = Stage::set().await;
    let ada = stage.person("ada").await;
    ada.deposit(&stage.broker, 1_000_000).await;
    ada.auto_pay(&stage.broker, "0.07", "0.1").await;
    stage.helper.wants(wants("70000", WALLET), false);
    let (mut talk, _) = ada.connect(&stage.broker).await;
    talk.say(COUNT).await;
    assert_eq!(talk.heard("PAYMENT_SUCCESSFUL").await["amount_usdc"], "0.07");
    assert_eq!(talk.answer().await, "count: done");
    assert_eq!(ada.spent_today(&stage.broker).await, "0.07");
    talk.say(COUNT).await;
    talk.heard("PAYMENT_REQUEST").await;
    talk.say(DECLINE).await;
    talk.error("payment_declined").await;
    // By one atomic unit more than one job may cost.
    ada.auto_pay(&stage.broker, "0.07", "10").await;
    stage.helper.wants(wants("70001", WALLET), false);
    talk.say(COUNT).await;
    assert_eq!(talk.heard("PAYMENT_REQUEST").await["amount_usdc"], "0.070001");
    talk.say(DECLINE).await;
    talk.error("payment_declined").await;
    assert_eq!(ada.balance(&stage.broker).await, "0.93");
}

#[tokio::test]
async fn one_that_wants_more_or_what_nobody_can_pay_has_nothing() {
    let stage = Stage::set().await;
    let ada = stage.person("ada").await;
    ada.deposit(&stage.broker, 1_000_000).await;
    let (mut talk, _) = ada.connect(&stage.broker).await;
    stage.helper.wants(wants("70000", WALLET), true);
    talk.say(COUNT).await;
    talk.heard("PAYMENT_REQUEST").await;
    talk.say(APPROVE).await;
    talk.heard("PAYMENT_SUCCESSFUL").await;
    let told = talk.answer().await;
    assert!(told.contains("answers 402") && told.contains("not charged"), "{told}");
    for wrong in
        [wants("0", WALLET), wants("70000", "0x0000000000000000000000000000000000000001"), json!("x")]
    {
        stage.helper.wants(wrong, false);
        talk.say(COUNT).await;
        let told = talk.answer().await;
        assert!(told.contains("cannot be paid here"), "{told}");
    }
    assert_eq!(ada.balance(&stage.broker).await, "1.00");
}
