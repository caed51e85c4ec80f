//! The same payment again: never a second charge, and an answer for the payer alone.

use crate::support::{
    Reply, World, encode, key, node, offer_of, request, usdc, v1_header, v2, v2_without_quote,
};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tollwire_gate::http::GateService;
use tollwire_settlement::dev::{DevChain, DevConfig};
use tollwire_x402::header;
use tower_service::Service as _;

const CLAIM: (&str, &str) = (header::TOLLWIRE_CLAIM, "a-secret-of-the-client");

/// A payment made by v2 with its quote; the header again, and the first answer.
async fn paid(world: &World) -> (String, Value, Reply) {
    let (required, wallet) = (world.bill("ticks").await, world.wallet(7));
    let offer = offer_of(&required, 100_000);
    let payload = wallet.sign(&offer, 1);
    let payment = v2(&required, &offer, &payload);
    let reply = world.pay("ticks", &payment, &[]).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    (payment, payload, reply)
}

#[tokio::test(start_paused = true)]
async fn with_its_quote_a_payment_answers_with_the_same_session() {
    let world = World::new();
    let (payment, _, first) = paid(&world).await;
    world.clock.advance(Duration::from_secs(3600));
    let again = world.pay("ticks", &payment, &[]).await;
    assert_eq!(again.jti(), first.jti());
    assert_eq!(again.json()["expires_at"], first.json()["expires_at"]);
    assert_eq!(again.settlement().transaction, first.settlement().transaction);
    assert_eq!(world.chain.transfers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn after_exp_the_payer_gets_a_token_that_lasts_again() {
    let world = World::new();
    let (payment, _, first) = paid(&world).await;
    world.clock.advance(Duration::from_secs(25 * 3600));
    assert!(world.gate.check_token(&first.token()).is_err());
    let again = world.pay("ticks", &payment, &[]).await;
    assert_eq!(again.jti(), first.jti());
    assert_eq!(again.json()["expires_at"], "2027-01-17T09:00:00Z");
    assert!(world.gate.check_token(&again.token()).is_ok());
    assert_eq!(world.chain.transfers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_claim_serves_in_either_dialect() {
    let world = World::new();
    let (required, wallet) = (world.bill("ticks").await, world.wallet(7));
    let offer = offer_of(&required, 100_000);
    let payload = wallet.sign(&offer, 1);
    let first = world.paid_with("ticks", header::X_PAYMENT, &v1_header(&payload), &[CLAIM]).await;
    let jti = first.jti();
    let v1_again = world.paid_with("ticks", header::X_PAYMENT, &v1_header(&payload), &[CLAIM]).await;
    assert_eq!(v1_again.jti(), jti);
    let v2_again = world.pay("ticks", &v2_without_quote(&offer, &payload), &[CLAIM]).await;
    assert_eq!(v2_again.jti(), jti);
    let wrong = (header::TOLLWIRE_CLAIM, "a-secret-of-the-clienT");
    let stranger = world.pay("ticks", &v2_without_quote(&offer, &payload), &[wrong]).await;
    assert_challenge(&stranger);
    assert_eq!(world.chain.transfers().len(), 1);
}

/// The payment landed before anybody presented it, so all about it is public: presenting it proves nothing. How its
/// payer claims it stands in `sign_in.rs`.
#[tokio::test(start_paused = true)]
async fn what_somebody_else_submitted_is_nobodys_without_the_payers_sign_in() {
    let world = World::new();
    world.clock.advance(Duration::from_secs(2));
    let (required, wallet) = (world.bill("ticks").await, world.wallet(7));
    let offer = offer_of(&required, 100_000);
    let payload = wallet.sign(&offer, 1);
    world.chain.submit_as_stranger(&payload);
    let payment = v2(&required, &offer, &payload);
    let thief = v2(&world.bill("ticks").await, &offer, &payload);
    for presented in [&payment, &thief] {
        assert_challenge(&world.pay("ticks", presented, &[]).await);
        assert_challenge(&world.pay("ticks", presented, &[CLAIM]).await);
    }
    assert_eq!((world.chain.transfers().len(), world.chain.height()), (1, 1), "nothing was sent");

    // Money for which nothing was offered buys nothing.
    let mut odd = offer.clone();
    odd.amount = usdc(99_999);
    let payload = wallet.sign(&odd, 2);
    world.chain.submit_as_stranger(&payload);
    let reply = world.pay("ticks", &v2(&required, &odd, &payload), &[]).await;
    assert_eq!(reply.status, StatusCode::PAYMENT_REQUIRED, "{reply:?}");
}

/// A stranger reads the settled transaction and presents all that is in it.
#[tokio::test(start_paused = true)]
async fn a_stranger_who_reads_the_chain_gets_a_challenge_and_nothing_else() {
    let world = World::new();
    let (_, payload, first) = paid(&world).await;
    let required = world.bill("ticks").await;
    let offer = offer_of(&required, 100_000);
    for (name, payment) in [
        (header::PAYMENT_SIGNATURE, v2_without_quote(&offer, &payload)),
        // A fresh quote is a proof of nothing.
        (header::PAYMENT_SIGNATURE, v2(&required, &offer, &payload)),
        (header::X_PAYMENT, v1_header(&payload)),
    ] {
        let reply = world.paid_with("ticks", name, &payment, &[]).await;
        assert_challenge(&reply);
        assert!(!format!("{reply:?}").contains(&first.jti()));
        let claimed = world.paid_with("ticks", name, &payment, &[CLAIM]).await;
        assert_challenge(&claimed);
    }
    assert_eq!(world.chain.transfers().len(), 1);
}

fn assert_challenge(reply: &Reply) {
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{reply:?}");
    assert!(!reply.leaks_session(), "{reply:?}");
    assert!(!reply.headers.contains_key(header::PAYMENT_REQUIRED), "nobody is asked to pay again");
    assert_eq!(reply.header("www-authenticate"), "SIGN-IN-WITH-X");
    let info = &reply.json()["extensions"]["sign-in-with-x"]["info"];
    assert_eq!(info["domain"], "pay.example:4020");
    assert_eq!(info["nonce"].as_str().unwrap().len(), 32);
}

#[tokio::test(start_paused = true)]
async fn another_feed_or_size_is_a_conflict_without_session_data() {
    let world = World::new();
    let (payment, payload, first) = paid(&world).await;
    let elsewhere = world.pay("other", &payment, &[]).await;
    // The same authorization, said to be for another size.
    let required = world.bill("ticks").await;
    let other_size = v2(&required, &offer_of(&required, 10_000), &payload);
    let resized = world.pay("ticks", &other_size, &[]).await;
    // The payer signs the same nonce for another amount.
    let offer = offer_of(&required, 10_000);
    let twice = v2(&required, &offer, &world.wallet(7).sign(&offer, 1));
    let resigned = world.pay("ticks", &twice, &[]).await;
    for reply in [elsewhere, resized, resigned] {
        assert_eq!(reply.status, StatusCode::CONFLICT, "{reply:?}");
        assert!(!reply.leaks_session());
        assert!(!format!("{reply:?}").contains(&first.jti()));
    }
    assert_eq!(world.chain.transfers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn time_balance_and_nonce_do_not_matter_any_more_but_the_signature_does() {
    let world = World::new();
    let (payment, payload, first) = paid(&world).await;
    world.clock.advance(Duration::from_secs(3600));
    let payer = world.wallet(7).key.address().to_string();
    world.chain.set_balance(&payer, usdc(0));
    assert_eq!(world.pay("ticks", &payment, &[]).await.jti(), first.jti());
    let decoded: Value = header::decode(header::PAYMENT_SIGNATURE, payment.as_bytes()).unwrap();
    let mut forged = decoded;
    let mut signature = payload["signature"].as_str().unwrap().to_owned();
    signature.replace_range(10..12, if &signature[10..12] == "00" { "01" } else { "00" });
    forged["payload"]["signature"] = json!(signature);
    let reply = world.pay("ticks", &encode(&forged), &[]).await;
    assert_ne!(reply.status, StatusCode::OK);
    assert!(!reply.leaks_session());
}

#[tokio::test(start_paused = true)]
async fn a_payment_is_answered_by_every_node_and_after_a_key_rotation() {
    let world = World::new();
    let (payment, _, first) = paid(&world).await;
    let other = node(&world.clock, &world.chain, &world.ledger, &key(), |_| {});
    // This node does not even sell the feed any more: what was paid is not lost by that.
    let mut service = GateService::new(other);
    let mut again = request(Method::GET, "/feeds/ticks/session");
    again.headers_mut().insert(header::PAYMENT_SIGNATURE, payment.parse().unwrap());
    let answer = service.call(again).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    world.gate.rotate(crate::support::issuer(&key()), tollwire_session::KeySet::default()).unwrap();
    let rotated = world.pay("ticks", &payment, &[]).await;
    assert_eq!(rotated.jti(), first.jti());
    assert!(world.gate.check_token(&rotated.token()).is_ok());
    assert!(world.gate.check_token(&first.token()).is_err(), "its key was withdrawn");
}

/// The operator takes another deposit wallet: what was paid to the old one is still answered, and nothing new is
/// taken for it.
#[tokio::test(start_paused = true)]
async fn a_payment_outlives_its_deposit_wallet() {
    let world = World::new();
    let (payment, _, first) = paid(&world).await;
    let required = world.bill("ticks").await;
    let deposit_wallet = world.wallet(9).key.address().to_string();
    let config = DevConfig { deposit_wallet, ..DevConfig::default() };
    let moved = world.on_chain(Arc::new(DevChain::with_config(world.clock.clone(), config)));
    assert_eq!(moved.pay("ticks", &payment, &[]).await.jti(), first.jti());
    let offer = offer_of(&required, 10_000);
    let stale = moved.pay("ticks", &v2(&required, &offer, &world.wallet(7).sign(&offer, 2)), &[]).await;
    assert_eq!(stale.status, StatusCode::PAYMENT_REQUIRED, "{stale:?}");
}

#[tokio::test(start_paused = true)]
async fn a_revoked_or_expired_session_is_not_handed_out_again() {
    let world = World::new();
    let (payment, _, first) = paid(&world).await;
    world.gate.revoke(&first.jti().parse().unwrap()).await.unwrap();
    let reply = world.pay("ticks", &payment, &[]).await;
    assert_eq!(
        (reply.status, reply.json()["type"].as_str()),
        (StatusCode::UNAUTHORIZED, Some("urn:tollwire:problem:session-revoked"))
    );
    let world = World::new();
    let (payment, ..) = paid(&world).await;
    world.clock.advance(Duration::from_secs(31 * 24 * 3600));
    let reply = world.pay("ticks", &payment, &[]).await;
    assert_eq!(
        (reply.status, reply.json()["type"].as_str()),
        (StatusCode::FORBIDDEN, Some("urn:tollwire:problem:balance-expired"))
    );
    assert_eq!(world.gate.sweep().await.unwrap(), 1);
    assert_eq!(world.gate.sweep().await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_plain_payment_buys_no_session() {
    let world = World::new();
    let required = world.bill("ticks").await;
    let offer = offer_of(&required, 100_000);
    let payload = world.wallet(7).sign(&offer, 1);
    let body = json!({
        "x402Version": 2,
        "paymentPayload": {"x402Version": 2, "accepted": offer, "payload": payload},
        "paymentRequirements": offer,
    });
    // Real chains never settle plain payments to our own deposit wallet; the dev chain does, and shows the rule.
    let mut settle = request(Method::POST, "/settle");
    *settle.body_mut() = body.to_string().into();
    assert_eq!(world.call(settle).await.json()["success"], true);
    let reply = world.pay("ticks", &v2(&required, &offer, &payload), &[CLAIM]).await;
    assert_eq!(reply.status, StatusCode::CONFLICT, "{reply:?}");
    assert_eq!(world.chain.transfers().len(), 1);
}
