//! Paying for the first time.

use crate::support::{World, offer_of, usdc, v1_header, v2, v2_without_quote};
use futures_util::future::join_all;
use http::StatusCode;
use serde_json::json;
use std::time::Duration;
use tollwire_settlement::dev::NETWORK;
use tollwire_x402::facilitator::SettleResponse;
use tollwire_x402::{header, reason};

#[tokio::test(start_paused = true)]
async fn a_v2_payment_buys_a_session() {
    let world = World::new();
    let (required, wallet) = (world.bill("ticks").await, world.wallet(7));
    let offer = offer_of(&required, 100_000);
    let reply = world.pay("ticks", &v2(&required, &offer, &wallet.sign(&offer, 1)), &[]).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    assert_eq!(reply.header("cache-control"), "private, no-store");
    let body = reply.json();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_at"], "2027-01-16T08:00:00Z", "24 hours after the credit");
    assert_eq!(body["ws_url"], "ws://pay.example:4020/feeds/ticks/ws");
    let session = &body["session"];
    assert_eq!(session["units_remaining"], 10);
    assert_eq!(
        (&session["feed"], &session["unit"], &session["deposited"], &session["chain"]),
        (&json!("ticks"), &json!("stream"), &json!("$0.10"), &json!("dev"))
    );
    let settlement = reply.settlement();
    assert!(settlement.success);
    assert_eq!(settlement.network, NETWORK.to_string());
    assert_eq!(settlement.amount.as_deref(), Some("100000"));
    assert_eq!(settlement.payer.unwrap(), wallet.key.address().to_string());
    let transfers = world.chain.transfers();
    assert_eq!(transfers.len(), 1);
    assert_eq!((&settlement.transaction, transfers[0].amount), (&transfers[0].tx, usdc(100_000)));
    let claims = world.gate.check_token(&reply.token()).unwrap();
    assert_eq!((claims.jti.as_str(), claims.streams_remaining), (reply.jti().as_str(), 10));
}

#[tokio::test(start_paused = true)]
async fn a_v1_payment_is_answered_in_v1() {
    let world = World::new();
    let (required, wallet) = (world.bill("ticks").await, world.wallet(7));
    let payload = wallet.sign(&offer_of(&required, 10_000), 1);
    let reply = world.paid_with("ticks", header::X_PAYMENT, &v1_header(&payload), &[]).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    assert!(!reply.headers.contains_key(header::PAYMENT_RESPONSE));
    let value = reply.header(header::X_PAYMENT_RESPONSE).as_bytes();
    let settlement: SettleResponse = header::decode(header::X_PAYMENT_RESPONSE, value).unwrap();
    assert_eq!((settlement.success, settlement.network.as_str()), (true, "base-sepolia"));
    assert_eq!(reply.json()["session"]["units_remaining"], 1);
}

#[tokio::test(start_paused = true)]
async fn fifty_at_once_through_two_nodes_are_one_settlement_and_one_session() {
    let world = World::new();
    let (required, wallet) = (world.bill("ticks").await, world.wallet(7));
    let offer = offer_of(&required, 1_000_000);
    let payment = v2(&required, &offer, &wallet.sign(&offer, 1));
    world.chain.faults().slow(Duration::from_millis(50));
    let replica = world.replica();
    let nodes = [&world, &replica].into_iter().cycle();
    let replies = join_all(nodes.take(50).map(|node| node.pay("ticks", &payment, &[]))).await;
    let first = replies[0].jti();
    assert!(replies.iter().all(|reply| reply.jti() == first));
    assert_eq!(world.chain.transfers().len(), 1);
    let expiry = |reply: &crate::support::Reply| reply.json()["expires_at"].clone();
    assert!(replies.iter().all(|reply| expiry(reply) == expiry(&replies[0])));
}

