//! A ledger in virtual time, and a data path that uses units only as granted.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

pub mod watching;

use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use tollwire_ledger::memory::MemoryLedger;
use tollwire_ledger::model::{Intent, Landing, Session};
use tollwire_ledger::{Clock, Command, Ledger, Outcome, Timestamp};
use tollwire_meter::{Gauge, Meter, MeterConfig, Order, Terms};
use tollwire_x402::{Network, PaymentId, SessionId, StreamId, Unit, Usdc};

/// Virtual time as a clock: tokio's, from some day in 2026 on.
pub struct VirtualClock(Instant);

impl VirtualClock {
    pub fn start() -> Arc<dyn Clock> {
        Arc::new(Self(Instant::now()))
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_780_000_000_000).after(self.0.elapsed())
    }
}

pub fn ledger() -> Arc<dyn Ledger> {
    Arc::new(MemoryLedger::new(VirtualClock::start()))
}

pub fn meter(ledger: &Arc<dyn Ledger>, config: MeterConfig) -> Meter {
    Meter::new(Arc::clone(ledger), config, tokio_util::task::TaskTracker::new())
}

pub fn session_id() -> SessionId {
    "7d444840-9dc0-4acd-b245-5ffdce74fad2".parse().unwrap()
}

pub fn stream_id(n: usize) -> StreamId {
    format!("stream-{n:016}").parse().unwrap()
}

/// Pays for `units` more; the first payment opens the session.
pub async fn buy(ledger: &dyn Ledger, payment: u64, unit: Unit, units: u64) {
    let id: PaymentId = format!("eip155:84532/0xaa/0xbb/0x{payment:064x}").parse().unwrap();
    let intent = Intent {
        session: session_id(),
        feed: "ticks".parse().unwrap(),
        unit,
        units,
        amount: Usdc::from_atomic(units * 10).unwrap(),
        tariff: 1,
        network: Network::BASE_SEPOLIA,
        chain: "dev".into(),
        asset: "0xaa".into(),
        payer: "0xbb".into(),
        pay_to: "0xcc".into(),
        quote: None,
        claim: None,
        valid_before: u64::MAX,
        payload: "{}".into(),
        balance_ttl_ms: 1_000_000_000,
        plain: false,
        top_up: payment > 1,
        jkt: None,
        provider: None,
    };
    let landing = Landing { tx: "0x1".into(), block: 1, gas: Usdc::ZERO };
    let record = Command::Record { payment: id.clone(), intent: Box::new(intent) };
    assert!(matches!(ledger.apply(record).await.unwrap(), Outcome::Done(_)));
    let credit = Command::Credit { payment: id, session: session_id(), landing };
    assert!(matches!(ledger.apply(credit).await.unwrap(), Outcome::Done(_)));
}

pub async fn session(ledger: &dyn Ledger) -> Session {
    ledger.session(&session_id()).await.unwrap().unwrap()
}

pub fn order(n: usize, unit: Unit) -> Order {
    Order {
        session: session_id(),
        stream: stream_id(n),
        terms: Terms { unit, max_stream: Duration::from_hours(24), grace: Duration::from_secs(30) },
        streams_max: 100,
        opens_within: Duration::from_secs(10),
    }
}

/// A data path: frames of some units each pass when they are covered, one after the other.
#[derive(Default)]
pub struct Path {
    state: Mutex<State>,
    /// Rings for whoever pays.
    payer: Notify,
    /// Rings for whoever sends.
    sender: Notify,
}

#[derive(Default)]
struct State {
    used: u64,
    to: u64,
    until: Option<Instant>,
    waiting: Option<u64>,
    used_up_told: bool,
}

impl State {
    fn runs(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }
}

impl Path {
    pub fn new(before: u64) -> Arc<Self> {
        let path = Self::default();
        path.state.lock().unwrap().used = before;
        Arc::new(path)
    }

    /// Sends one frame that costs so much, as soon as it is covered.
    pub async fn send(&self, cost: u64) {
        loop {
            let covered = self.sender.notified();
            {
                let mut state = self.state.lock().unwrap();
                let need = state.used + cost;
                if need <= state.to && state.runs() {
                    state.used = need;
                    state.waiting = None;
                    if state.used == state.to {
                        self.payer.notify_one();
                    }
                    return;
                }
                state.waiting = Some(need);
                self.payer.notify_one();
            }
            covered.await;
        }
    }

    /// Whether bytes could move now.
    pub fn runs(&self) -> bool {
        self.state.lock().unwrap().runs()
    }

    /// What is granted beyond what is used.
    pub fn ahead(&self) -> u64 {
        let state = self.state.lock().unwrap();
        state.to.saturating_sub(state.used)
    }
}

impl Gauge for Path {
    fn used(&self) -> u64 {
        self.state.lock().unwrap().used
    }

    fn needed(&self) -> Option<u64> {
        self.state.lock().unwrap().waiting
    }

    fn grant(&self, to: u64, until: Instant) {
        let mut state = self.state.lock().unwrap();
        let to = to.max(state.used);
        // What is taken back is not used up.
        state.used_up_told = to <= state.used || (state.used_up_told && to <= state.to);
        state.to = to;
        state.until = Some(until);
        drop(state);
        self.sender.notify_waiters();
    }

    async fn short(&self) {
        loop {
            let rung = self.payer.notified();
            {
                let mut state = self.state.lock().unwrap();
                if state.waiting.is_some_and(|need| need > state.to || !state.runs()) {
                    return;
                }
                if state.to > 0 && state.used >= state.to && !state.used_up_told {
                    state.used_up_told = true;
                    return;
                }
            }
            rung.await;
        }
    }
}
