//! Customers of the facilitator: their rates, quotas, budgets and identifiers, alone and on two nodes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail by panicking")]

mod support;

use serde_json::{Value, json};
use std::num::NonZeroU32;
use std::time::Duration;
use support::{PRICE, Scene, Signed, usdc};
use tollwire_settlement::dev::BroadcastFault;
use tollwire_settlement::{Allowlist, LocalFacilitator, Minimum, QUOTA_WINDOW, Rate, Terms};
use tollwire_x402::facilitator::{Failure, RawRequest, Request, SettleResponse};
use tollwire_x402::{Facilitator, Usdc, reason};

const PAYEE: &str = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C";

/// What the dev chain says a settlement costs.
const GAS: u64 = 7_000;

fn open() -> Terms {
    Terms::of(Allowlist::dev_only())
}

fn node(scene: &Scene, name: &str) -> LocalFacilitator {
    LocalFacilitator::with_terms(scene.settler(name), open())
}

fn to_payee(scene: &Scene, nonce: u8) -> Signed {
    scene.sign_with(nonce, |authorization| authorization.to = PAYEE.parse().unwrap())
}

fn request(signed: &Signed, info: Option<Value>) -> Request {
    let requirements = serde_json::to_value(&signed.requirements).unwrap();
    let mut body = json!({
        "x402Version": 2,
        "paymentPayload": {"x402Version": 2, "accepted": requirements, "payload": signed.payload},
        "paymentRequirements": requirements,
    });
    if let Some(info) = info {
        body["paymentPayload"]["extensions"] = json!({"payment-identifier": {"info": info}});
    }
    serde_json::from_value::<RawRequest>(body).unwrap().parse().unwrap().unwrap()
}

async fn settle(facilitator: &LocalFacilitator, signed: &Signed) -> Result<SettleResponse, Failure> {
    facilitator.settle(request(signed, None)).await
}

async fn settle_as(
    facilitator: &LocalFacilitator,
    signed: &Signed,
    id: &str,
) -> Result<SettleResponse, Failure> {
    facilitator.settle(request(signed, Some(json!({"required": false, "id": id})))).await
}

fn rate(per_second: u32, burst: u32) -> Rate {
    let number = |n| NonZeroU32::new(n).unwrap();
    Rate { per_second: number(per_second), burst: number(burst) }
}

