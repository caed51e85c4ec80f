//! What verification refuses, and in which order.

use crate::support::{FUNDS, PRICE, World, key, now};
use serde_json::json;
use tollwire_exact::evm::{Authorization, Payload};
use tollwire_x402::v2::PaymentRequirements;
use tollwire_x402::{Usdc, reason};

type Change = fn(&mut Authorization);
type ChangeOffer = fn(&mut PaymentRequirements);

#[tokio::test]
async fn each_fault_has_its_reason() {
    let world = World::base().await;
    let cases: [(&str, Change); 7] = [
        (reason::EVM_RECIPIENT_MISMATCH, |a| a.to = key(9).address()),
        (reason::EVM_VALUE_MISMATCH, |a| a.value = Usdc::from_atomic(PRICE - 1).unwrap()),
        (reason::EVM_VALUE_MISMATCH, |a| a.value = Usdc::from_atomic(PRICE + 1).unwrap()),
        (reason::EVM_VALID_BEFORE, |a| a.valid_before = now() - 1),
        (reason::EVM_VALID_BEFORE, |a| a.valid_before = now() + 5),
        (reason::EVM_VALID_BEFORE, |a| a.valid_before = now() + 1_000),
        (reason::EVM_VALID_AFTER, |a| a.valid_after = now() + 30),
    ];
    for (number, (reason, change)) in cases.into_iter().enumerate() {
        let mut authorization = world.authorization();
        change(&mut authorization);
        let refusal = world.verify(&world.signed(authorization)).await.unwrap_err();
        assert_eq!(refusal.reason, reason, "case {number}");
        assert_eq!(refusal.payer, Some(world.payer.address().to_string()));
    }
    world.verify(&world.signed(world.authorization())).await.expect("nothing is wrong with this one");
}

#[tokio::test]
async fn a_bad_signature_is_told_before_any_later_fault() {
    let world = World::base().await;
    let domain = world.domain();
    let good = world.authorization();
    let mut elsewhere = good.clone();
    elsewhere.to = key(9).address();
    for authorization in [good.clone(), elsewhere] {
        let forged = authorization.sign(&key(9), &domain).unwrap();
        let refusal = world.verify(&Payload::new(authorization, &forged)).await.unwrap_err();
        assert_eq!(refusal.reason, reason::EVM_SIGNATURE);
    }
    let mut short = world.signed(good.clone());
    short.signature.truncate(64);
    let mut wrong_v = world.signed(good.clone());
    wrong_v.signature[64] = 29;
    let mut changed = world.signed(good);
    changed.authorization.nonce = [0xee; 32];
    for payload in [short, wrong_v, changed] {
        assert_eq!(world.verify(&payload).await.unwrap_err().reason, reason::EVM_SIGNATURE);
    }
}

#[tokio::test]
async fn a_signature_for_the_other_chain_is_worth_nothing() {
    let (base, sepolia) = (World::start(8453).await, World::start(84532).await);
    let authorization = base.authorization();
    let signature = authorization.sign(&base.payer, &sepolia.domain()).unwrap();
    let refusal = base.verify(&Payload::new(authorization, &signature)).await.unwrap_err();
    assert_eq!(refusal.reason, reason::EVM_SIGNATURE);
}

#[tokio::test]
async fn the_payers_purse_is_looked_into() {
    let world = World::base().await;
    let mut requirements = world.requirements();
    requirements.amount = Usdc::from_atomic(FUNDS + 1).unwrap();
    let mut authorization = world.authorization();
    authorization.value = requirements.amount;
    let payload = world.signed(authorization).to_json();
    let refusal = world.verify_for(&requirements, &payload).await.unwrap_err();
    assert_eq!(refusal.reason, reason::EVM_INSUFFICIENT_BALANCE);
}

#[tokio::test]
async fn offers_that_are_not_ours_are_refused() {
    let world = World::base().await;
    let payload = world.signed(world.authorization()).to_json();
    let cases: [(&str, ChangeOffer); 6] = [
        (reason::UNSUPPORTED_SCHEME, |r| r.scheme = "upto".into()),
        (reason::INVALID_NETWORK, |r| r.network = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp".into()),
        (reason::INVALID_NETWORK, |r| r.network = "eip155:84532".into()),
        (reason::EVM_MISSING_EIP712_DOMAIN, |r| r.extra = None),
        (reason::EVM_TOKEN_NAME_MISMATCH, |r| {
            r.extra.as_mut().unwrap().insert("name".into(), json!("USDC"));
        }),
        (reason::INVALID_PAYMENT_REQUIREMENTS, |r| {
            r.asset = "0x00000000000000000000000000000000000000aa".into();
        }),
    ];
    for (reason, change) in cases {
        let mut requirements = world.requirements();
        change(&mut requirements);
        let refusal = world.verify_for(&requirements, &payload).await.unwrap_err();
        assert_eq!(refusal.reason, reason);
    }
}

#[tokio::test]
async fn payloads_of_other_kinds_are_refused() {
    let world = World::base().await;
    for (payload, reason) in [
        (json!({}), reason::INVALID_PAYLOAD),
        (json!({ "signature": "0x", "authorization": {} }), reason::INVALID_PAYLOAD),
        (json!({ "signature": "0x", "permit2Authorization": {} }), reason::UNSUPPORTED_PAYLOAD_TYPE),
    ] {
        let refusal = world.verify_for(&world.requirements(), &payload).await.unwrap_err();
        assert_eq!(refusal.reason, reason);
    }
}

#[tokio::test]
async fn the_chains_clock_has_the_last_word() {
    let world = World::base().await;
    world.anvil.advance_time(3600).await.unwrap();
    let refusal = world.verify(&world.signed(world.authorization())).await.unwrap_err();
    assert_eq!(refusal.reason, reason::EVM_VALID_BEFORE);
    assert!(refusal.message.contains("chain's clock"), "{}", refusal.message);
}

#[tokio::test]
async fn a_token_that_vanished_is_noticed() {
    let world = World::base().await;
    let payload = world.signed(world.authorization());
    world.anvil.rpc("anvil_setCode", json!([world.anvil.usdc(), "0x"])).await.unwrap();
    assert_eq!(world.verify(&payload).await.unwrap_err().reason, reason::ASSET_NOT_DEPLOYED);
}