/// Every wrong payment gets a fresh bill and the official reason, and moves nothing.
#[tokio::test(start_paused = true)]
async fn wrong_payments_are_refused_with_a_fresh_bill() {
    let world = World::new();
    let (required, wallet) = (world.bill("ticks").await, world.wallet(7));
    let offer = offer_of(&required, 100_000);
    let signed = |adjust: &dyn Fn(&mut tollwire_exact::evm::Authorization)| wallet.sign_with(&offer, adjust);
    let with = |change: &dyn Fn(&mut tollwire_x402::v2::PaymentRequirements)| {
        let mut changed = offer.clone();
        change(&mut changed);
        v2(&required, &changed, &wallet.sign(&offer, 9))
    };
    let now = wallet.now;
    let mut forged = wallet.sign(&offer, 1);
    forged["authorization"]["from"] = json!(world.wallet(8).key.address().to_string());
    let cases = [
        ("under", v2(&required, &offer, &signed(&|a| a.value = usdc(99_999))), reason::EVM_VALUE_MISMATCH),
        ("over", v2(&required, &offer, &signed(&|a| a.value = usdc(100_001))), reason::EVM_VALUE_MISMATCH),
        ("not offered", with(&|o| o.amount = usdc(5)), reason::EVM_VALUE_MISMATCH),
        (
            "payee",
            v2(&required, &offer, &signed(&|a| a.to = world.wallet(9).key.address())),
            reason::EVM_RECIPIENT_MISMATCH,
        ),
        (
            "accepted payee",
            with(&|o| o.pay_to = "0x0000000000000000000000000000000000000001".into()),
            reason::EVM_RECIPIENT_MISMATCH,
        ),
        (
            "asset",
            with(&|o| o.asset = "0x0000000000000000000000000000000000000001".into()),
            reason::INVALID_PAYMENT_REQUIREMENTS,
        ),
        ("network", with(&|o| o.network = "eip155:1".into()), reason::INVALID_NETWORK),
        ("not a network", with(&|o| o.network = "base".into()), reason::INVALID_NETWORK),
        ("scheme", with(&|o| o.scheme = "upto".into()), reason::UNSUPPORTED_SCHEME),
        ("expired", v2(&required, &offer, &signed(&|a| a.valid_before = now)), reason::EVM_VALID_BEFORE),
        (
            "too long",
            v2(&required, &offer, &signed(&|a| a.valid_before = now + 400)),
            reason::EVM_VALID_BEFORE,
        ),
        ("not yet", v2(&required, &offer, &signed(&|a| a.valid_after = now + 60)), reason::EVM_VALID_AFTER),
        ("forged", v2(&required, &offer, &forged), reason::EVM_SIGNATURE),
    ];
    for (case, payment, reason) in cases {
        let reply = world.pay("ticks", &payment, &[]).await;
        assert_eq!(reply.status, StatusCode::PAYMENT_REQUIRED, "{case}: {reply:?}");
        let settlement = reply.settlement();
        assert_eq!((settlement.success, settlement.error_reason.as_deref()), (false, Some(reason)), "{case}");
        assert_eq!(settlement.transaction, "", "{case}");
        assert_eq!(reply.required().accepts.len(), 3, "{case}");
        assert!(!reply.leaks_session(), "{case}");
    }
    assert_eq!(world.chain.transfers(), []);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_amount_is_named_in_the_words_of_v1() {
    let world = World::new();
    let (required, wallet) = (world.bill("ticks").await, world.wallet(7));
    let payload = wallet.sign_with(&offer_of(&required, 10_000), |a| a.value = usdc(10_001));
    let reply = world.paid_with("ticks", header::X_PAYMENT, &v1_header(&payload), &[]).await;
    assert_eq!(reply.status, StatusCode::PAYMENT_REQUIRED);
    let value = reply.header(header::X_PAYMENT_RESPONSE).as_bytes();
    let settlement: SettleResponse = header::decode(header::X_PAYMENT_RESPONSE, value).unwrap();
    assert_eq!(settlement.error_reason.as_deref(), Some(reason::EVM_VALUE_V1));
    assert_eq!(settlement.network, "base-sepolia");
}

#[tokio::test(start_paused = true)]
async fn a_payment_without_a_quote_is_taken_all_the_same() {
    let world = World::new();
    let (required, wallet) = (world.bill("ticks").await, world.wallet(7));
    let offer = offer_of(&required, 1_000_000);
    let reply = world.pay("ticks", &v2_without_quote(&offer, &wallet.sign(&offer, 1)), &[]).await;
    assert_eq!(reply.json()["session"]["units_remaining"], 100);
}

#[tokio::test(start_paused = true)]
async fn a_quote_for_another_feed_is_a_conflict() {
    let world = World::new();
    let (required, wallet) = (world.bill("other").await, world.wallet(7));
    let offer = offer_of(&required, 10_000);
    let reply = world.pay("ticks", &v2(&required, &offer, &wallet.sign(&offer, 1)), &[]).await;
    assert_eq!(reply.status, StatusCode::CONFLICT, "{reply:?}");
    assert_eq!(world.chain.transfers(), []);
}
