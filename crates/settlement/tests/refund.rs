//! Refunds: what is left goes back to its payer once, whatever is asked twice, raced, lost or killed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail by panicking")]

mod support;

use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;
use support::plug::{Plug, PluggedChain, PluggedLedger};
use support::{PRICE, Scene, Signed, WAIT, credited, usdc};
use tollwire_ledger::model::{Refund, RefundFate, RefundId};
use tollwire_ledger::{Command, Outcome};
use tollwire_settlement::dev::BroadcastFault;
use tollwire_settlement::{Chain as _, ChainError, SettleError, Settler, SettlerConfig};
use tollwire_x402::{SessionId, Usdc};

/// What the dev chain's gas is estimated at and costs.
const GAS: u64 = 7_000;

/// A session that was paid for and closed with all its units left.
async fn closed(scene: &Scene, signed: &Signed, candidate: u64) -> SessionId {
    let seller = scene.settler("seller");
    let (payment, _) = credited(signed.settle_within(&seller, candidate, WAIT).await);
    let session = payment.intent.session;
    let outcome = scene.ledger.apply(Command::Close { session: session.clone() }).await.unwrap();
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    session
}

/// What moved from the deposit wallet to the payer.
fn moved(scene: &Scene, signed: &Signed) -> Vec<u64> {
    let wallet = scene.chain.info().deposit_wallet.to_ascii_lowercase();
    let back = scene.chain.transfers().into_iter().filter(|transfer| transfer.from == wallet);
    back.inspect(|transfer| assert_eq!(transfer.to, signed.payer.to_ascii_lowercase()))
        .map(|transfer| transfer.amount.atomic())
        .collect()
}

async fn refund(settler: &Settler, session: &SessionId) -> Refund {
    let (id, _) = settler.refund(session).await.unwrap().unwrap();
    settler.await_refund(&id, WAIT).await.unwrap()
}

async fn pending(scene: &Scene) -> usize {
    scene.ledger.refunds_in_doubt(None, 100).await.unwrap().len()
}

