//! Crashes: at every call to ledger and chain, one by one, and then at random, with everything else going wrong too.
//!
//! `SIM_SEED=<n> cargo test -p tollwire-settlement --test crash explore` replays one schedule; `SIM_RUNS=<n>` sets how
//! many are explored from there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail by panicking")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use support::plug::{Plug, PluggedChain, PluggedLedger};
use support::{Scene, Signed, WAIT, credited};
use tollwire_ledger::model::Fate;
use tollwire_settlement::dev::BroadcastFault;
use tollwire_settlement::{SettleError, Settled, Settler, SettlerConfig};
use tollwire_x402::reason;

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

/// A call that ends with the process, if the process ends first.
async fn until_pulled<T>(plug: &Plug, call: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = plug.pulled() => None,
        answer = call => Some(answer),
    }
}

/// How the next process gets to know of the payment.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Heir {
    /// The client asks again, of a process with another name: it has to wait for the lease.
    Client,
    /// Nobody asks; only the reconciler looks.
    Reconciler,
}

/// One crash at call `at`; false once the procedure has fewer calls than that.
async fn crash_at(signed: &Signed, fault: Option<BroadcastFault>, at: i64, after: bool, heir: Heir) -> bool {
    let case = format!("{fault:?}, call {at}, after its effect: {after}, {heir:?}");
    let scene = Scene::new();
    if let Some(fault) = fault {
        scene.chain.faults().next_broadcast(fault);
    }
    let plug = Plug::at(at, after);
    let first = process(&scene, "first", &plug);
    // Everything the procedure does counts, also what comes after the answer (the lease's return).
    let story = async {
        let _ = signed.settle(&first).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    let finished = until_pulled(&plug, story).await.is_some();
    drop(first);

    let recorded = scene.payment(&signed.id).await;
    let attached = recorded.as_ref().is_some_and(|payment| !payment.attempts.is_empty());
    assert!(attached || scene.chain.height() == 0, "{case}: sent before it was attached");
    let recorded = recorded.is_some();
    let second = scene.settler("second");
    let dead = fault == Some(BroadcastFault::Cancelled);
    match heir {
        Heir::Client => {
            let answer = signed.settle(&second).await;
            if !dead {
                let (payment, _) = credited(answer);
                assert!(payment.attempts.len() <= 2, "{case}");
            } else if let Ok(Settled::Refused(refusal)) = answer {
                assert_eq!(refusal.reason, reason::EVM_NONCE_ALREADY_USED, "{case}");
            } else {
                panic!("{case}: {answer:?}");
            }
        }
        Heir::Reconciler => {
            scene.reconcile(&second).await;
            match scene.fate(&signed.id).await {
                None => assert!(!recorded, "{case}"),
                Some(Fate::Credited(_)) => assert!(!dead, "{case}"),
                Some(Fate::Abandoned(_)) => assert!(dead, "{case}"),
                Some(Fate::Pending) => panic!("{case}: still pending"),
            }
        }
    }
    let moved = scene.transfers_of(signed);
    assert!(moved <= 1, "{case}");
    // Whatever went out had been attached before.
    let attempts = scene.payment(&signed.id).await.map(|payment| payment.attempts).unwrap_or_default();
    let ours = |tx: &str| attempts.iter().any(|attempt| attempt.tx == tx);
    let stolen = fault == Some(BroadcastFault::Stolen);
    assert!(stolen || scene.chain.transfers().iter().all(|transfer| ours(&transfer.tx)), "{case}");
    assert_eq!(u64::try_from(moved), Ok(scene.units_bought().await), "{case}");
    assert_eq!(scene.in_doubt().await, 0, "{case}");
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
        Some(BroadcastFault::Stolen),
        Some(BroadcastFault::Cancelled),
        Some(BroadcastFault::ReceiptAfter(Duration::from_secs(3))),
    ];
    let mut crashes = 0;
    for fault in faults {
        for (after, heir) in
            [(false, Heir::Client), (true, Heir::Client), (false, Heir::Reconciler), (true, Heir::Reconciler)]
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

/// SplitMix64: small, seeded, the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }

    fn fault(&mut self) -> BroadcastFault {
        match self.roll(8) {
            0 => BroadcastFault::Unsent,
            1 => BroadcastFault::Dropped,
            2 => BroadcastFault::Void,
            3 => BroadcastFault::Stolen,
            4 => BroadcastFault::Cancelled,
            5 => BroadcastFault::ReceiptAfter(Duration::from_secs(1 + self.roll(20))),
            _ => BroadcastFault::ReplyLost,
        }
    }
}

/// What the clients of one schedule were told.
#[derive(Default)]
struct Told {
    fresh: u32,
    credited: u32,
    refused: u32,
}

/// One random story: an honest client per payment that asks until it has an answer, processes that die under it, and
/// a chain that does what chains do.
async fn schedule(seed: u64, wallet: &[Signed]) {
    let mut dice = Dice(seed);
    let scene = Scene::new();
    for _ in 0..8 {
        if dice.chance(50) {
            scene.chain.faults().next_broadcast(dice.fault());
        } else {
            scene.chain.faults().next_broadcast_works();
        }
    }
    if dice.chance(30) {
        scene.chain.faults().slow(Duration::from_millis(dice.roll(500)));
    }
    let payments = wallet.get(..=usize::try_from(dice.roll(3)).unwrap()).unwrap();
    let mut told: BTreeMap<usize, Told> = BTreeMap::new();
    // Rounds until every client has its answer; the last ones without crashes.
    for round in 0..60 {
        let open: Vec<usize> = (0..payments.len())
            .filter(|n| told.get(n).is_none_or(|told| told.credited + told.refused < 2))
            .collect();
        if open.is_empty() {
            break;
        }
        if round < 12 {
            match dice.roll(12) {
                0 => scene.chain.faults().fail_calls(u32::try_from(dice.roll(6)).unwrap()),
                1 => scene.chain.faults().blind(u32::try_from(dice.roll(6)).unwrap()),
                2 => tokio::time::sleep(Duration::from_secs(dice.roll(30))).await,
                _ => {}
            }
        }
        let crash = round < 12 && dice.chance(70);
        let plugs = [plug(&mut dice, crash), plug(&mut dice, crash)];
        let named = |n: usize| (if seed.is_multiple_of(2) { n } else { n + 2 * round }).to_string();
        let processes = [process(&scene, &named(0), &plugs[0]), process(&scene, &named(1), &plugs[1])];
        let _reconciler = dice.chance(30).then(|| processes[0].spawn_reconciler());
        // Some clients ask twice at once, of both processes.
        let mut calls = Vec::new();
        for n in open {
            let first = usize::from(dice.chance(50));
            for p in if dice.chance(40) { vec![first, 1 - first] } else { vec![first] } {
                let wait = Duration::from_secs(dice.roll(20));
                let call = payments[n].settle_within(&processes[p], dice.roll(1_000), wait);
                let plug = &plugs[p];
                calls.push(async move { (n, until_pulled(plug, call).await) });
            }
        }
        for (n, answer) in futures_util::future::join_all(calls).await {
            hear(&scene, &payments[n], told.entry(n).or_default(), answer, seed).await;
        }
    }
    assert_eq!(told.values().filter(|told| told.credited + told.refused == 0).count(), 0, "seed {seed}");
    scene.chain.faults().heal();
    let last = scene.settler("last");
    scene.reconcile(&last).await;
    for (n, signed) in payments.iter().enumerate() {
        finally(&scene, signed, &told[&n], seed).await;
    }
    assert_eq!(u64::try_from(scene.chain.transfers().len()), Ok(scene.units_bought().await), "seed {seed}");
}

fn plug(dice: &mut Dice, crash: bool) -> Arc<Plug> {
    if crash && dice.chance(80) {
        Plug::at(i64::try_from(dice.roll(24)).unwrap(), dice.chance(50))
    } else {
        Plug::safe()
    }
}

/// What holds at the moment of every answer.
async fn hear(
    scene: &Scene,
    signed: &Signed,
    told: &mut Told,
    answer: Option<Result<Settled, SettleError>>,
    seed: u64,
) {
    match answer {
        Some(Ok(Settled::Credited { payment, session, fresh })) => {
            assert!(session.is_some(), "seed {seed}");
            assert_eq!(scene.payment(&signed.id).await.as_ref(), Some(payment.as_ref()), "seed {seed}");
            assert_eq!(scene.transfers_of(signed), 1, "seed {seed}");
            told.credited += 1;
            told.fresh += u32::from(fresh);
        }
        Some(Ok(Settled::Refused(_))) => {
            // Never a failure while it is in doubt, and never one for money that moved.
            assert_ne!(scene.fate(&signed.id).await, Some(Fate::Pending), "seed {seed}");
            assert_eq!(scene.transfers_of(signed), 0, "seed {seed}");
            told.refused += 1;
        }
        Some(Ok(other @ (Settled::Foreign | Settled::Unclaimed))) => panic!("seed {seed}: {other:?}"),
        Some(Ok(Settled::Pending { .. }) | Err(SettleError::Chain(_))) | None => {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Some(Err(error)) => panic!("seed {seed}: {error}"),
    }
}

/// What holds in the end.
async fn finally(scene: &Scene, signed: &Signed, told: &Told, seed: u64) {
    let moved = scene.transfers_of(signed);
    match scene.payment(&signed.id).await {
        None => assert_eq!(moved, 0, "seed {seed}: money without a record"),
        Some(payment) => match payment.fate {
            Fate::Credited(landing) => {
                assert_eq!(moved, 1, "seed {seed}");
                assert!(scene.chain.transfers().iter().any(|t| t.tx == landing.tx), "seed {seed}");
                let session = scene.ledger.session(&payment.intent.session).await.unwrap();
                assert!(session.is_some(), "seed {seed}: money without a session");
            }
            Fate::Abandoned(_) => assert_eq!(moved, 0, "seed {seed}: abandoned, yet it landed"),
            Fate::Pending => panic!("seed {seed}: still pending"),
        },
    }
    assert!(told.fresh <= 1, "seed {seed}: {} callers were told they were the first", told.fresh);
    assert!(told.credited == 0 || told.refused == 0, "seed {seed}: told both");
}

fn knob(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn explore() {
    let first = knob("SIM_SEED");
    let runs = knob("SIM_RUNS").unwrap_or(if first.is_some() { 1 } else { 1_000 });
    let first = first.unwrap_or(0);
    // Every schedule begins at the same moment, so the same payments serve all.
    let wallet: Vec<Signed> = paused().block_on(async { (0..3).map(|n| Scene::new().sign(n)).collect() });
    std::thread::scope(|threads| {
        for parity in 0..2 {
            let wallet = &wallet;
            threads.spawn(move || {
                for seed in (first..first + runs).filter(|seed| seed % 2 == parity) {
                    paused().block_on(schedule(seed, wallet));
                }
            });
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_stalled_process_does_not_work_beside_its_heir() {
    let scene = Scene::new();
    let signed = scene.sign(1);
    // The first process hangs in the middle of its broadcast, without dying, far beyond its lease.
    let plug = Plug::at(7, false);
    let first = process(&scene, "first", &plug);
    let hung = until_pulled(&plug, signed.settle(&first)).await;
    assert!(hung.is_none());
    let second = scene.settler("second");
    let began = tokio::time::Instant::now();
    credited(signed.settle_within(&second, 2, WAIT).await);
    assert!(began.elapsed() >= Duration::from_secs(8), "the heir did not wait: {:?}", began.elapsed());
    assert_eq!(scene.transfers_of(&signed), 1);
}
