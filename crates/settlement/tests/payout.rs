//! Payouts: what providers have earned reaches them once, whatever is asked twice, raced, lost or killed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail by panicking")]

mod support;

use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;
use support::plug::{Plug, PluggedChain, PluggedLedger};
use support::sales::{GAS, session_id};
use support::{Scene, WAIT, usdc};
use tollwire_ledger::model::{PayoutFate, PayoutId, ProviderAccount};
use tollwire_ledger::{Command, Outcome};
use tollwire_settlement::books::Account;
use tollwire_settlement::dev::{BroadcastFault, NETWORK};
use tollwire_settlement::{Chain as _, GasBearer, PayoutTerms, Round, Settler, SettlerConfig};

const ALICE: &str = "0x00000000000000000000000000000000000A11cE";
const BOB: &str = "0x0000000000000000000000000000000000000b0b";

/// What a provider gets of so much that was used, of a session settled once.
fn net(used: u64) -> u64 {
    used - used / 100 - GAS
}

fn payout(wallet: &str, number: u32) -> PayoutId {
    PayoutId { account: ProviderAccount::new(NETWORK, wallet).unwrap(), number }
}

/// A round by a process; while another's lease stands it is asked again.
async fn round(settler: &Settler, threshold: u64) -> Round {
    for _ in 0..20 {
        if let Some(round) = settler.pay_providers(Some(usdc(threshold))).await.unwrap() {
            return round;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    panic!("another round is being made for ever");
}

/// The same, until what was sealed has arrived.
async fn paid(settler: &Settler, threshold: u64) -> Round {
    let round = round(settler, threshold).await;
    for (id, _) in &round.sealed {
        let payout = settler.await_payout(id, WAIT).await.unwrap();
        assert!(matches!(payout.fate, PayoutFate::Paid(_)), "{payout:?}");
    }
    round
}

async fn pending(scene: &Scene) -> usize {
    scene.ledger.payouts_in_doubt(None, 100).await.unwrap().len()
}

/// Reconciles, with time passing, until no payout is pending.
async fn reconcile(scene: &Scene, settler: &Settler) {
    for _ in 0..200 {
        settler.reconcile_once().await.unwrap();
        if pending(scene).await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    panic!("payouts stay pending");
}

#[tokio::test(start_paused = true)]
async fn asked_for_fifty_times_by_two_processes_each_provider_is_paid_once() {
    let scene = Scene::new();
    let first = scene.sell(1, 1, 2_000, 20_000_000, Some(ALICE)).await;
    let second = scene.sell(2, 2, 100, 1_000_000, Some(&ALICE.to_ascii_lowercase())).await;
    let third = scene.sell(3, 3, 100, 1_000_000, Some(BOB)).await;
    scene.sell(4, 4, 100, 1_000_000, None).await;
    scene.consume(&first, 1, 1_500).await;
    scene.consume(&second, 1, 100).await;
    scene.consume(&third, 1, 100).await;
    scene.consume(&session_id(4), 1, 100).await;
    let processes = [scene.settler("a"), scene.settler("b")];
    let rounds = join_all((0..50).map(|n| processes[n % 2].pay_providers(None))).await;
    let sealed: usize = rounds.iter().flatten().flatten().map(|round| round.sealed.len()).sum();
    assert_eq!(sealed, 1, "Bob is due less than the threshold");
    reconcile(&scene, &processes[0]).await;
    assert_eq!(scene.sent_to(ALICE), [net(15_000_000) + net(1_000_000)]);
    assert!(scene.sent_to(BOB).is_empty());
    let balance = scene.audit().await;
    assert_eq!(balance.balance(Account::Dues), -i128::from(2 * net(1_000_000)), "Bob's, and nobody's");

    // More is used, and the threshold is asked to be nothing.
    scene.consume(&first, 2, 500).await;
    let round = paid(&processes[1], 0).await;
    assert_eq!(round.sealed.len(), 2);
    assert_eq!(scene.sent_to(ALICE).iter().sum::<u64>(), net(20_000_000) + net(1_000_000));
    assert_eq!(scene.sent_to(BOB), [net(1_000_000)]);
    assert_eq!(paid(&processes[0], 0).await, Round::default(), "nothing is left");
    scene.audit().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_paid_while_less_is_there_than_is_owed() {
    let scene = Scene::new();
    let session = scene.sell(1, 1, 2_000, 20_000_000, Some(ALICE)).await;
    scene.consume(&session, 1, 1_500).await;
    let wallet = scene.chain.info().deposit_wallet.clone();
    // Owed are the provider's net and the payer's rest; the fee and the gas are the operator's to take.
    let owed = net(15_000_000) + 5_000_000;
    scene.chain.set_balance(&wallet, usdc(owed - 1));
    let settler = scene.settler("a");
    let halted = round(&settler, 0).await;
    assert_eq!(halted.sealed, []);
    let [cover] = halted.short[..] else { panic!("{halted:?}") };
    assert_eq!((cover.custody, cover.owed), (usdc(owed - 1), u128::from(owed)));
    let row = scene.ledger.session(&session).await.unwrap().unwrap();
    assert_eq!(row.handed.units, 0, "nothing left the session");
    scene.chain.set_balance(&wallet, usdc(owed));
    assert_eq!(paid(&settler, 0).await.sealed.len(), 1);
    assert_eq!(scene.sent_to(ALICE), [net(15_000_000)]);
}

#[tokio::test(start_paused = true)]
async fn a_sealed_payout_waits_when_the_money_is_gone_before_its_transfer() {
    let scene = Scene::new();
    let session = scene.sell(1, 1, 2_000, 20_000_000, Some(ALICE)).await;
    scene.consume(&session, 1, 1_500).await;
    let plug = Plug::safe();
    let first = process(&scene, "first", &plug);
    let sealed = first.pay_providers(None).await.unwrap().unwrap().sealed;
    drop(first); // Before its task began.
    assert_eq!(sealed.len(), 1);
    let wallet = scene.chain.info().deposit_wallet.clone();
    let held = scene.chain.balance_of(&wallet);
    scene.chain.set_balance(&wallet, usdc(net(15_000_000)));
    let settler = scene.settler("second");
    let waiting = settler.await_payout(&sealed[0].0, Duration::from_mins(2)).await.unwrap();
    assert_eq!((waiting.fate, waiting.attempts.len()), (PayoutFate::Pending, 0));
    scene.chain.set_balance(&wallet, held);
    let paid = settler.await_payout(&sealed[0].0, Duration::from_mins(2)).await.unwrap();
    assert!(matches!(paid.fate, PayoutFate::Paid(_)), "{paid:?}");
    scene.audit().await;
}

#[tokio::test(start_paused = true)]
async fn only_final_deposits_are_paid_out() {
    let scene = Scene::new();
    let session = scene.sell(10, 1, 1_000, 10_000_000, Some(ALICE)).await;
    scene.sell(20, 1, 1_000, 10_000_000, Some(ALICE)).await;
    scene.consume(&session, 1, 2_000).await;
    let settler = scene.settler("a");
    scene.chain.faults().final_up_to(9);
    assert_eq!(paid(&settler, 0).await.sealed, []);
    scene.chain.faults().final_up_to(19);
    paid(&settler, 0).await;
    let first = 10_000_000 - 100_000 - 2 * GAS;
    assert_eq!(scene.sent_to(ALICE), [first]);
    scene.chain.faults().final_up_to(20);
    paid(&settler, 0).await;
    assert_eq!(scene.sent_to(ALICE), [first, 9_900_000]);
    scene.audit().await;
}

#[tokio::test(start_paused = true)]
async fn a_unit_that_may_come_back_is_left_for_the_next_round() {
    let scene = Scene::new();
    let session = scene.sell(1, 1, 10, 10_000_000, Some(ALICE)).await;
    scene.consume(&session, 1, 4).await;
    let stream: tollwire_x402::StreamId = "stream-that-opened-now".parse().unwrap();
    for command in [
        Command::Hold {
            session: session.clone(),
            stream: stream.clone(),
            fence: None,
            to: 1,
            lease: Duration::from_secs(10),
            streams_max: 10,
        },
        Command::Post {
            session: session.clone(),
            stream: stream.clone(),
            fence: 1,
            to: 1,
            live_for: Duration::from_hours(1),
        },
    ] {
        let _held_or_posted = scene.ledger.apply(command).await.unwrap();
    }
    let settler = scene.settler("a");
    paid(&settler, 0).await;
    assert_eq!(scene.sent_to(ALICE), [net(4_000_000)]);
    let reverse = Command::Reverse { session: session.clone(), stream, fence: 1 };
    assert!(matches!(scene.ledger.apply(reverse).await.unwrap(), Outcome::Done(_)));
    assert_eq!(paid(&settler, 0).await.sealed, []);
    scene.audit().await;
}

#[tokio::test(start_paused = true)]
async fn the_provider_bears_the_gas_where_that_is_configured() {
    let scene = Scene::new();
    let session = scene.sell(1, 1, 2_000, 20_000_000, Some(ALICE)).await;
    scene.consume(&session, 1, 1_500).await;
    let terms = PayoutTerms { gas: GasBearer::Provider, ..PayoutTerms::default() };
    let config = SettlerConfig { payouts: terms, ..SettlerConfig::named("a") };
    let settler = scene.settler_over(scene.ledger.clone(), scene.chain.clone(), config);
    paid(&settler, 0).await;
    // The dev chain's transfers are estimated at its gas.
    assert_eq!(scene.sent_to(ALICE), [net(15_000_000) - 7_000]);
    scene.audit().await;
    // What would not pay for its own transfer is gathered on.
    scene.consume(&session, 2, 1).await;
    let small = paid(&settler, 0).await;
    assert_eq!((small.sealed.len(), small.gathering.len()), (1, 0), "9,900 are more than the gas");
    let dust = scene.sell(2, 2, 1_000, 20_000, Some(BOB)).await;
    scene.consume(&dust, 1, 600).await;
    let dust = paid(&settler, 0).await;
    assert_eq!((dust.sealed.len(), dust.gathering.len()), (0, 1), "{dust:?}");
    scene.audit().await;
}

#[tokio::test(start_paused = true)]
async fn one_process_makes_the_round_of_a_period() {
    let scene = Scene::new();
    let day = Duration::from_hours(24);
    let session = scene.sell(1, 1, 4_000, 40_000_000, Some(ALICE)).await;
    let processes = [scene.settler("a"), scene.settler("b")];
    scene.chain.faults().set_down(true);
    scene.consume(&session, 1, 1_500).await;
    // The chain is down: the round pays nobody, and is made again before its period is over.
    assert!(processes[0].pay_providers_if_due(day).await.unwrap());
    scene.chain.faults().heal();
    assert!(!processes[1].pay_providers_if_due(day).await.unwrap());
    tokio::time::sleep(Duration::from_mins(11)).await;
    assert!(processes[1].pay_providers_if_due(day).await.unwrap());
    assert!(!processes[0].pay_providers_if_due(day).await.unwrap());
    reconcile(&scene, &processes[0]).await;
    assert_eq!(scene.sent_to(ALICE), [net(15_000_000)]);
    scene.consume(&session, 2, 1_500).await;
    tokio::time::sleep(day).await;
    assert!(processes[0].pay_providers_if_due(day).await.unwrap());
    reconcile(&scene, &processes[0]).await;
    assert_eq!(scene.sent_to(ALICE).len(), 2);
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

/// One crash at call `at`; false once the procedure has fewer calls than that.
async fn crash_at(fault: Option<BroadcastFault>, at: i64, after: bool, asked_again: bool) -> bool {
    let case = format!("{fault:?}, call {at}, after its effect: {after}, asked again: {asked_again}");
    let scene = Scene::new();
    let sessions = [
        scene.sell(1, 1, 2_000, 20_000_000, Some(ALICE)).await,
        scene.sell(2, 2, 100, 1_000_000, Some(ALICE)).await,
    ];
    scene.consume(&sessions[0], 1, 1_500).await;
    scene.consume(&sessions[1], 1, 50).await;
    let mined = scene.chain.height();
    if let Some(fault) = fault {
        scene.chain.faults().next_broadcast(fault);
    }
    let plug = Plug::at(at, after);
    let first = process(&scene, "first", &plug);
    let story = async {
        if let Ok(Some(round)) = first.pay_providers(None).await {
            for (id, _) in round.sealed {
                let _ = first.await_payout(&id, WAIT).await;
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    let finished = tokio::select! {
        biased;
        () = plug.pulled() => false,
        () = story => true,
    };
    drop(first);

    let sealed = scene.ledger.payout(&payout(ALICE, 1)).await.unwrap();
    let attached = sealed.as_ref().is_some_and(|payout| !payout.attempts.is_empty());
    assert!(attached || scene.chain.height() == mined, "{case}: sent before it was attached");
    let second = scene.settler("second");
    if asked_again {
        round(&second, 10_000_000).await;
        // Units that are used after the crash are another payout's.
        scene.consume(&sessions[1], 2, 50).await;
    }
    reconcile(&scene, &second).await;
    paid(&second, 0).await;
    let used = if asked_again { 1_000_000 } else { 500_000 };
    let expected = net(15_000_000) + net(used);
    assert_eq!(scene.sent_to(ALICE).iter().sum::<u64>(), expected, "{case}: {:?}", scene.sent_to(ALICE));
    let balance = scene.audit().await;
    for account in [Account::Dues, Account::HandedOver, Account::Payouts] {
        assert_eq!(balance.balance(account), 0, "{case}: {account:?}");
    }
    let gathered = scene.ledger.provider(&payout(ALICE, 1).account).await.unwrap().unwrap().gathered;
    assert_eq!(gathered, usdc(expected), "{case}");
    assert_eq!(pending(&scene).await, 0, "{case}");
    !finished
}

#[test]
fn a_crash_at_every_call() {
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
        for (after, asked_again) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut at = 0;
            while paused().block_on(crash_at(fault, at, after, asked_again)) {
                at += 1;
            }
            assert!(at >= 20, "the plug missed most of the procedure: {at} calls");
            crashes += at;
        }
    }
    assert!(crashes > 600, "only {crashes} crashes");
}

#[tokio::test(start_paused = true)]
async fn a_wallet_that_cannot_be_paid_keeps_nobody_else_from_it() {
    let scene = Scene::new();
    let bad = scene.sell(1, 1, 2_000, 20_000_000, Some("not a wallet")).await;
    let good = scene.sell(2, 2, 2_000, 20_000_000, Some(ALICE)).await;
    scene.consume(&bad, 1, 2_000).await;
    scene.consume(&good, 1, 2_000).await;
    let settler = scene.settler("a");
    assert_eq!(paid(&settler, 0).await.sealed.len(), 1);
    assert_eq!(scene.sent_to(ALICE), [net(20_000_000)]);
    assert_eq!(scene.audit().await.balance(Account::Dues), -i128::from(net(20_000_000)));
}