/// Reconciles, with time passing, until no refund is pending.
async fn reconcile(scene: &Scene, settler: &Settler) {
    for _ in 0..200 {
        settler.reconcile_once().await.unwrap();
        if pending(scene).await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    panic!("refunds stay pending");
}

#[tokio::test(start_paused = true)]
async fn asked_for_fifty_times_by_two_processes_it_is_paid_once() {
    let scene = Scene::new();
    let signed = scene.sign(1);
    let session = closed(&scene, &signed, 1).await;
    let before = scene.chain.balance_of(&signed.payer);
    let processes = [scene.settler("a"), scene.settler("b")];
    let refunds = join_all((0..50).map(|n| refund(&processes[n % 2], &session))).await;
    for refund in &refunds {
        assert!(matches!(refund.fate, RefundFate::Paid(_)), "{refund:?}");
        assert_eq!((refund.order.value, refund.order.gas), (usdc(PRICE), usdc(GAS)));
    }
    assert_eq!(moved(&scene, &signed), [PRICE - GAS]);
    let after = before.checked_add(usdc(PRICE - GAS)).unwrap();
    assert_eq!(scene.chain.balance_of(&signed.payer), after);
    let row = scene.ledger.session(&session).await.unwrap().unwrap();
    assert_eq!((row.refunded, row.refunds, row.remaining()), (1, 1, 0));
    assert_eq!((row.returned, row.withheld), (usdc(PRICE), usdc(GAS)));
}

#[tokio::test(start_paused = true)]
async fn an_open_session_is_not_refunded_and_neither_is_nothing() {
    let scene = Scene::new();
    let signed = scene.sign(1);
    let settler = scene.settler("a");
    let (payment, _) = credited(signed.settle(&settler).await);
    let session = payment.intent.session;
    assert_eq!(settler.refund(&session).await.unwrap(), None);
    let outcome = scene.ledger.apply(Command::Close { session: session.clone() }).await.unwrap();
    assert!(matches!(outcome, Outcome::Done(_)));
    let outcome = scene.ledger.apply(Command::Expire { session: session.clone() }).await.unwrap();
    assert!(matches!(outcome, Outcome::Done(_)));
    assert_eq!(settler.refund(&session).await.unwrap(), None, "nothing is left");
    assert_eq!(
        settler.refund(&"7d444840-9dc0-4acd-b245-5ffdce74fad2".parse().unwrap()).await,
        Err(SettleError::Unknown)
    );
    assert!(moved(&scene, &signed).is_empty());
}

#[tokio::test(start_paused = true)]
async fn gas_dearer_than_the_rest_sends_nothing() {
    let scene = Scene::new();
    let signed = scene.sign_with(1, |authorization| authorization.value = usdc(GAS));
    let session = closed(&scene, &signed, 1).await;
    let refund = refund(&scene.settler("a"), &session).await;
    assert_eq!((refund.fate, refund.order.gas, refund.attempts.len()), (RefundFate::Nothing, usdc(GAS), 0));
    assert!(moved(&scene, &signed).is_empty());
    assert_eq!(pending(&scene).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_payment_credited_after_the_refund_is_refunded_too() {
    let scene = Scene::new();
    let (first, second) = (scene.sign(1), scene.sign(2));
    let settler = scene.settler("a");
    let session = closed(&scene, &first, 1).await;
    refund(&settler, &session).await;
    // Recorded for the same session before it was closed, and late to land.
    credited(second.settle_within(&settler, 1, WAIT).await);
    let late = refund(&settler, &session).await;
    assert_eq!((late.order.number, late.order.value), (2, usdc(PRICE)));
    assert_eq!(moved(&scene, &first), [PRICE - GAS, PRICE - GAS]);
    refund(&settler, &session).await;
    assert_eq!(moved(&scene, &first).len(), 2, "nothing is left");
}

#[tokio::test(start_paused = true)]
async fn without_the_money_it_waits_and_a_reverted_transfer_is_made_again() {
    let scene = Scene::new();
    let signed = scene.sign(1);
    let session = closed(&scene, &signed, 1).await;
    let wallet = scene.chain.info().deposit_wallet.clone();
    let settler = scene.settler("a");
    // The money goes between the preparation and the block: the transfer reverts.
    let plug = Plug::safe();
    let held = process(&scene, "b", &plug);
    scene.chain.faults().next_broadcast(BroadcastFault::Unsent);
    let (id, _) = held.refund(&session).await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    scene.chain.set_balance(&wallet, Usdc::ZERO);
    tokio::time::sleep(Duration::from_secs(20)).await;
    let waiting = scene.ledger.refund(&id).await.unwrap().unwrap();
    assert_eq!((waiting.fate, waiting.attempts.len()), (RefundFate::Pending, 1));
    assert!(moved(&scene, &signed).is_empty());
    scene.chain.set_balance(&wallet, usdc(PRICE));
    let paid = settler.await_refund(&id, Duration::from_mins(2)).await.unwrap();
    let RefundFate::Paid(landing) = paid.fate else { panic!("{paid:?}") };
    assert_eq!(paid.attempts.len(), 2);
    assert_eq!(landing.gas, usdc(2 * GAS), "the reverted one cost as much");
    assert_eq!(moved(&scene, &signed), [PRICE - GAS]);
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_is_down_is_asked_again() {
    let scene = Scene::new();
    let signed = scene.sign(1);
    let session = closed(&scene, &signed, 1).await;
    let settler = scene.settler("a");
    scene.chain.faults().set_down(true);
    let error = settler.refund(&session).await.unwrap_err();
    assert!(matches!(error, SettleError::Chain(ChainError::Unavailable(_))), "{error}");
    scene.chain.faults().set_down(false);
    let (id, _) = settler.refund(&session).await.unwrap().unwrap();
    scene.chain.faults().set_down(true);
    let waiting = settler.await_refund(&id, Duration::from_secs(10)).await.unwrap();
    assert_eq!(waiting.fate, RefundFate::Pending);
    scene.chain.faults().heal();
    reconcile(&scene, &settler).await;
    assert_eq!(moved(&scene, &signed), [PRICE - GAS]);
}

/// A fresh world at the beginning of time.
fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// A process that dies at the plug's call.
fn process(scene: &Scene, name: &str, plug: &Arc<Plug>) -> Arc<Settler> {
    let ledger = Arc::new(PluggedLedger { plug: plug.clone(), inner: scene.ledger.clone() });
    let chain =
        Arc::new(PluggedChain { plug: plug.clone(), inner: scene.chain.clone(), lag: Duration::ZERO });
    scene.settler_over(ledger, chain, SettlerConfig::named(name))
}

/// How the next process gets to know of the refund.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Heir {
    /// Somebody asks again, of a process with another name.
    Caller,
    /// Nobody asks; only the reconciler looks.
    Reconciler,
}

/// One crash at call `at`; false once the procedure has fewer calls than that.
async fn crash_at(signed: &Signed, fault: Option<BroadcastFault>, at: i64, after: bool, heir: Heir) -> bool {
    let case = format!("{fault:?}, call {at}, after its effect: {after}, {heir:?}");
    let scene = Scene::new();
    let session = closed(&scene, signed, 1).await;
    let mined = scene.chain.height();
    if let Some(fault) = fault {
        scene.chain.faults().next_broadcast(fault);
    }
    let plug = Plug::at(at, after);
    let first = process(&scene, "first", &plug);
    let story = async {
        if let Ok(Some((id, _))) = first.refund(&session).await {
            let _ = first.await_refund(&id, WAIT).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    let finished = tokio::select! {
        biased;
        () = plug.pulled() => false,
        () = story => true,
    };
    drop(first);

    let id = RefundId { session: session.clone(), number: 1 };
    let ordered = scene.ledger.refund(&id).await.unwrap();
    let attached = ordered.as_ref().is_some_and(|refund| !refund.attempts.is_empty());
    assert!(attached || scene.chain.height() == mined, "{case}: sent before it was attached");
    let second = scene.settler("second");
    match heir {
        Heir::Caller => {
            let refund = refund(&second, &session).await;
            assert!(matches!(refund.fate, RefundFate::Paid(_)), "{case}: {refund:?}");
        }
        Heir::Reconciler => reconcile(&scene, &second).await,
    }
    let refund = scene.ledger.refund(&id).await.unwrap();
    let owed = usize::from(refund.is_some());
    assert_eq!(moved(&scene, signed), vec![PRICE - GAS; owed], "{case}: {refund:?}");
    if let Some(refund) = refund {
        assert!(matches!(refund.fate, RefundFate::Paid(_)), "{case}: {refund:?}");
    }
    let row = scene.ledger.session(&session).await.unwrap().unwrap();
    assert_eq!(row.refunded + row.remaining(), 1, "{case}");
    assert_eq!(pending(&scene).await, 0, "{case}");
    !finished
}

#[test]
fn a_crash_at_every_call() {
    let signed = paused().block_on(async { Scene::new().sign(1) });
    let faults = [
        None,
        Some(BroadcastFault::ReplyLost),
        Some(BroadcastFault::Dropped),
        Some(BroadcastFault::Unsent),
        Some(BroadcastFault::Void),
        Some(BroadcastFault::Superseded),
        Some(BroadcastFault::ReceiptAfter(Duration::from_secs(3))),
    ];
    let mut crashes = 0;
    for fault in faults {
        for (after, heir) in
            [(false, Heir::Caller), (true, Heir::Caller), (false, Heir::Reconciler), (true, Heir::Reconciler)]
        {
            let mut at = 0;
            while paused().block_on(crash_at(&signed, fault, at, after, heir)) {
                at += 1;
            }
            assert!(at >= 10, "the plug missed most of the procedure: {at} calls");
            crashes += at;
        }
    }
    assert!(crashes > 300, "only {crashes} crashes");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_wakes_up_late_attaches_and_sends_nothing() {
    let scene = Scene::new();
    let signed = scene.sign(1);
    let session = closed(&scene, &signed, 1).await;
    let slow = scene.settler("slow");
    // Made in ignorance of what follows, by somebody who slept through it.
    let (id, _) = slow.refund(&session).await.unwrap().unwrap();
    let ordered = scene.ledger.refund(&id).await.unwrap().unwrap();
    let turn = scene.chain.turn().await.unwrap();
    let stale = scene.chain.prepare_outgoing(&ordered.outgoing(), turn.as_ref()).await.unwrap();
    drop(turn);
    scene.chain.take_wallet_nonce();
    let paid = slow.await_refund(&id, WAIT).await.unwrap();
    assert!(matches!(paid.fate, RefundFate::Paid(_)), "{paid:?}");
    let attach = Command::AttachRefund { session: id.session.clone(), number: 1, made: 0, attempt: stale };
    assert!(!matches!(scene.ledger.apply(attach).await.unwrap(), Outcome::Done(_)));
    assert_eq!(moved(&scene, &signed), [PRICE - GAS]);
}

#[tokio::test(start_paused = true)]
async fn an_unseen_transfer_is_outbid_in_its_place() {
    let scene = Scene::new();
    let signed = scene.sign(1);
    let session = closed(&scene, &signed, 1).await;
    for _ in 0..8 {
        scene.chain.faults().next_broadcast(BroadcastFault::Dropped);
    }
    let settler = scene.settler("a");
    let (id, _) = settler.refund(&session).await.unwrap().unwrap();
    for _ in 0..10 {
        settler.await_refund(&id, WAIT).await.unwrap();
    }
    let paid = scene.ledger.refund(&id).await.unwrap().unwrap();
    assert!(matches!(paid.fate, RefundFate::Paid(_)), "{paid:?}");
    assert!(paid.attempts.len() > 1, "{paid:?}");
    assert!(paid.attempts.iter().all(|attempt| attempt.nonce == paid.attempts[0].nonce), "{paid:?}");
    // Whatever else was made for it may be sent for ever.
    for attempt in &paid.attempts {
        let _ = scene.chain.broadcast(attempt).await;
    }
    assert_eq!(moved(&scene, &signed), [PRICE - GAS]);
}
