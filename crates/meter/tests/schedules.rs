//! Random schedules of traffic, top-ups, cuts and crashes over two nodes, in virtual time: whatever happens, the books
//! say exactly what was served.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

mod support;

use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;
use support::{Path, buy, ledger, meter, order, session};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tollwire_ledger::Ledger;
use tollwire_meter::{Charge, Gauge, Meter, MeterConfig, Refusal};
use tollwire_x402::Unit;
use tollwire_x402::close::CloseCode;

const STREAMS: usize = 6;
const LEASE_UNITS: u64 = 50;
/// Frames that wait for one stream.
const TRAFFIC_MAX: usize = 4_096;

#[derive(Debug, Clone)]
enum Step {
    /// A stream opens on one of the nodes, if it is not open.
    Open(usize, usize),
    /// So many frames of so many units each arrive for a stream.
    Traffic(usize, u64, u64),
    TopUp(u64),
    /// The agent goes away.
    Cut(usize),
    /// The node of the stream dies: nobody settles anything.
    Crash(usize),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let stream = 0..STREAMS;
    let step = prop_oneof![
        4 => (stream.clone(), 0..2_usize).prop_map(|(n, node)| Step::Open(n, node)),
        6 => (stream.clone(), 1..40_u64, 1..4_u64).prop_map(|(n, frames, cost)| Step::Traffic(n, frames, cost)),
        1 => (1..200_u64).prop_map(Step::TopUp),
        2 => stream.clone().prop_map(Step::Cut),
        1 => stream.prop_map(Step::Crash),
        6 => prop_oneof![Just(50_u64), Just(1_000), Just(3_000), Just(20_000)].prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..60)
}

/// One live stream: its path, the frames it has still to send, and the task that keeps its account.
struct Live {
    path: Arc<Path>,
    traffic: tokio::sync::mpsc::Sender<u64>,
    sending: JoinHandle<()>,
    /// Ends with the code that the account asks for; `None` if the stream was cut before.
    keeping: JoinHandle<(Charge, Option<CloseCode>)>,
    cut: Arc<Notify>,
}

impl Live {
    fn start(charge: Charge) -> Self {
        let path = Path::new(charge.before());
        let (traffic, mut frames) = tokio::sync::mpsc::channel(TRAFFIC_MAX);
        let sender = Arc::clone(&path);
        let sending = tokio::spawn(async move {
            while let Some(cost) = frames.recv().await {
                sender.send(cost).await;
            }
        });
        let (gauge, cut) = (Arc::clone(&path), Arc::new(Notify::new()));
        let cutting = Arc::clone(&cut);
        let resident = charge.enter("ticks".parse().unwrap());
        let keeping = tokio::spawn(async move {
            let (mut charge, _resident) = (charge, resident);
            let code = tokio::select! {
                biased;
                () = cutting.notified() => None,
                code = charge.keep(&*gauge, &()) => Some(code),
            };
            (charge, code)
        });
        Self { path, traffic, sending, keeping, cut }
    }
}

struct World {
    ledger: Arc<dyn Ledger>,
    nodes: [Meter; 2],
    live: Vec<Option<Live>>,
    opened: usize,
    bought: u64,
    payments: u64,
    /// Units served by streams that ended in order.
    settled: u64,
    /// By each stream whose node died.
    crashed: Vec<u64>,
}

impl World {
    async fn new(units: u64) -> Self {
        let ledger = ledger();
        buy(&*ledger, 1, Unit::Message, units).await;
        let mut config = MeterConfig::default();
        config.lease_units_max = LEASE_UNITS;
        let nodes = [meter(&ledger, config.clone()), meter(&ledger, config)];
        let live = (0..STREAMS).map(|_| None).collect();
        Self { ledger, nodes, live, opened: 0, bought: units, payments: 1, settled: 0, crashed: Vec::new() }
    }

    async fn play(&mut self, step: &Step) {
        match *step {
            Step::Open(n, node) if self.live[n].is_none() => {
                self.opened += 1;
                match self.nodes[node].open(&order(self.opened, Unit::Message)).await {
                    Ok(mut charge) => {
                        charge.capture().await.unwrap();
                        charge.served();
                        self.live[n] = Some(Live::start(charge));
                    }
                    Err(Refusal::Exhausted { .. }) => {
                        let row = session(&*self.ledger).await;
                        assert_eq!(row.remaining(), 0, "refused although units lie unused: {row:?}");
                    }
                    Err(other) => panic!("{other:?}"),
                }
            }
            Step::Traffic(n, frames, cost) => {
                if let Some(live) = &self.live[n] {
                    for _ in 0..frames {
                        // More than it can hold is traffic that never came.
                        let _full = live.traffic.try_send(cost);
                    }
                }
            }
            Step::TopUp(units) => {
                self.payments += 1;
                buy(&*self.ledger, self.payments, Unit::Message, units).await;
                self.bought += units;
                self.nodes.iter().for_each(|node| node.look_again(&support::session_id()));
            }
            Step::Cut(n) => self.end(n, true).await,
            Step::Crash(n) => self.end(n, false).await,
            Step::Wait(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
            Step::Open(..) => {}
        }
        for n in 0..STREAMS {
            if self.live[n].as_ref().is_some_and(|live| live.keeping.is_finished()) {
                self.end(n, true).await;
            }
        }
    }

    async fn end(&mut self, n: usize, settles: bool) {
        let Some(live) = self.live[n].take() else { return };
        live.sending.abort();
        let _aborted = live.sending.await;
        live.cut.notify_one();
        let (mut charge, code) = live.keeping.await.unwrap();
        assert!(code.is_none_or(|code| code == CloseCode::Exhausted), "{code:?}");
        let used = live.path.used();
        if settles {
            charge.note_used(used);
            self.settled += used;
            charge.settle().await;
        } else {
            // Nobody is left to tell the ledger anything.
            std::mem::forget(charge);
            self.crashed.push(used);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn the_books_say_what_was_served(units in 1..300_u64, steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut world = World::new(units).await;
            for step in &steps {
                world.play(step).await;
                let row = session(&*world.ledger).await;
                assert_eq!(row.captured + row.held() + row.remaining(), world.bought);
            }
            for n in 0..STREAMS {
                world.end(n, true).await;
            }
            // Every lease has lapsed, every end was told.
            tokio::time::sleep(Duration::from_mins(1)).await;
            let row = session(&*world.ledger).await;
            assert_eq!(row.held(), 0, "nothing is stranded");
            let most = world.settled + world.crashed.iter().sum::<u64>();
            // What a crash gives away is one lease at most.
            let least = world.settled + world.crashed.iter().map(|used| used.saturating_sub(LEASE_UNITS)).sum::<u64>();
            assert!((least..=most).contains(&row.captured), "captured {} of {least}..={most}", row.captured);
            assert_eq!(row.captured + row.remaining(), world.bought);
        });
    }
}
