//! Payments in doubt: never a new bill, and the same payment gets the final answer.

use crate::support::{World, offer_of, v1_header, v2, v2_without_quote};
use http::StatusCode;
use std::time::Duration;
use tollwire_settlement::dev::BroadcastFault;
use tollwire_x402::{header, reason};

#[tokio::test(start_paused = true)]
async fn a_slow_settlement_is_pending_and_then_paid() {
    let world = World::new();
    world.chain.faults().next_broadcast(BroadcastFault::ReceiptAfter(Duration::from_secs(45)));
    let (required, wallet) = (world.bill("ticks").await, world.wallet(7));
    let offer = offer_of(&required, 100_000);
    let payment = v2(&required, &offer, &wallet.sign(&offer, 1));
    let began = tokio::time::Instant::now();
    let reply = world.pay("ticks", &payment, &[]).await;
    assert_eq!(began.elapsed().as_secs(), 30, "held for the whole wait");
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{reply:?}");
    assert_eq!(reply.header("retry-after"), "2");
    assert!(!reply.headers.contains_key(header::PAYMENT_REQUIRED), "never a new bill");
    let settlement = reply.settlement();
    assert_eq!(settlement.error_reason.as_deref(), Some(reason::SETTLEMENT_PENDING));
    assert!(settlement.transaction.starts_with("0x"), "{settlement:?}");
    assert_eq!(reply.json()["transaction"], settlement.transaction);

    let paid = world.pay("ticks", &payment, &[]).await;
    assert_eq!(paid.status, StatusCode::OK, "{paid:?}");
    assert_eq!(paid.settlement().transaction, settlement.transaction);
    assert_eq!(world.chain.transfers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn while_in_doubt_a_stranger_learns_nothing() {
    let world = World::new();
    world.chain.faults().next_broadcast(BroadcastFault::ReceiptAfter(Duration::from_secs(600)));
    let (required, wallet) = (world.bill("ticks").await, world.wallet(7));
    let offer = offer_of(&required, 100_000);
    let payload = wallet.sign(&offer, 1);
    world.pay("ticks", &v2(&required, &offer, &payload), &[]).await;
    for (name, payment) in [
        (header::PAYMENT_SIGNATURE, v2_without_quote(&offer, &payload)),
        (header::X_PAYMENT, v1_header(&payload)),
    ] {
        let reply = world.paid_with("ticks", name, &payment, &[]).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{reply:?}");
        assert!(!reply.leaks_session());
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_down_after_the_record_is_not_a_refusal() {
    let world = World::new();
    world.chain.faults().next_broadcast(BroadcastFault::ReplyLost);
    let (required, wallet) = (world.bill("ticks").await, world.wallet(7));
    let offer = offer_of(&required, 100_000);
    let payment = v2(&required, &offer, &wallet.sign(&offer, 1));
    assert_eq!(world.pay("ticks", &payment, &[]).await.status, StatusCode::OK);
    assert_eq!(world.chain.transfers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_down_before_the_record_is_not_a_refusal_either() {
    let world = World::new();
    let (required, wallet) = (world.bill("ticks").await, world.wallet(7));
    let offer = offer_of(&required, 100_000);
    let payment = v2(&required, &offer, &wallet.sign(&offer, 1));
    world.chain.faults().set_down(true);
    let reply = world.pay("ticks", &payment, &[]).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{reply:?}");
    assert_eq!(reply.settlement().error_reason.as_deref(), Some(reason::UNEXPECTED_SETTLE_ERROR));
    assert!(!reply.headers.contains_key(header::PAYMENT_REQUIRED));
    world.chain.faults().heal();
    assert_eq!(world.pay("ticks", &payment, &[]).await.status, StatusCode::OK);
}

/// Proven dead: now, and only now, a new bill.
#[tokio::test(start_paused = true)]
async fn a_cancelled_authorization_gets_a_new_bill() {
    let world = World::new();
    world.chain.faults().next_broadcast(BroadcastFault::Cancelled);
    let (required, wallet) = (world.bill("ticks").await, world.wallet(7));
    let offer = offer_of(&required, 100_000);
    let payment = v2(&required, &offer, &wallet.sign(&offer, 1));
    for _ in 0..2 {
        let reply = world.pay("ticks", &payment, &[]).await;
        assert_eq!(reply.status, StatusCode::PAYMENT_REQUIRED, "{reply:?}");
        assert_eq!(reply.settlement().error_reason.as_deref(), Some(reason::EVM_NONCE_ALREADY_USED));
        assert_eq!(reply.required().accepts.len(), 3);
    }
    assert_eq!(world.chain.transfers(), []);
}

/// The agent goes away while its payment settles: the payment goes on, and its answer waits.
#[tokio::test(start_paused = true)]
async fn a_dropped_request_drops_no_settlement() {
    let world = World::new();
    world.chain.faults().next_broadcast(BroadcastFault::ReceiptAfter(Duration::from_secs(5)));
    let (required, wallet) = (world.bill("ticks").await, world.wallet(7));
    let offer = offer_of(&required, 100_000);
    let payment = v2(&required, &offer, &wallet.sign(&offer, 1));
    let gone = tokio::time::timeout(Duration::from_secs(1), world.pay("ticks", &payment, &[])).await;
    assert!(gone.is_err());
    tokio::time::sleep(Duration::from_secs(20)).await;
    let report = world.gate.report().await.unwrap();
    assert_eq!((report.totals.sessions, report.doubts.payments_in_doubt), (1, 0));
    assert_eq!(world.pay("ticks", &payment, &[]).await.status, StatusCode::OK);
    assert_eq!(world.chain.transfers().len(), 1);
}
