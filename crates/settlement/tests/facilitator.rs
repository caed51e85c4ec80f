//! The facilitator interface, in both dialects, over the dev chain.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail by panicking")]

mod support;

use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use support::{PRICE, Scene, Signed, usdc};
use tollwire_ledger::Ledger;
use tollwire_ledger::model::{Attempt, Payment};
use tollwire_settlement::chain::{BoxFuture, Turn};
use tollwire_settlement::dev::BroadcastFault;
use tollwire_settlement::{
    Allowlist, Chain, ChainError, ChainInfo, Identified, LocalFacilitator, Observation, Refusal, Settler,
    SettlerConfig,
};
use tollwire_x402::Facilitator;
use tollwire_x402::facilitator::{RawRequest, Request};
use tollwire_x402::reason;
use tollwire_x402::v2::PaymentRequirements;

const PAYEE: &str = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C";

fn facilitator(scene: &Scene) -> LocalFacilitator {
    LocalFacilitator::new(scene.settler("a"), Allowlist::dev_only())
}

/// A payment to a plain server.
fn to_payee(scene: &Scene, nonce: u8) -> Signed {
    scene.sign_with(nonce, |authorization| authorization.to = PAYEE.parse().unwrap())
}

fn v2_json(signed: &Signed) -> Value {
    let requirements = serde_json::to_value(&signed.requirements).unwrap();
    json!({
        "x402Version": 2,
        "paymentPayload": {"x402Version": 2, "accepted": requirements, "payload": signed.payload},
        "paymentRequirements": requirements,
    })
}

fn v1_json(signed: &Signed) -> Value {
    let network = "base-sepolia";
    json!({
        "x402Version": 1,
        "paymentPayload":
            {"x402Version": 1, "scheme": "exact", "network": network, "payload": signed.payload},
        "paymentRequirements": {
            "scheme": "exact", "network": network,
            "maxAmountRequired": signed.requirements.amount, "resource": "https://example.com/x",
            "description": "", "mimeType": "application/json", "payTo": signed.requirements.pay_to,
            "maxTimeoutSeconds": signed.requirements.max_timeout_seconds,
            "asset": signed.requirements.asset, "extra": signed.requirements.extra,
        },
    })
}

