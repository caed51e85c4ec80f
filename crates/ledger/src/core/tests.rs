//! Every row of the rules, as tables: what happened before, the command, the answer, the sums after it.

mod freezes;
mod metered;
mod payments;
mod payouts;
mod refunds;
mod sessions;
mod streams;

use crate::core::{self, Slot, check_invariants};
use crate::model::{Attempt, Intent, Landing, Payment, Refund, Session, Stream};
use crate::{Command, Outcome, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;
use tollwire_x402::{Network, PaymentId, SessionId, StreamId, Unit, Usdc};

const SECOND: u64 = 1_000;
const LEASE: Duration = Duration::from_secs(10);
const STREAMS_MAX: u32 = 5;
const BALANCE_TTL: u64 = 1_000 * SECOND;

pub(crate) fn session_id() -> SessionId {
    "7d444840-9dc0-4acd-b245-5ffdce74fad2".parse().unwrap()
}

pub(crate) fn payment_id() -> PaymentId {
    "eip155:84532/0xaa/0xbb/0xcc".parse().unwrap()
}

fn stream_id(name: &str) -> StreamId {
    format!("stream-{name:->9}").parse().unwrap()
}

fn usdc(atomic: u64) -> Usdc {
    Usdc::from_atomic(atomic).unwrap()
}

pub(crate) fn intent(units: u64) -> Intent {
    Intent {
        session: session_id(),
        feed: "ticks".parse().unwrap(),
        unit: Unit::Stream,
        units,
        amount: usdc(units.min(1_000_000).saturating_mul(10_000)),
        tariff: 1,
        network: Network::BASE_SEPOLIA,
        chain: "dev".into(),
        asset: "0xAa".into(),
        payer: "0xBb".into(),
        pay_to: "0xDd".into(),
        quote: Some([7; 32]),
        claim: None,
        valid_before: 2_000,
        payload: "{}".into(),
        balance_ttl_ms: BALANCE_TTL,
        plain: false,
        top_up: false,
        jkt: None,
        provider: None,
    }
}

fn attempt(tx: &str) -> Attempt {
    let at = Timestamp::from_millis(1);
    Attempt { tx: tx.into(), raw: vec![1, 2, 3], signer: "0xEe".into(), nonce: Some(4), at }
}

fn landing() -> Landing {
    Landing { tx: "0x01".into(), block: 9, gas: usdc(700) }
}

pub(crate) fn record(intent: Intent) -> Command {
    Command::Record { payment: payment_id(), intent: Box::new(intent) }
}

pub(crate) fn credit() -> Command {
    Command::Credit { payment: payment_id(), session: session_id(), landing: landing() }
}

fn attach(tx: &str) -> Command {
    Command::Attach { payment: payment_id(), session: session_id(), attempt: attempt(tx) }
}

fn abandon() -> Command {
    Command::Abandon { payment: payment_id(), session: session_id(), reason: "expired".into() }
}

pub(crate) fn hold(stream: &str, fence: Option<u64>, to: u64) -> Command {
    Command::Hold {
        session: session_id(),
        stream: stream_id(stream),
        fence,
        to,
        lease: LEASE,
        streams_max: STREAMS_MAX,
    }
}

/// Used, needed, wanted: cumulative units of the stream.
fn extend(stream: &str, fence: u64, (used, need, want): (u64, u64, u64)) -> Command {
    Command::Extend {
        session: session_id(),
        stream: stream_id(stream),
        fence,
        used,
        need,
        want,
        lease: LEASE,
        live_for: Duration::from_secs(100),
    }
}

pub(crate) fn post(stream: &str, fence: u64, to: u64) -> Command {
    let live_for = Duration::from_secs(100);
    Command::Post { session: session_id(), stream: stream_id(stream), fence, to, live_for }
}

fn void(stream: &str, fence: u64) -> Command {
    Command::Void { session: session_id(), stream: stream_id(stream), fence }
}

fn reverse(stream: &str, fence: u64) -> Command {
    Command::Reverse { session: session_id(), stream: stream_id(stream), fence }
}

fn end(stream: &str, fence: u64) -> Command {
    Command::End { session: session_id(), stream: stream_id(stream), fence, used: 0 }
}

fn revoke() -> Command {
    Command::Revoke { session: session_id() }
}

fn expire() -> Command {
    Command::Expire { session: session_id() }
}

/// The answer as a word, with what a caller acts on.
fn word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done(_) => "done".into(),
        Outcome::Replayed(_) => "replayed".into(),
        Outcome::Held { fence, posted, .. } => format!("held {fence} posted {posted}"),
        Outcome::Foreign => "foreign".into(),
        Outcome::Exhausted { held_elsewhere: true } => "exhausted, held elsewhere".into(),
        Outcome::Exhausted { held_elsewhere: false } => "exhausted".into(),
        Outcome::TooMany => "too many".into(),
        Outcome::Expired => "expired".into(),
        Outcome::Revoked => "revoked".into(),
        Outcome::Closed => "closed".into(),
        Outcome::Lapsed => "lapsed".into(),
        Outcome::Fenced => "fenced".into(),
        Outcome::Conflict => "conflict".into(),
        Outcome::Unknown => "unknown".into(),
    }
}