#[tokio::test(start_paused = true)]
async fn a_quota_counts_settled_payments_once_on_all_nodes() {
    let scene = Scene::new();
    let terms = Terms { settles_per_day: Some(2), ..open() };
    let [one, other] = ["a", "b"].map(|name| node(&scene, name).for_account("acme", terms.clone()));
    let payments: Vec<Signed> = (1..5).map(|nonce| to_payee(&scene, nonce)).collect();
    assert!(settle(&one, &payments[0]).await.unwrap().success);
    assert!(settle(&other, &payments[0]).await.unwrap().success, "the same payment is not counted again");
    assert!(settle(&other, &payments[1]).await.unwrap().success);
    let Err(Failure::TooMany { reason, retry_after }) = settle(&one, &payments[2]).await else { panic!() };
    assert_eq!(reason, reason::QUOTA_EXHAUSTED);
    assert!((QUOTA_WINDOW / 2..=QUOTA_WINDOW).contains(&retry_after));
    assert_eq!(scene.payment(&payments[2].id).await, None, "what is over the quota is not recorded");
    assert!(settle(&one, &payments[1]).await.unwrap().success, "what was settled is still answered");
    let stranger = node(&scene, "a").for_account("other", terms);
    assert!(settle(&stranger, &payments[2]).await.unwrap().success, "another account has a quota of its own");
    tokio::time::advance(QUOTA_WINDOW).await;
    assert!(settle(&one, &to_payee(&scene, 9)).await.unwrap().success, "another day");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_costs_nothing_of_quota_or_budget() {
    let scene = Scene::new();
    let terms = Terms { settles_per_day: Some(1), gas_per_day: Some(usdc(GAS)), ..open() };
    let acme = node(&scene, "a").for_account("acme", terms);
    let signed = to_payee(&scene, 1);
    let rich = scene.chain.balance_of(&signed.payer);
    scene.chain.set_balance(&signed.payer, Usdc::ZERO);
    for _ in 0..3 {
        let refused = settle(&acme, &signed).await.unwrap();
        assert_eq!(refused.error_reason.as_deref(), Some(reason::EVM_INSUFFICIENT_BALANCE));
    }
    scene.chain.set_balance(&signed.payer, rich);
    assert!(settle(&acme, &signed).await.unwrap().success);
}

#[tokio::test(start_paused = true)]
async fn budgets_of_gas_are_kept_per_payer_and_in_all_and_said_so() {
    let scene = Scene::new();
    let budget = |count: u64| Some(usdc(GAS * count));
    let terms = Terms { gas_per_payer_per_day: budget(1), gas_per_day: budget(9), ..open() };
    let [one, other] = ["a", "b"].map(|name| node(&scene, name).for_account("acme", terms.clone()));
    assert!(settle(&one, &to_payee(&scene, 1)).await.unwrap().success);
    let poor = settle(&other, &to_payee(&scene, 2)).await.unwrap();
    assert_eq!((poor.success, poor.error_reason.as_deref()), (false, Some(reason::SPONSOR_BUDGET_EXHAUSTED)));
    assert!(poor.error_message.unwrap().contains("this payer"));
    let terms = Terms { gas_per_day: budget(1), ..open() };
    let small = node(&scene, "a").for_account("small", terms);
    assert!(settle(&small, &to_payee(&scene, 3)).await.unwrap().success);
    let poor = settle(&small, &to_payee(&scene, 4)).await.unwrap();
    assert_eq!(poor.error_reason.as_deref(), Some(reason::SPONSOR_BUDGET_EXHAUSTED));
    assert!(poor.error_message.unwrap().contains("this account"));
}

#[tokio::test(start_paused = true)]
async fn ten_nodes_in_a_race_spend_no_more_than_the_budget() {
    let scene = Scene::new();
    let terms = Terms { gas_per_day: Some(usdc(GAS * 7 + GAS / 2)), ..open() };
    let nodes: Vec<LocalFacilitator> =
        (0..10).map(|n| node(&scene, &n.to_string()).for_account("acme", terms.clone())).collect();
    let payments: Vec<Signed> = (1..=20).map(|nonce| to_payee(&scene, nonce)).collect();
    let calls = payments.iter().flat_map(|signed| nodes.iter().map(|node| settle(node, signed)));
    let answers = futures_util::future::join_all(calls).await;
    let settled = answers.iter().filter(|answer| answer.as_ref().unwrap().success).count();
    assert_eq!((settled, scene.chain.transfers().len()), (70, 7), "seven payments, each asked of ten nodes");
}

#[tokio::test(start_paused = true)]
async fn small_payments_are_refused_by_verify_and_by_settle_but_not_when_settled_before() {
    let scene = Scene::new();
    let (signed, keyless) = (to_payee(&scene, 1), node(&scene, "a"));
    for (minimum, enough) in [
        (Minimum::Amount(usdc(PRICE)), true),
        (Minimum::Amount(usdc(PRICE + 1)), false),
        (Minimum::AboveGas, true),
    ] {
        let acme = keyless.for_account("acme", Terms { minimum, ..open() });
        let verified = acme.verify(request(&signed, None)).await.unwrap();
        assert_eq!(verified.is_valid, enough, "{minimum:?}");
        if !enough {
            assert_eq!(verified.invalid_reason.as_deref(), Some(reason::AMOUNT_BELOW_MINIMUM));
            let settled = settle(&acme, &signed).await.unwrap();
            assert_eq!(settled.error_reason.as_deref(), Some(reason::AMOUNT_BELOW_MINIMUM));
        }
    }
    assert!(settle(&keyless, &signed).await.unwrap().success);
    let dear = keyless.for_account("acme", Terms { minimum: Minimum::Amount(usdc(PRICE + 1)), ..open() });
    assert!(settle(&dear, &signed).await.unwrap().success);
    let cents = scene.sign_with(2, |authorization| {
        authorization.to = PAYEE.parse().unwrap();
        authorization.value = usdc(GAS);
    });
    let above = keyless.for_account("acme", Terms { minimum: Minimum::AboveGas, ..open() });
    let verified = above.verify(request(&cents, None)).await.unwrap();
    assert_eq!(
        verified.invalid_reason.as_deref(),
        Some(reason::AMOUNT_BELOW_MINIMUM),
        "no more than its gas"
    );
}

#[tokio::test(start_paused = true)]
async fn requests_beyond_the_rate_are_told_when_to_come_again() {
    let scene = Scene::new();
    let terms = Terms { requests: Some(rate(2, 3)), requests_per_payer: Some(rate(1, 1)), ..open() };
    let acme = node(&scene, "a").for_account("acme", terms);
    let other_payer = {
        let mut signed = to_payee(&scene, 2);
        signed.payload["signature"] = json!("0x00");
        signed
    };
    assert!(acme.verify(request(&to_payee(&scene, 1), None)).await.unwrap().is_valid);
    let again = acme.verify(request(&to_payee(&scene, 1), None)).await;
    let second = Duration::from_secs(1);
    assert_eq!(again, Err(Failure::TooMany { reason: reason::RATE_LIMITED, retry_after: second }));
    // A bad signature says nothing about the payer, and is not held against them.
    assert!(!acme.verify(request(&other_payer, None)).await.unwrap().is_valid);
    let third = acme.verify(request(&other_payer, None)).await;
    let half = Duration::from_millis(500);
    assert_eq!(third, Err(Failure::TooMany { reason: reason::RATE_LIMITED, retry_after: half }));
    tokio::time::advance(second).await;
    assert!(acme.verify(request(&to_payee(&scene, 1), None)).await.unwrap().is_valid);
}

#[tokio::test(start_paused = true)]
async fn an_identifier_belongs_to_one_payment_of_one_account() {
    let scene = Scene::new();
    let [one, other] = ["a", "b"].map(|name| node(&scene, name).for_account("acme", open()));
    let [first, second] = [1, 2].map(|nonce| to_payee(&scene, nonce));
    let id = "order-0123456789";
    let settled = settle_as(&one, &first, id).await.unwrap();
    assert!(settled.success);
    assert_eq!(settle_as(&other, &first, id).await.unwrap(), settled, "the same answer, from another node");
    assert!(matches!(settle_as(&other, &second, id).await, Err(Failure::Conflict(_))));
    assert_eq!(scene.payment(&second.id).await, None, "a conflict records nothing");
    let stranger = node(&scene, "a").for_account("other", open());
    assert!(settle_as(&stranger, &second, id).await.unwrap().success, "names are each account's own");
    // A recorded payment under a name that is another's is refused as well.
    assert!(matches!(settle_as(&one, &second, id).await, Err(Failure::Conflict(_))));
    assert!(settle_as(&one, &first, "another-name-of-it").await.unwrap().success);
    tokio::time::advance(Duration::from_hours(24 * 365)).await;
    assert!(matches!(settle_as(&one, &second, id).await, Err(Failure::Conflict(_))), "a year later");
}

#[tokio::test(start_paused = true)]
async fn a_refused_payment_leaves_its_identifier_free() {
    let scene = Scene::new();
    let acme = node(&scene, "a").for_account("acme", open());
    let [first, second] = [1, 2].map(|nonce| to_payee(&scene, nonce));
    let rich = scene.chain.balance_of(&first.payer);
    scene.chain.set_balance(&first.payer, Usdc::ZERO);
    assert!(!settle_as(&acme, &first, "order-0123456789").await.unwrap().success);
    scene.chain.set_balance(&first.payer, rich);
    assert!(settle_as(&acme, &second, "order-0123456789").await.unwrap().success);
}

#[tokio::test(start_paused = true)]
async fn an_identifier_that_is_required_or_malformed_is_asked_for() {
    let scene = Scene::new();
    let (keyless, signed) = (node(&scene, "a"), to_payee(&scene, 1));
    for info in [
        json!({"required": true}),
        json!({"required": true, "id": null}),
        json!({"required": false, "id": "short"}),
        json!({"required": false, "id": 7}),
        json!({"id": "0123456789abcdef/"}),
        json!({"id": "x".repeat(129)}),
    ] {
        let request = || request(&signed, Some(info.clone()));
        assert!(matches!(keyless.verify(request()).await, Err(Failure::Identifier(_))), "{info}");
        assert!(matches!(keyless.settle(request()).await, Err(Failure::Identifier(_))), "{info}");
    }
    let optional = json!({"required": false});
    assert!(keyless.settle(request(&signed, Some(optional))).await.unwrap().success);
    assert_eq!(keyless.supported().await.unwrap().extensions, ["payment-identifier"]);
}

/// The first node dies with the transaction sent; the second one waits for that same transaction.
#[tokio::test(start_paused = true)]
async fn a_pending_settlement_is_recovered_by_another_node_under_its_own_hash() {
    let scene = Scene::new();
    let signed = to_payee(&scene, 1);
    let terms = Terms { settles_per_day: Some(1), ..open() };
    let first = node(&scene, "a").for_account("acme", terms.clone()).with_wait(Duration::from_secs(5));
    scene.chain.faults().next_broadcast(BroadcastFault::ReceiptAfter(Duration::from_secs(20)));
    let pending = settle_as(&first, &signed, "order-0123456789").await.unwrap();
    assert_eq!(pending.error_reason.as_deref(), Some(reason::SETTLEMENT_PENDING));
    assert!(!pending.transaction.is_empty());
    let indexed = scene.ledger.payments_of(&pending.transaction, 10).await.unwrap();
    assert_eq!(indexed.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), std::slice::from_ref(&signed.id));
    drop(first);
    let second = node(&scene, "b").for_account("acme", terms);
    let settled = settle_as(&second, &signed, "order-0123456789").await.unwrap();
    assert_eq!((settled.success, &settled.transaction), (true, &pending.transaction));
    assert_eq!(scene.transfers_of(&signed), 1);
}