fn parsed(json: Value) -> Request {
    serde_json::from_value::<RawRequest>(json).unwrap().parse().unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn both_dialects_verify_and_settle_one_payment_once() {
    let scene = Scene::new();
    let facilitator = facilitator(&scene);
    let signed = to_payee(&scene, 1);
    let received = scene.chain.balance_of(PAYEE);
    for json in [v1_json(&signed), v2_json(&signed)] {
        let verified = facilitator.verify(parsed(json)).await.unwrap();
        assert_eq!((verified.is_valid, verified.payer.as_ref()), (true, Some(&signed.payer)));
    }
    assert_eq!(scene.payment(&signed.id).await, None, "verifying records nothing");

    let v2 = facilitator.settle(parsed(v2_json(&signed))).await.unwrap();
    let v1 = facilitator.settle(parsed(v1_json(&signed))).await.unwrap();
    assert!(v2.success && v1.success);
    assert_eq!((v1.network.as_str(), v2.network.as_str()), ("base-sepolia", "eip155:84532"));
    assert_eq!((&v1.transaction, v1.payer.as_ref()), (&v2.transaction, Some(&signed.payer)));
    assert_eq!((v1.amount, v2.amount), (None, Some(PRICE.to_string())));
    assert_eq!(scene.chain.balance_of(PAYEE).checked_sub(received), Some(usdc(PRICE)));
    assert_eq!((scene.transfers_of(&signed), scene.units_bought().await), (1, 0), "no session opens");

    // The reference facilitator's word for a verification that comes too late.
    let late = facilitator.verify(parsed(v2_json(&signed))).await.unwrap();
    assert_eq!(late.invalid_reason.as_deref(), Some(reason::EVM_NONCE_ALREADY_USED));
}

#[tokio::test(start_paused = true)]
async fn a_settlement_in_doubt_is_pending_with_its_hash_and_final_when_asked_again() {
    let scene = Scene::new();
    let facilitator = facilitator(&scene).with_wait(Duration::from_secs(5));
    let signed = to_payee(&scene, 1);
    scene.chain.faults().next_broadcast(BroadcastFault::ReceiptAfter(Duration::from_secs(8)));
    let first = facilitator.settle(parsed(v2_json(&signed))).await.unwrap();
    assert_eq!((first.success, first.error_reason.as_deref()), (false, Some(reason::SETTLEMENT_PENDING)));
    assert!(first.transaction.starts_with("0x"));
    let second = facilitator.settle(parsed(v2_json(&signed))).await.unwrap();
    assert_eq!((second.success, &second.transaction), (true, &first.transaction));
    assert_eq!(scene.transfers_of(&signed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_settle_calls_move_money_once() {
    let scene = Scene::new();
    let facilitator = facilitator(&scene);
    let signed = to_payee(&scene, 1);
    let calls = (0..100).map(|n| {
        let request = parsed(if n % 2 == 0 { v1_json(&signed) } else { v2_json(&signed) });
        facilitator.settle(request)
    });
    let answers = futures_util::future::join_all(calls).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().success));
    assert_eq!((scene.transfers_of(&signed), scene.chain.height()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn refusals_are_answers_with_the_sdks_strings() {
    let scene = Scene::new();
    let facilitator = facilitator(&scene);
    let signed = to_payee(&scene, 1);
    let both = |json: &mut Value, key: &str, value: &Value| {
        for part in ["/paymentRequirements", "/paymentPayload/accepted", "/paymentPayload"] {
            if let Some(field) = json.pointer_mut(&format!("{part}/{key}")) {
                *field = value.clone();
            }
        }
    };
    let changes = [
        ("scheme", json!("upto"), reason::UNSUPPORTED_SCHEME, reason::UNSUPPORTED_SCHEME),
        ("network", json!("eip155:1"), reason::INVALID_NETWORK, reason::INVALID_NETWORK),
        ("network", json!("solana-devnet"), reason::INVALID_NETWORK, reason::INVALID_NETWORK),
        ("amount", json!("9999"), reason::EVM_VALUE_MISMATCH, ""),
        ("maxAmountRequired", json!("9999"), "", reason::EVM_VALUE_V1),
        ("payTo", json!(signed.payer), reason::EVM_RECIPIENT_MISMATCH, reason::EVM_RECIPIENT_MISMATCH),
        ("asset", json!(PAYEE), reason::INVALID_PAYMENT_REQUIREMENTS, reason::INVALID_PAYMENT_REQUIREMENTS),
        ("extra", json!({}), reason::EVM_MISSING_EIP712_DOMAIN, reason::EVM_MISSING_EIP712_DOMAIN),
    ];
    for (key, value, v2_reason, v1_reason) in changes {
        for (mut json, expected) in [(v2_json(&signed), v2_reason), (v1_json(&signed), v1_reason)] {
            if expected.is_empty() {
                continue;
            }
            both(&mut json, key, &value);
            let verified = facilitator.verify(parsed(json.clone())).await.unwrap();
            assert_eq!(verified.invalid_reason.as_deref(), Some(expected), "{key} {value}");
            let settled = facilitator.settle(parsed(json)).await.unwrap();
            assert_eq!((settled.success, settled.error_reason.as_deref()), (false, Some(expected)), "{key}");
        }
    }
    assert_eq!(scene.payment(&signed.id).await, None);
}

#[tokio::test(start_paused = true)]
async fn payload_and_requirements_must_agree() {
    let scene = Scene::new();
    let facilitator = facilitator(&scene);
    let signed = to_payee(&scene, 1);
    let mut other_network = v2_json(&signed);
    other_network["paymentPayload"]["accepted"]["network"] = json!("eip155:8453");
    let answer = facilitator.verify(parsed(other_network)).await.unwrap();
    assert_eq!(answer.invalid_reason.as_deref(), Some(reason::EVM_NETWORK_MISMATCH));
    let mut other_scheme = v1_json(&signed);
    other_scheme["paymentPayload"]["scheme"] = json!("upto");
    let answer = facilitator.verify(parsed(other_scheme)).await.unwrap();
    assert_eq!(answer.invalid_reason.as_deref(), Some(reason::EVM_SCHEME));
}

#[tokio::test(start_paused = true)]
async fn other_requirements_for_a_settled_payment_are_refused() {
    let scene = Scene::new();
    let facilitator = facilitator(&scene);
    let signed = to_payee(&scene, 1);
    assert!(facilitator.settle(parsed(v2_json(&signed))).await.unwrap().success);
    for (key, value) in [("amount", json!("20000")), ("payTo", json!(signed.payer))] {
        let mut json = v2_json(&signed);
        json["paymentRequirements"][key] = value;
        let answer = facilitator.settle(parsed(json)).await.unwrap();
        assert!(!answer.success && answer.transaction.is_empty(), "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_payment_for_a_session_is_not_settled_as_a_plain_one() {
    let scene = Scene::new();
    let settler = scene.settler("a");
    let signed = scene.sign(1);
    support::credited(signed.settle(&settler).await);
    let facilitator = LocalFacilitator::new(settler, Allowlist::dev_only());
    let answer = facilitator.settle(parsed(v2_json(&signed))).await.unwrap();
    assert_eq!(answer.error_reason.as_deref(), Some(reason::INVALID_PAYMENT_REQUIREMENTS));
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_submitted_is_not_settled_here() {
    let scene = Scene::new();
    let facilitator = facilitator(&scene);
    tokio::time::sleep(Duration::from_secs(2)).await;
    // To a plain server's payee, and to our own deposit wallet.
    for signed in [to_payee(&scene, 1), scene.sign(2)] {
        scene.chain.submit_as_stranger(&signed.payload);
        for json in [v1_json(&signed), v2_json(&signed)] {
            let answer = facilitator.settle(parsed(json)).await.unwrap();
            assert!(!answer.success);
            assert_eq!(answer.error_reason.as_deref(), Some(reason::EVM_NONCE_ALREADY_USED));
        }
        assert_eq!(scene.payment(&signed.id).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn supported_names_both_dialects_and_the_signers() {
    let scene = Scene::new();
    let supported = facilitator(&scene).supported().await.unwrap();
    let kinds: Vec<_> = supported.kinds.iter().map(|k| (k.x402_version, k.network.as_str())).collect();
    assert_eq!(kinds, [(2, "eip155:84532"), (1, "base-sepolia")]);
    assert_eq!(supported.signers["eip155:*"], scene.chain.signers());
}

/// The dev chain, dressed as a real one.
struct Real(ChainInfo, Arc<dyn Chain>);

impl Chain for Real {
    fn info(&self) -> &ChainInfo {
        &self.0
    }
    fn signers(&self) -> Vec<String> {
        self.1.signers()
    }
    fn identify(&self, requirements: &PaymentRequirements, payload: &Value) -> Result<Identified, Refusal> {
        self.1.identify(requirements, payload)
    }
    fn verify<'a>(
        &'a self,
        requirements: &'a PaymentRequirements,
        payload: &'a Value,
        now: u64,
    ) -> BoxFuture<'a, Result<Result<Identified, Refusal>, ChainError>> {
        self.1.verify(requirements, payload, now)
    }
    fn turn(&self) -> BoxFuture<'_, Result<Box<dyn Turn>, ChainError>> {
        self.1.turn()
    }
    fn prepare<'a>(
        &'a self,
        payment: &'a Payment,
        turn: &'a dyn Turn,
    ) -> BoxFuture<'a, Result<Attempt, ChainError>> {
        self.1.prepare(payment, turn)
    }
    fn broadcast<'a>(&'a self, attempt: &'a Attempt) -> BoxFuture<'a, Result<(), ChainError>> {
        self.1.broadcast(attempt)
    }
    fn observe<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, Result<Observation, ChainError>> {
        self.1.observe(payment)
    }
}

#[tokio::test(start_paused = true)]
async fn a_real_chain_serves_only_who_is_allowed_and_never_ourselves() {
    let scene = Scene::new();
    let info = ChainInfo { claim: "base-sepolia".into(), ..scene.chain.info().clone() };
    let deposit_wallet = info.deposit_wallet.clone();
    let chain: Arc<dyn Chain> = Arc::new(Real(info, scene.chain.clone()));
    let ledger: Arc<dyn Ledger> = scene.ledger.clone();
    let settler = Arc::new(Settler::new(ledger, vec![chain], scene.clock.clone(), SettlerConfig::named("a")));
    let served = |allowlist: Allowlist, signed: Signed| {
        let facilitator = LocalFacilitator::new(settler.clone(), allowlist);
        async move { facilitator.settle(parsed(v2_json(&signed))).await.unwrap().success }
    };
    let payee = Allowlist::of(vec![PAYEE.to_ascii_lowercase()]);
    let ourselves = Allowlist::of(vec![deposit_wallet]);
    assert!(!served(Allowlist::dev_only(), to_payee(&scene, 1)).await, "nobody is allowed by default");
    assert!(served(payee.clone(), to_payee(&scene, 2)).await);
    assert!(!served(payee, scene.sign(3)).await);
    assert!(!served(ourselves, scene.sign(4)).await, "not even if allowed");
    assert_eq!(scene.chain.transfers().len(), 1);
}
