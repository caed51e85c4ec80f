//! The settlement procedure against everything the dev chain can do to it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail by panicking")]

mod support;

use std::sync::Arc;
use std::time::Duration;
use support::plug::{Plug, PluggedChain};
use support::{PRICE, Scene, VALIDITY, WAIT, credited, pending, refused, usdc};
use tollwire_ledger::Command;
use tollwire_ledger::model::Fate;
use tollwire_settlement::dev::BroadcastFault;
use tollwire_settlement::{Chain, SettleError, Settled, SettlerConfig};
use tollwire_x402::reason;

#[tokio::test(start_paused = true)]
async fn a_payment_is_settled_once_and_replayed_for_ever() {
    let scene = Scene::new();
    let settler = scene.settler("a");
    let signed = scene.sign(1);
    let before = scene.chain.balance_of(&signed.payer);

    let (payment, fresh) = credited(signed.settle(&settler).await);
    assert!(fresh);
    assert_eq!(payment.attempts.len(), 1);
    let Fate::Credited(landing) = &payment.fate else { panic!() };
    assert_eq!((landing.tx.as_str(), landing.gas.atomic()), (payment.attempts[0].tx.as_str(), 7_000));
    assert_eq!(before.checked_sub(scene.chain.balance_of(&signed.payer)), Some(usdc(PRICE)));
    assert_eq!(scene.chain.balance_of(&scene.chain.info().deposit_wallet), usdc(PRICE));

    // Long after its validity, with another candidate session: the same session, and no second charge.
    tokio::time::advance(Duration::from_secs(100 * VALIDITY)).await;
    let (again, fresh) = credited(signed.settle_within(&settler, 2, WAIT).await);
    assert!(!fresh);
    assert_eq!(again.intent.session, payment.intent.session);
    assert_eq!((scene.transfers_of(&signed), scene.units_bought().await), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_hundred_at_once_make_one_transfer() {
    let scene = Scene::new();
    let settler = scene.settler("a");
    scene.chain.faults().slow(Duration::from_millis(50));
    let signed = scene.sign(1);
    let calls = (0..100).map(|candidate| {
        let (settler, signed) = (settler.clone(), signed.clone());
        tokio::spawn(async move { signed.settle_within(&settler, candidate, WAIT).await })
    });
    let answers = futures_util::future::join_all(calls.collect::<Vec<_>>()).await;
    let answers: Vec<_> = answers.into_iter().map(|answer| credited(answer.unwrap())).collect();
    assert_eq!(answers.iter().filter(|(_, fresh)| *fresh).count(), 1);
    assert!(answers.iter().all(|(payment, _)| payment.intent.session == answers[0].0.intent.session));
    assert_eq!((scene.transfers_of(&signed), scene.chain.height(), scene.units_bought().await), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn two_processes_share_the_work_without_doubling_it() {
    let scene = Scene::new();
    let settlers = [scene.settler("a"), scene.settler("b")];
    scene.chain.faults().slow(Duration::from_millis(20));
    let signed = scene.sign(1);
    let calls = (0..50).map(|candidate| {
        let (settler, signed) = (settlers[usize::from(candidate % 2 == 0)].clone(), signed.clone());
        tokio::spawn(async move { signed.settle_within(&settler, candidate, WAIT).await })
    });
    let answers = futures_util::future::join_all(calls.collect::<Vec<_>>()).await;
    let fresh = answers.into_iter().filter(|answer| credited(answer.as_ref().unwrap().clone()).1).count();
    assert_eq!((fresh, scene.chain.height(), scene.transfers_of(&signed)), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_records_nothing() {
    let scene = Scene::new();
    let settler = scene.settler("a");
    let now = scene.clock.now().secs();
    for (signed, reason) in [
        (scene.sign_with(1, |a| a.valid_before = now + 5), reason::EVM_VALID_BEFORE),
        (scene.sign_with(2, |a| a.valid_before = now + VALIDITY + 61), reason::EVM_VALID_BEFORE),
        (scene.sign_with(3, |a| a.valid_after = now + 1), reason::EVM_VALID_AFTER),
        (scene.sign_with(4, |a| a.value = usdc(1_000_000_001)), reason::EVM_INSUFFICIENT_BALANCE),
        (scene.sign_with(5, |a| a.from = a.to), reason::EVM_SIGNATURE),
    ] {
        assert_eq!(refused(signed.settle(&settler).await).reason, reason);
        assert_eq!(scene.payment(&signed.id).await, None, "{reason}");
    }
    let mut signed = scene.sign(6);
    signed.requirements.amount = usdc(PRICE + 1);
    assert_eq!(refused(signed.settle(&settler).await).reason, reason::EVM_VALUE_MISMATCH);
    let mut signed = scene.sign(7);
    signed.requirements.network = "eip155:8453".into();
    assert_eq!(refused(signed.settle(&settler).await).reason, reason::INVALID_NETWORK);
    assert_eq!((scene.in_doubt().await, scene.chain.height()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_longest_validity_allowed_is_accepted() {
    let scene = Scene::new();
    let now = scene.clock.now().secs();
    let signed = scene.sign_with(1, |a| a.valid_before = now + VALIDITY + 60);
    credited(signed.settle(&scene.settler("a")).await);
}

#[tokio::test(start_paused = true)]
async fn another_purchase_with_the_same_payment_is_foreign() {
    let scene = Scene::new();
    let settler = scene.settler("a");
    let signed = scene.sign(1);
    credited(signed.settle(&settler).await);
    let mut intent = signed.intent(2);
    intent.feed = "dear".parse().unwrap();
    let answer = settler.settle(&signed.requirements, intent, signed.id.clone(), WAIT).await;
    assert_eq!(answer, Ok(Settled::Foreign));
}

#[tokio::test(start_paused = true)]
async fn a_recorded_payment_is_still_checked_for_its_terms() {
    let scene = Scene::new();
    let settler = scene.settler("a");
    let mut signed = scene.sign(1);
    credited(signed.settle(&settler).await);
    signed.requirements.pay_to = signed.payer.clone();
    assert_eq!(refused(signed.settle(&settler).await).reason, reason::EVM_RECIPIENT_MISMATCH);
    let (mut forged, other) = (scene.sign(1), scene.sign(2));
    forged.payload["signature"] = other.payload["signature"].clone();
    assert_eq!(refused(forged.settle(&settler).await).reason, reason::EVM_SIGNATURE);
    credited(other.settle(&settler).await);
    forged.id = other.id;
    forged.payload = scene.sign(1).payload;
    assert_eq!(refused(forged.settle(&settler).await).reason, reason::INVALID_PAYLOAD);
}

#[tokio::test(start_paused = true)]
async fn every_broadcast_fault_ends_in_the_truth() {
    let delay = BroadcastFault::ReceiptAfter(Duration::from_secs(10));
    for (fault, lands, blocks) in [
        (BroadcastFault::ReplyLost, true, 1),
        (BroadcastFault::Dropped, true, 1),
        (BroadcastFault::Unsent, true, 1),
        (BroadcastFault::Stolen, true, 2),
        (BroadcastFault::Cancelled, false, 2),
        (delay, true, 1),
    ] {
        let scene = Scene::new();
        let settler = scene.settler("a");
        scene.chain.faults().next_broadcast(fault);
        let signed = scene.sign(1);
        let answer = signed.settle(&settler).await;
        if lands {
            assert!(credited(answer).1, "{fault:?}");
        } else {
            assert_eq!(refused(answer).reason, reason::EVM_NONCE_ALREADY_USED, "{fault:?}");
        }
        assert_eq!(scene.transfers_of(&signed), usize::from(lands), "{fault:?}");
        assert_eq!(
            (scene.chain.height(), scene.units_bought().await),
            (blocks, u64::from(lands)),
            "{fault:?}"
        );
        // Asked again, the answer stands.
        let again = signed.settle(&settler).await;
        if lands {
            assert!(!credited(again).1);
        } else {
            refused(again);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stolen_submission_is_credited_with_the_thiefs_transaction_and_our_gas() {
    let scene = Scene::new();
    scene.chain.faults().next_broadcast(BroadcastFault::Stolen);
    let (payment, _) = credited(scene.sign(1).settle(&scene.settler("a")).await);
    let Fate::Credited(landing) = &payment.fate else { panic!() };
    assert_ne!(landing.tx, payment.attempts[0].tx);
    assert_eq!(landing.gas.atomic(), 7_000, "our own transaction reverted, and cost all the same");
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_can_never_be_mined_is_replaced() {
    let scene = Scene::new();
    let settler = scene.settler("a");
    scene.chain.faults().next_broadcast(BroadcastFault::Void);
    let signed = scene.sign(1);
    let first = pending(signed.settle_within(&settler, 1, Duration::from_secs(5)).await);
    let (payment, fresh) = credited(signed.settle_within(&settler, 1, Duration::from_secs(60)).await);
    assert!(!fresh);
    assert_eq!((payment.attempts.len(), Some(payment.attempts[0].tx.clone())), (2, first));
    assert_eq!(scene.transfers_of(&signed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_superseded_transaction_is_replaced_at_once_and_not_for_ever() {
    let scene = Scene::new();
    let settler = scene.settler("a");
    scene.chain.faults().next_broadcast(BroadcastFault::Superseded);
    let signed = scene.sign(1);
    let (payment, _) = credited(signed.settle_within(&settler, 1, Duration::from_secs(1)).await);
    assert_eq!((payment.attempts.len(), scene.transfers_of(&signed)), (2, 1));

    for _ in 0..100 {
        scene.chain.faults().next_broadcast(BroadcastFault::Superseded);
    }
    let signed = scene.sign(2);
    pending(signed.settle_within(&settler, 1, Duration::from_secs(20)).await);
    let attempts = scene.payment(&signed.id).await.unwrap().attempts.len();
    assert_eq!(attempts, SettlerConfig::default().attempts_max);
}

#[tokio::test(start_paused = true)]
async fn a_silent_node_means_pending_never_failed() {
    let scene = Scene::new();
    let settler = scene.settler("a");
    let signed = scene.sign(1);
    scene.chain.faults().next_broadcast(BroadcastFault::ReplyLost);
    // The answer to the broadcast is lost, and then the node is gone for half a minute.
    let node = scene.chain.clone();
    let outage = tokio::spawn(async move {
        while node.height() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        node.faults().set_down(true);
        tokio::time::sleep(Duration::from_secs(30)).await;
        node.faults().set_down(false);
    });
    let tx = pending(signed.settle_within(&settler, 1, Duration::from_secs(10)).await);
    assert_eq!(tx, Some(scene.payment(&signed.id).await.unwrap().attempts[0].tx.clone()));
    outage.await.unwrap();
    assert!(!credited(signed.settle(&settler).await).1);
    assert_eq!(scene.transfers_of(&signed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_down_before_verification_is_an_error_and_records_nothing() {
    let scene = Scene::new();
    let settler = scene.settler("a");
    let signed = scene.sign(1);
    scene.chain.faults().set_down(true);
    assert!(matches!(signed.settle(&settler).await, Err(SettleError::Chain(_))));
    assert_eq!(scene.payment(&signed.id).await, None);
    scene.chain.faults().heal();
    assert!(credited(signed.settle(&settler).await).1);
}

#[tokio::test(start_paused = true)]
async fn a_lying_not_found_is_not_believed() {
    let scene = Scene::new();
    let settler = scene.settler("a");
    scene.chain.faults().blind(20);
    let signed = scene.sign(1);
    credited(signed.settle(&settler).await);
    assert_eq!((scene.transfers_of(&signed), scene.chain.height()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_payment_that_expires_unused_is_abandoned_and_only_then() {
    let scene = Scene::new();
    let settler = scene.settler("a");
    let signed = scene.sign(1);
    for _ in 0..100 {
        scene.chain.faults().next_broadcast(BroadcastFault::Dropped);
    }
    pending(signed.settle_within(&settler, 1, Duration::from_secs(VALIDITY - 2)).await);
    assert_eq!(scene.fate(&signed.id).await, Some(Fate::Pending));
    let refusal = refused(settler.await_fate(&signed.id, WAIT).await);
    assert_eq!(refusal.reason, reason::EVM_VALID_BEFORE);
    assert_eq!((scene.transfers_of(&signed), scene.units_bought().await), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_forgot_everything_gets_the_stored_transaction_again() {
    let scene = Scene::new();
    let settler = scene.settler("a");
    let signed = scene.sign(1);
    scene.chain.faults().next_broadcast(BroadcastFault::Dropped);
    pending(signed.settle_within(&settler, 1, Duration::from_millis(50)).await);
    let stored = scene.payment(&signed.id).await.unwrap().attempts;
    drop(settler);

    let restarted =
        Scene { chain: Arc::new(tollwire_settlement::dev::DevChain::new(scene.clock.clone())), ..scene };
    let settler = restarted.settler("a");
    restarted.reconcile(&settler).await;
    let Some(Fate::Credited(landing)) = restarted.fate(&signed.id).await else { panic!() };
    assert_eq!(landing.tx, stored[0].tx);
    assert_eq!(restarted.transfers_of(&signed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_takes_nothing_with_it() {
    let scene = Scene::new();
    let settler = scene.settler("a");
    scene.chain.faults().slow(Duration::from_millis(100));
    let signed = scene.sign(1);
    // Verification takes 100 ms; the caller leaves while the transaction is being prepared.
    let gone = tokio::time::timeout(Duration::from_millis(150), signed.settle(&settler)).await;
    assert!(gone.is_err());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(matches!(scene.fate(&signed.id).await, Some(Fate::Credited(_))));
}

#[tokio::test(start_paused = true)]
async fn more_than_the_bound_are_told_to_come_back() {
    let scene = Scene::new();
    let config = SettlerConfig { in_flight_max: 2, ..SettlerConfig::named("a") };
    let settler = scene.settler_over(scene.ledger.clone(), scene.chain.clone(), config);
    scene.chain.faults().slow(Duration::from_millis(100));
    let calls = (0..5).map(|nonce| {
        let (settler, signed) = (settler.clone(), scene.sign(nonce));
        tokio::spawn(async move { signed.settle(&settler).await })
    });
    let answers = futures_util::future::join_all(calls.collect::<Vec<_>>()).await;
    let busy = answers.iter().filter(|answer| *answer.as_ref().unwrap() == Err(SettleError::Busy)).count();
    assert_eq!((busy, scene.chain.height()), (3, 2));
    credited(scene.sign(7).settle(&settler).await);
}

#[tokio::test(start_paused = true)]
async fn draining_finishes_what_runs_and_takes_no_more() {
    let scene = Scene::new();
    let settler = scene.settler("a");
    scene.chain.faults().slow(Duration::from_millis(100));
    let running = {
        let (settler, signed) = (settler.clone(), scene.sign(1));
        tokio::spawn(async move { signed.settle(&settler).await })
    };
    tokio::time::sleep(Duration::from_millis(150)).await;
    settler.drain().await;
    assert!(matches!(scene.fate(&scene.sign(1).id).await, Some(Fate::Credited(_))));
    assert!(credited(running.await.unwrap()).1);
    assert_eq!(scene.sign(2).settle(&settler).await, Err(SettleError::Draining));
    // What is known is still told.
    assert!(!credited(scene.sign(1).settle(&settler).await).1);
}

#[tokio::test(start_paused = true)]
async fn the_reconciler_takes_up_what_a_dead_process_left() {
    let scene = Scene::new();
    let signed = scene.sign(1);
    // Recorded, and then nothing: not even a transaction.
    let command = Command::Record { payment: signed.id.clone(), intent: Box::new(signed.intent(1)) };
    let _ = scene.ledger.apply(command).await.unwrap();
    let settler = scene.settler("b");
    let reconciler = settler.spawn_reconciler();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(matches!(scene.fate(&signed.id).await, Some(Fate::Credited(_))));
    drop(reconciler);
}

#[tokio::test(start_paused = true)]
async fn a_process_waits_for_another_ones_lease() {
    let scene = Scene::new();
    let signed = scene.sign(1);
    let command = Command::Record { payment: signed.id.clone(), intent: Box::new(signed.intent(1)) };
    let _ = scene.ledger.apply(command).await.unwrap();
    let lease = format!("settle:{}", signed.id);
    assert!(scene.ledger.lease(&lease, "other", Duration::from_secs(8)).await.unwrap());

    let settler = scene.settler("b");
    assert_eq!(settler.reconcile_once().await, Ok(0), "the reconciler leaves it alone");
    assert_eq!(pending(signed.settle_within(&settler, 2, Duration::from_secs(7)).await), None);
    assert_eq!(scene.chain.height(), 0, "nothing was sent while another process held the payment");
    assert!(!credited(signed.settle(&settler).await).1);
    // And gives it back when done.
    assert!(scene.ledger.lease(&lease, "third", Duration::from_secs(1)).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_payment_that_lands_while_another_process_verifies_it_is_not_refused() {
    let scene = Scene::new();
    let signed = scene.sign(1);
    let quick = scene.settler("a");
    let lag = Duration::from_secs(1);
    let slow_chain = PluggedChain { plug: Plug::safe(), inner: scene.chain.clone(), lag };
    let slow = scene.settler_over(scene.ledger.clone(), Arc::new(slow_chain), SettlerConfig::named("b"));
    // Both find nothing on record; by the time the second one verifies, the nonce is used.
    let (first, second) = tokio::join!(signed.settle(&quick), signed.settle_within(&slow, 2, WAIT));
    let (first, second) = (credited(first), credited(second));
    assert_eq!((first.1, second.1), (true, false));
    assert_eq!(first.0.intent.session, second.0.intent.session);
}

#[tokio::test(start_paused = true)]
async fn unknown_payments_have_no_fate() {
    let scene = Scene::new();
    let answer = scene.settler("a").await_fate(&scene.sign(1).id, WAIT).await;
    assert_eq!(answer, Err(SettleError::Unknown));
}
