//! Reorganisations: a session whose deposit is gone is frozen, nothing of it is paid to anybody, and it goes on when the
//! chain has the deposit again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail by panicking")]

mod support;

use std::sync::Arc;
use std::time::Duration;
use support::sales::usage;
use support::{PRICE, Scene, Signed, WAIT, credited, usdc};
use tollwire_ledger::model::{Fate, Landing, RefundFate, Session};
use tollwire_ledger::{Command, Outcome};
use tollwire_settlement::dev::BroadcastFault;
use tollwire_settlement::{Chain as _, Settled, Settler, SettlerConfig};
use tollwire_x402::SessionId;

const ALICE: &str = "0x00000000000000000000000000000000000A11cE";
const BOB: &str = "0x0000000000000000000000000000000000000b0b";

/// What a provider gets of all of a session that was bought with [`PRICE`]: 1 % is the fee.
const NET: u64 = PRICE - PRICE / 100 - 7_000;

/// A deposit as a process credited it.
struct Deposit {
    signed: Signed,
    session: SessionId,
    landing: Landing,
}

/// Where deposits stay takeable until a test says otherwise.
fn scene() -> Scene {
    let scene = Scene::new();
    scene.chain.faults().final_up_to(0);
    scene
}

fn named(name: &str) -> SettlerConfig {
    let payouts = tollwire_settlement::PayoutTerms { threshold: usdc(1), ..Default::default() };
    SettlerConfig { payouts, ..SettlerConfig::named(name) }
}

fn process(scene: &Scene, name: &str) -> Arc<Settler> {
    scene.settler_over(scene.ledger.clone(), scene.chain.clone(), named(name))
}

impl Scene {
    /// One unit for a session of its own, earned by a provider.
    async fn deposit(&self, settler: &Settler, nonce: u8, provider: &str) -> Deposit {
        // Valid for as long as it takes to lose it, miss it and send it again.
        let signed = self.sign_with(nonce, |signed| signed.valid_before += 50);
        let mut intent = signed.intent(u64::from(nonce));
        intent.provider = Some(provider.to_owned());
        let settled = settler.settle(&signed.requirements, intent, signed.id.clone(), WAIT).await;
        let (payment, _) = credited(settled);
        let Fate::Credited(landing) = payment.fate else { unreachable!() };
        Deposit { session: payment.intent.session, landing, signed }
    }

    async fn row(&self, deposit: &Deposit) -> Session {
        self.ledger.session(&deposit.session).await.unwrap().unwrap()
    }

    /// A reorganisation takes a deposit away, and what is sent again is lost so many times.
    fn lose(&self, deposit: &Deposit, times: usize) {
        assert!(self.chain.take_back(&deposit.landing.tx));
        for _ in 0..times {
            self.chain.faults().next_broadcast(BroadcastFault::Dropped);
        }
    }

