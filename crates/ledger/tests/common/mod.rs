//! Shared by the store tests of this crate and of `tollwire-ledger-redis`: a clock to drive, names, random commands,
//! and the comparison of two stores.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

pub mod payouts;
pub mod plan;

use std::fmt::Debug;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;
use tollwire_ledger::model::{Attempt, Intent, Landing, RefundOrder, Session};
use tollwire_ledger::{Clock, Command, Error, Ledger, Outcome, Timestamp};
use tollwire_x402::{Network, PaymentId, SessionId, StreamId, Unit, Usdc};

/// Where tests begin: some time in 2026, so that times have the digits they have in use.
pub const START: u64 = 1_780_000_000_000;

/// More streams than any test opens.
pub const STREAMS_MAX: u32 = 1_000_000;

/// A clock that stands until told.
#[derive(Debug)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(START)))
    }

    /// As stores take it.
    pub fn shared(self: &Arc<Self>) -> Arc<dyn Clock> {
        Arc::<Self>::clone(self)
    }

    pub fn advance(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

pub fn session(n: u64) -> SessionId {
    format!("{n:08x}-9dc0-4acd-b245-5ffdce74fad2").parse().unwrap()
}

pub fn stream(n: u64) -> StreamId {
    format!("stream-{n:016}").parse().unwrap()
}

pub fn payment(n: u64) -> PaymentId {
    format!("eip155:84532/0xusdc/0xpayer/{n:08x}").parse().unwrap()
}

pub fn usdc(atomic: u64) -> Usdc {
    Usdc::from_atomic(atomic).unwrap()
}

pub fn intent(session_n: u64, units: u64) -> Intent {
    Intent {
        session: session(session_n),
        feed: "ticks".parse().unwrap(),
        unit: Unit::Stream,
        units,
        amount: usdc(10_000),
        tariff: 1,
        network: Network::BASE_SEPOLIA,
        chain: "dev".into(),
        asset: "0xUSDC".into(),
        payer: "0xPayer".into(),
        pay_to: "0xPayee".into(),
        quote: Some([3; 32]),
        claim: None,
        valid_before: 1_780_000_060,
        payload: "{\"signature\":\"0x…\"}".into(),
        balance_ttl_ms: 200_000,
        plain: false,
        top_up: false,
        jkt: None,
        provider: Some("0xProvider".into()),
    }
}

pub fn record(payment_n: u64, intent: Intent) -> Command {
    Command::Record { payment: payment(payment_n), intent: Box::new(intent) }
}

pub fn attach(payment_n: u64, session_n: u64, tx: u64) -> Command {
    let attempt = Attempt {
        tx: format!("0x{tx:02x}"),
        raw: vec![0, 255, 10, 13],
        signer: "0xS".into(),
        nonce: Some(tx),
        at: Timestamp::from_millis(START),
    };
    Command::Attach { payment: payment(payment_n), session: session(session_n), attempt }
}

pub fn credit(payment_n: u64, session_n: u64) -> Command {
    let landing = Landing { tx: "0x01".into(), block: 77, gas: usdc(900) };
    Command::Credit { payment: payment(payment_n), session: session(session_n), landing }
}

/// `block` 0 is where [`credit`] says that it landed.
pub fn thaw(payment_n: u64, session_n: u64, block: u64) -> Command {
    let landing = Landing { tx: format!("0x{:02x}", 1 + block), block: 77 + block, gas: usdc(900) };
    Command::Thaw { payment: payment(payment_n), session: session(session_n), landing }
}

pub fn hold(session_n: u64, stream_n: u64) -> Command {
    let lease = Duration::from_secs(30);
    Command::Hold {
        session: session(session_n),
        stream: stream(stream_n),
        fence: None,
        to: 1,
        lease,
        streams_max: STREAMS_MAX,
    }
}

pub fn post(session_n: u64, stream_n: u64, fence: u64) -> Command {
    let live_for = Duration::from_hours(1);
    Command::Post { session: session(session_n), stream: stream(stream_n), fence, to: 1, live_for }
}

/// Records and credits payment `n` for session `n`.
pub async fn buy(ledger: &dyn Ledger, n: u64, units: u64) {
    let intent = Intent { balance_ttl_ms: 86_400_000, ..intent(n, units) };
    assert!(matches!(ledger.apply(record(n, intent)).await.unwrap(), Outcome::Done(_)));
    assert!(matches!(ledger.apply(credit(n, n)).await.unwrap(), Outcome::Done(_)));
}

/// Opens a stream: hold, then post. True if it was admitted.
pub async fn open(ledger: &dyn Ledger, session_n: u64, stream_n: u64) -> bool {
    match ledger.apply(hold(session_n, stream_n)).await.unwrap() {
        Outcome::Held { fence, .. } => {
            let posted = ledger.apply(post(session_n, stream_n, fence)).await.unwrap();
            assert!(matches!(posted, Outcome::Done(_)), "{posted:?}");
            true
        }
        Outcome::Exhausted { .. } => false,
        other => panic!("{other:?}"),
    }
}

/// A refund of all that remains, with one thing wrong where `rare` says so.
pub fn order(row: Option<&Session>, rare: u8) -> RefundOrder {
    let number = row.map_or(1, |row| row.refunds + 1);
    let mut order = RefundOrder {
        number,
        units: row.map_or(1, Session::remaining),
        bought: row.map_or(1, |row| row.bought),
        captured: row.map_or(0, |row| row.captured),
        value: usdc(row.map_or(1, |row| (row.deposited.atomic() - row.returned.atomic()) / 2)),
        gas: usdc(1_000),
        network: Network::BASE_SEPOLIA,
        asset: "0xUSDC".into(),
        from: "0xPayee".into(),
        to: "0xPayer".into(),
    };
    order.gas = order.gas.min(order.value);
    match rare {
        0 => order.number = number + 1,
        1 => order.number = 1,
        2 => order.units += 1,
        3 => order.bought += 1,
        4 => order.captured += 1,
        5 => order.value = usdc(u64::MAX >> 12),
        6 => order.gas = order.value.checked_add(usdc(1)).unwrap_or_default(),
        7 => order.gas = order.value,
        8 => order.to = "0xpayer".into(),
        9 => order.network = Network::BASE,
        _ => {}
    }
    order
}

pub fn attach_refund(session_n: u64, number: u32, made: u32, tx: u64) -> Command {
    let Command::Attach { attempt, .. } = attach(0, 0, tx) else { unreachable!() };
    Command::AttachRefund { session: session(session_n), number, made, attempt }
}

pub fn settle_refund(session_n: u64, number: u32) -> Command {
    let landing = Landing { tx: "0x02".into(), block: 78, gas: usdc(800) };
    Command::SettleRefund { session: session(session_n), number, landing }
}

/// Why a store was not opened.
pub fn unfit<T: Debug>(opened: Result<T, Error>) -> String {
    match opened {
        Err(Error::Unfit(why)) => why,
        other => panic!("{other:?}"),
    }
}