/// The rows a test plays on, and the time.
#[derive(Default)]
struct Books {
    now: u64,
    payment: Option<Payment>,
    session: Option<Session>,
    streams: BTreeMap<StreamId, Stream>,
    refunds: BTreeMap<u32, Refund>,
    journal: Vec<String>,
}

impl Books {
    /// A session with so many units, credited at the time 0.
    fn with_units(units: u64) -> Self {
        let mut books = Self::default();
        books.play(&[(0, record(intent(units)), "done"), (0, credit(), "done")]);
        books
    }

    fn apply(&mut self, command: &Command) -> Outcome {
        let stream = command.stream().and_then(|id| self.streams.get(id)).cloned();
        let payment = self.payment.clone().filter(|_| command.payment().is_some());
        let open = |row: &&Stream| row.live_until.is_some_and(|until| until.millis() > self.now);
        let live = self.streams.values().filter(open).count().try_into().unwrap();
        let refund = command.refund().and_then(|number| self.refunds.get(&number)).cloned();
        let slot = Slot { payment, session: self.session.clone(), stream, refund, live };
        let before = self.session.clone();
        let applied = core::apply(slot, command, Timestamp::from_millis(self.now));
        self.payment = applied.changed.payment.or(self.payment.take());
        self.session = applied.changed.session.or(before);
        if let (Some(id), Some(stream)) = (command.stream(), applied.changed.stream) {
            self.streams.insert(id.clone(), stream);
        }
        if let (Some(number), Some(refund)) = (command.refund(), applied.changed.refund) {
            self.refunds.insert(number, refund);
        }
        let lines = applied.entries.iter().map(|entry| format!("{:?} {}", entry.kind, entry.units));
        self.journal.extend(lines);
        assert_eq!(self.session.as_ref().map_or(Ok(()), check_invariants), Ok(()), "{command:?}");
        applied.outcome
    }

    /// Plays (milliseconds later, command, answer).
    #[track_caller]
    fn play(&mut self, steps: &[(u64, Command, &str)]) -> &mut Self {
        for (n, (later, command, answer)) in steps.iter().enumerate() {
            self.now = self.now.saturating_add(*later);
            let outcome = self.apply(command);
            assert_eq!(word(&outcome), *answer, "step {n}: {command:?}");
        }
        self
    }

    /// Until when a stream is live, in milliseconds.
    fn live(&self, stream: &str) -> Option<u64> {
        self.streams.get(&stream_id(stream))?.live_until.map(Timestamp::millis)
    }

    /// (captured, held, remaining).
    fn sums(&self) -> (u64, u64, u64) {
        let session = self.session.as_ref().unwrap();
        (session.captured, session.held(), session.remaining())
    }
}