    /// Watches, with time passing, until the session is frozen, or is not.
    async fn until(&self, settler: &Settler, deposit: &Deposit, frozen: bool) {
        for _ in 0..100 {
            if self.row(deposit).await.is_frozen() == frozen {
                return;
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
            settler.watch_once().await.unwrap();
        }
        panic!("it stays as it is");
    }

    async fn opens(&self, deposit: &Deposit, stream: u64) -> Outcome {
        let [hold, _] = usage(&deposit.session, stream, 1);
        self.ledger.apply(hold).await.unwrap()
    }

    /// Uses the one unit of a session.
    async fn use_up(&self, deposit: &Deposit) {
        for command in usage(&deposit.session, 1, 1) {
            let outcome = self.ledger.apply(command).await.unwrap();
            assert!(matches!(outcome, Outcome::Done(_) | Outcome::Held { .. }), "{outcome:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_is_frozen_while_its_deposit_is_missed_and_the_money_moves_once() {
    let scene = scene();
    let settler = process(&scene, "a");
    let deposit = scene.deposit(&settler, 1, ALICE).await;
    scene.lose(&deposit, 2);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(settler.watch_once().await.unwrap(), 1);
    assert!(!scene.row(&deposit).await.is_frozen(), "one look may have met a node that lags");
    scene.until(&settler, &deposit, true).await;
    assert_eq!(scene.opens(&deposit, 1).await, Outcome::Revoked);
    let pending = deposit.signed.settle(&settler).await.unwrap();
    assert_eq!(pending, Settled::Pending { tx: Some(deposit.landing.tx.clone()) });

    scene.until(&settler, &deposit, false).await;
    assert!(matches!(scene.opens(&deposit, 1).await, Outcome::Held { .. }));
    let Some(Fate::Credited(landing)) = scene.fate(&deposit.signed.id).await else { panic!("not credited") };
    assert_eq!((&landing.tx, landing.gas), (&deposit.landing.tx, deposit.landing.gas));
    assert!(landing.block > deposit.landing.block);
    assert_eq!(scene.row(&deposit).await.last_block, landing.block);
    assert_eq!(scene.transfers_of(&deposit.signed), 1);
    scene.audit().await;

    scene.chain.faults().final_up_to(landing.block);
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!(settler.watch_once().await.unwrap(), 0, "it is final");
}

#[tokio::test(start_paused = true)]
async fn a_deposit_that_moves_at_once_freezes_nothing_and_is_watched_where_it_is() {
    let scene = scene();
    let settler = process(&scene, "a");
    let deposit = scene.deposit(&settler, 1, ALICE).await;
    scene.lose(&deposit, 0);
    let attempt = scene.payment(&deposit.signed.id).await.unwrap().attempts.remove(0);
    scene.chain.broadcast(&attempt).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(settler.watch_once().await.unwrap(), 1);
    let row = scene.row(&deposit).await;
    assert_eq!((row.frozen, row.revision, row.last_block), (0, 0, scene.chain.height()));
    // The old place is final now, the new one is not.
    scene.chain.faults().final_up_to(deposit.landing.block);
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!(settler.watch_once().await.unwrap(), 1);
    scene.audit().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_handed_over_of_a_frozen_session_and_others_are_paid_as_ever() {
    let scene = scene();
    let settler = process(&scene, "a");
    let lost = scene.deposit(&settler, 1, ALICE).await;
    let idle = scene.deposit(&settler, 2, ALICE).await;
    let kept = scene.deposit(&settler, 3, BOB).await;
    scene.use_up(&lost).await;
    scene.use_up(&kept).await;
    scene.lose(&lost, 1);
    scene.lose(&idle, 1);
    scene.until(&settler, &lost, true).await;
    scene.until(&settler, &idle, true).await;
    scene.chain.faults().final_up_to(1_000);

    let round = settler.pay_providers(None).await.unwrap().unwrap();
    assert_eq!((round.short.len(), round.failed.len(), round.sealed.len()), (0, 0, 1), "{round:?}");
    settler.await_payout(&round.sealed[0].0, WAIT).await.unwrap();
    assert_eq!((scene.sent_to(ALICE), scene.sent_to(BOB)), (vec![], vec![NET]));
    assert_eq!(scene.row(&lost).await.handed.units, 0);

    scene.until(&settler, &lost, false).await;
    scene.until(&settler, &idle, false).await;
    let round = settler.pay_providers(None).await.unwrap().unwrap();
    settler.await_payout(&round.sealed[0].0, WAIT).await.unwrap();
    assert_eq!((scene.sent_to(ALICE), scene.sent_to(BOB)), (vec![NET], vec![NET]));
    scene.audit().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_owed_back_waits_for_the_deposit() {
    let scene = scene();
    let settler = process(&scene, "a");
    let (asked, ordered) = (scene.deposit(&settler, 1, ALICE).await, scene.deposit(&settler, 2, ALICE).await);
    for deposit in [&asked, &ordered] {
        let close = Command::Close { session: deposit.session.clone() };
        assert!(matches!(scene.ledger.apply(close).await.unwrap(), Outcome::Done(_)));
    }
    // One refund is ordered, but not sent yet, when its deposit is missed; the other is asked for afterwards.
    let (id, _) = settler.refund(&ordered.session).await.unwrap().unwrap();
    for deposit in [&asked, &ordered] {
        let (payment, session) = (deposit.signed.id.clone(), deposit.session.clone());
        let freeze = Command::Freeze { payment, session };
        assert!(matches!(scene.ledger.apply(freeze).await.unwrap(), Outcome::Done(_)));
    }
    assert_eq!(settler.refund(&asked.session).await.unwrap(), None, "nothing is ordered");
    let refund = settler.await_refund(&id, WAIT).await.unwrap();
    assert_eq!((&refund.fate, refund.attempts.len()), (&RefundFate::Pending, 0), "nothing is sent");
    // They are there after all.
    scene.until(&settler, &asked, false).await;
    scene.until(&settler, &ordered, false).await;
    let refund = settler.await_refund(&id, WAIT).await.unwrap();
    assert!(matches!(refund.fate, RefundFate::Paid(_)), "{refund:?}");
    let (id, _) = settler.refund(&asked.session).await.unwrap().unwrap();
    settler.await_refund(&id, WAIT).await.unwrap();
    assert_eq!(scene.sent_to(&asked.signed.payer), [PRICE - 7_000; 2]);
    scene.audit().await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_starts_later_watches_what_is_not_final_and_what_is_missed() {
    let scene = scene();
    let first = process(&scene, "a");
    let (final_one, young, missed) = (
        scene.deposit(&first, 1, ALICE).await,
        scene.deposit(&first, 2, ALICE).await,
        scene.deposit(&first, 3, ALICE).await,
    );
    scene.lose(&missed, 1);
    scene.until(&first, &missed, true).await;
    drop(first);
    scene.chain.faults().final_up_to(final_one.landing.block);
    let second = process(&scene, "b");
    // The other's lease stands for a minute.
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(second.watch_once().await.unwrap(), 3, "also what became final meanwhile is looked at");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(second.watch_once().await.unwrap(), 2);
    let third = process(&scene, "c");
    assert_eq!(third.watch_once().await.unwrap(), 0, "one process walks at a time");
    scene.until(&second, &missed, false).await;
    scene.lose(&young, 1);
    scene.until(&second, &young, true).await;
}
