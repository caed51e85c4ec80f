//! Random plans of commands over few names, so that they meet; and what two stores must agree on.

use super::payouts::{self, Accounts, Paying};
use super::{attach, attach_refund, credit, intent, order, payment, session, settle_refund, stream, usdc};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;
use tollwire_ledger::model::{Intent, Payment, Refund, RefundId, Session};
use tollwire_ledger::spend::{Charge, Spent};
use tollwire_ledger::{Command, Ledger, Outcome, PayoutOutcome};
use tollwire_x402::{StreamId, Unit};

pub const SESSIONS: u64 = 3;
pub const PAYMENTS: u64 = 5;
pub const STREAMS: u64 = 4;

/// Which opening a command claims to be.
#[derive(Debug, Clone, Copy)]
pub enum Fence {
    Latest,
    Exactly(u64),
}

#[derive(Debug, Clone)]
pub enum Action {
    Plain(Command),
    Hold {
        session: u64,
        stream: u64,
        fence: Option<Fence>,
        to: u64,
        lease: u64,
        streams_max: u32,
    },
    Extend {
        session: u64,
        stream: u64,
        fence: Fence,
        used: u64,
        need: u64,
        want: u64,
        lease: u64,
    },
    Post {
        session: u64,
        stream: u64,
        fence: Fence,
        to: u64,
        live_for: u64,
    },
    Void {
        session: u64,
        stream: u64,
        fence: Fence,
    },
    Reverse {
        session: u64,
        stream: u64,
        fence: Fence,
    },
    End {
        session: u64,
        stream: u64,
        fence: Fence,
        used: u64,
    },
    /// What remains, with one thing wrong where `rare` says so.
    Refund {
        session: u64,
        rare: u8,
    },
    /// Some of what was earned, with one thing wrong where `rare` says so.
    HandOver {
        session: u64,
        rare: u8,
    },
    PayOut(Paying),
    Once {
        key: u64,
        ttl: u64,
    },
    Spend {
        purse: u64,
        id: u64,
        gas: u64,
        window: u64,
    },
    Lease {
        holder: u64,
        ttl: u64,
    },
    Release {
        holder: u64,
    },
}

#[derive(Debug, Clone)]
pub struct Step {
    pub later: u64,
    pub action: Action,
}

/// A plan of so many steps.
pub fn plan(steps: usize) -> impl Strategy<Value = Vec<Step>> {
    let later = prop_oneof![
        4 => Just(0_u64),
        3 => 1..2_000_u64,
        2 => prop::sample::select(vec![9_999, 10_000, 10_001, 29_999, 30_000, 30_001]),
        1 => Just(120_000_u64),
    ];
    let step = (later, action()).prop_map(|(later, action)| Step { later, action });
    (bought(), prop::collection::vec(step, 1..=steps)).prop_map(|(mut first, then)| {
        first.extend(then);
        first
    })
}

/// Most sessions exist from the start; otherwise nearly every command would be about none.
fn bought() -> impl Strategy<Value = Vec<Step>> {
    let purchase = (prop::bool::weighted(0.85), 1..30_u64, prop::bool::ANY);
    prop::collection::vec(purchase, 3).prop_map(|purchases| {
        let mut steps = Vec::new();
        for ((made, units, by_message), n) in purchases.into_iter().zip(0..SESSIONS) {
            let unit = if by_message { Unit::Message } else { Unit::Stream };
            let first = [super::record(n, Intent { unit, ..intent(n, units) }), credit(n, n)];
            let bought = first.map(|command| Step { later: 0, action: Action::Plain(command) });
            steps.extend(bought.into_iter().filter(|_| made));
        }
        steps
    })
}

fn fence() -> impl Strategy<Value = Fence> {
    prop_oneof![5 => Just(Fence::Latest), 1 => (0..4_u64).prop_map(Fence::Exactly), 1 => Just(Fence::Exactly(u64::MAX))]
}

fn action() -> impl Strategy<Value = Action> {
    let (s, t) = (0..SESSIONS, 0..STREAMS);
    let to = prop_oneof![6 => Just(1_u64), 3 => 0..5_u64, 1 => Just(u64::MAX)];
    let millis = prop_oneof![4 => Just(10_000_u64), 2 => 0..40_000_u64, 1 => Just(u64::MAX)];
    let streams_max = prop_oneof![6 => Just(100_u32), 1 => 0..3_u32];
    let hold = (s.clone(), t.clone(), prop::option::of(fence()), to.clone(), millis.clone(), streams_max)
        .prop_map(|(session, stream, fence, to, lease, streams_max)| Action::Hold {
            session,
            stream,
            fence,
            to,
            lease,
            streams_max,
        });
    let steps = (numbers(), numbers(), numbers(), prop::bool::weighted(0.9));
    let extend = (s.clone(), t.clone(), fence(), steps, millis.clone()).prop_map(
        |(session, stream, fence, (used, more, wish, ordered), lease)| {
            let need = if ordered { used.saturating_add(more) } else { more };
            let want = if ordered { need.saturating_add(wish) } else { wish };
            Action::Extend { session, stream, fence, used, need, want, lease }
        },
    );
    let post = (s.clone(), t.clone(), fence(), to, millis.clone()).prop_map(
        |(session, stream, fence, to, live_for)| Action::Post { session, stream, fence, to, live_for },
    );
    let opening = || (0..SESSIONS, 0..STREAMS, fence());
    prop_oneof![
        8 => payments(),
        8 => hold,
        8 => extend,
        6 => post,
        2 => opening().prop_map(|(session, stream, fence)| Action::Void { session, stream, fence }),
        2 => opening().prop_map(|(session, stream, fence)| Action::Reverse { session, stream, fence }),
        2 => (opening(), numbers())
            .prop_map(|((session, stream, fence), used)| Action::End { session, stream, fence, used }),
        1 => s.clone().prop_map(|n| Action::Plain(Command::Revoke { session: session(n) })),
        1 => s.clone().prop_map(|n| Action::Plain(Command::Expire { session: session(n) })),
        1 => s.clone().prop_map(|n| Action::Plain(Command::Close { session: session(n) })),
        3 => (s.clone(), 0..16_u8).prop_map(|(session, rare)| Action::Refund { session, rare }),
        4 => (s.clone(), 0..24_u8).prop_map(|(session, rare)| Action::HandOver { session, rare }),
        6 => payouts::paying(SESSIONS).prop_map(Action::PayOut),
        2 => (s.clone(), 1..4_u32, 0..3_u32, 0..4_u64).prop_map(|(n, number, made, tx)| {
            Action::Plain(attach_refund(n, number, made, tx))
        }),
        1 => (s, 1..4_u32).prop_map(|(n, number)| Action::Plain(settle_refund(n, number))),
        1 => (0..2_u64, 0..40_000_u64).prop_map(|(key, ttl)| Action::Once { key, ttl }),
        2 => (0..2_u64, 0..6_u64, numbers(), millis.clone())
            .prop_map(|(purse, id, gas, window)| Action::Spend { purse, id, gas, window }),
        1 => (0..2_u64, millis).prop_map(|(holder, ttl)| Action::Lease { holder, ttl }),
        1 => (0..2_u64).prop_map(|holder| Action::Release { holder }),
    ]
}

fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..4_u64, 1 => 0..40_u64, 1 => Just((1 << 53) - 1), 1 => Just(u64::MAX)]
}

fn payments() -> impl Strategy<Value = Action> {
    let (p, s) = (0..PAYMENTS, 0..SESSIONS);
    prop_oneof![
        4 => (p.clone(), intents()).prop_map(|(p, intent)| super::record(p, intent)),
        2 => (p.clone(), s.clone(), 0..18_u64).prop_map(|(p, s, tx)| attach(p, s, tx)),
        4 => (p.clone(), s.clone()).prop_map(|(p, s)| credit(p, s)),
        1 => (p.clone(), s.clone())
            .prop_map(|(p, s)| Command::Freeze { payment: payment(p), session: session(s) }),
        3 => (p.clone(), s.clone(), 0..3_u64).prop_map(|(p, s, block)| super::thaw(p, s, block)),
        1 => (p, s).prop_map(|(p, s)| Command::Abandon {
            payment: payment(p),
            session: session(s),
            reason: "invalid".into(),
        }),
    ]
    .prop_map(Action::Plain)
}

fn intents() -> impl Strategy<Value = Intent> {
    let units = prop_oneof![8 => 1..6_u64, 1 => Just(0), 1 => Just((1 << 53) - 1), 1 => Just(u64::MAX)];
    let ttl = prop_oneof![6 => Just(200_000_u64), 1 => 0..60_000_u64, 1 => Just(u64::MAX)];
    (0..SESSIONS, units, ttl, 0..16_u8).prop_map(|(n, units, balance_ttl_ms, rare)| {
        let mut made = Intent { balance_ttl_ms, ..intent(n, units) };
        match rare {
            0 => made.plain = true,
            1 => made.unit = Unit::Second,
            2 => made.amount = usdc((1 << 53) - 1),
            3 => made.pay_to = made.pay_to.to_ascii_uppercase(),
            4 | 5 => made.top_up = true,
            6 => made.jkt = Some("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I".into()),
            7 => made.payer = "0xOther".into(),
            8 => made.provider = None,
            _ => {}
        }
        made
    })
}

/// What was answered to a step.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    Outcome(Box<Outcome>),
    PaidOut(PayoutOutcome),
    Flag(bool),
    Spent(Spent),
    Nothing,
}

/// The latest fence that a store gave each stream.
#[derive(Debug, Default)]
pub struct Fences(BTreeMap<(u64, u64), u64>);

impl Fences {
    fn of(&self, session: u64, stream: u64, fence: Fence) -> u64 {
        match fence {
            Fence::Latest => self.0.get(&(session, stream)).copied().unwrap_or(1),
            Fence::Exactly(fence) => fence,
        }
    }
}

/// Plays one step on a store.
pub async fn play(ledger: &dyn Ledger, action: &Action, fences: &mut Fences) -> Answer {
    let command = match *action {
        Action::Once { key, ttl } => {
            let key = format!("nonce-{key}");
            return Answer::Flag(ledger.once(&key, Duration::from_millis(ttl)).await.unwrap());
        }
        Action::Spend { purse, id, gas, window } => {
            let charge = |counter: &str, amount, limit| Charge { counter: counter.into(), amount, limit };
            let charges =
                vec![charge("settles", 1, 3), charge("gas", gas, if purse == 0 { 5 } else { u64::MAX })];
            let (purse, id) = (format!("customer {purse}"), format!("payment {id}"));
            let spent = ledger.spend(&purse, &id, charges, Duration::from_millis(window)).await.unwrap();
            return Answer::Spent(spent);
        }
        Action::Lease { holder, ttl } => {
            let holder = format!("node {holder}");
            return Answer::Flag(ledger.lease("signer", &holder, Duration::from_millis(ttl)).await.unwrap());
        }
        Action::Release { holder } => {
            ledger.release("signer", &format!("node {holder}")).await.unwrap();
            return Answer::Nothing;
        }
        Action::Refund { session: n, rare } => {
            let row = ledger.session(&session(n)).await.unwrap();
            Command::Refund { session: session(n), refund: Box::new(order(row.as_ref(), rare)) }
        }
        Action::HandOver { session: n, rare } => {
            let row = ledger.session(&session(n)).await.unwrap();
            payouts::hand_over(n, row.as_ref(), rare)
        }
        Action::PayOut(ref paying) => {
            let command = payouts::command(ledger, paying).await;
            return Answer::PaidOut(ledger.pay_out(command).await.unwrap());
        }
        _ => command(action, fences),
    };
    let outcome = ledger.apply(command).await.unwrap();
    if let (Action::Hold { session, stream, .. }, Outcome::Held { fence, .. }) = (action, &outcome) {
        fences.0.insert((*session, *stream), *fence);
    }
    Answer::Outcome(Box::new(outcome))
}

fn command(action: &Action, fences: &Fences) -> Command {
    let names = |s: u64, t: u64| (session(s), stream(t));
    match *action {
        Action::Hold { session: s, stream: t, fence, to, lease, streams_max } => {
            let fence = fence.map(|fence| fences.of(s, t, fence));
            let (session, stream) = names(s, t);
            Command::Hold { session, stream, fence, to, lease: Duration::from_millis(lease), streams_max }
        }
        Action::Extend { session: s, stream: t, fence, used, need, want, lease } => {
            let (fence, (session, stream)) = (fences.of(s, t, fence), names(s, t));
            let (lease, live_for) = (Duration::from_millis(lease), Duration::from_secs(60));
            Command::Extend { session, stream, fence, used, need, want, lease, live_for }
        }
        Action::Post { session: s, stream: t, fence, to, live_for } => {
            let (fence, (session, stream)) = (fences.of(s, t, fence), names(s, t));
            Command::Post { session, stream, fence, to, live_for: Duration::from_millis(live_for) }
        }
        Action::Void { session: s, stream: t, fence } => {
            let (fence, (session, stream)) = (fences.of(s, t, fence), names(s, t));
            Command::Void { session, stream, fence }
        }
        Action::Reverse { session: s, stream: t, fence } => {
            let (fence, (session, stream)) = (fences.of(s, t, fence), names(s, t));
            Command::Reverse { session, stream, fence }
        }
        Action::End { session: s, stream: t, fence, used } => {
            let (fence, (session, stream)) = (fences.of(s, t, fence), names(s, t));
            Command::End { session, stream, fence, used }
        }
        Action::Plain(ref command) => command.clone(),
        Action::Refund { .. }
        | Action::Spend { .. }
        | Action::HandOver { .. }
        | Action::PayOut(_)
        | Action::Once { .. }
        | Action::Lease { .. }
        | Action::Release { .. } => {
            unreachable!("not a command")
        }
    }
}

/// Everything a store can show of the names that plans use.
#[derive(Debug, PartialEq)]
pub struct Shown {
    payments: Vec<Option<Payment>>,
    sessions: Vec<Option<Session>>,
    streams: Vec<(u64, StreamId, Option<tollwire_ledger::model::Stream>)>,
    journals: Vec<Vec<tollwire_ledger::command::Entry>>,
    in_doubt: Vec<(tollwire_x402::PaymentId, Payment)>,
    refunds: Vec<Option<Refund>>,
    refunds_in_doubt: Vec<(RefundId, Refund)>,
    refunds_paged: Vec<RefundId>,
    listed: Vec<(tollwire_x402::SessionId, Session)>,
    paged: Vec<tollwire_x402::SessionId>,
    watched: Vec<Option<tollwire_ledger::Watched>>,
    by_transaction: Vec<Vec<(tollwire_x402::PaymentId, Payment)>>,
    paid_by: Vec<Vec<(tollwire_x402::SessionId, Session)>>,
    accounts: Accounts,
}

/// Reads it all.
pub async fn show(ledger: &dyn Ledger) -> Shown {
    let (mut payments, mut sessions, mut streams, mut journals) = (vec![], vec![], vec![], vec![]);
    for n in 0..PAYMENTS {
        payments.push(ledger.payment(&payment(n)).await.unwrap());
    }
    for n in 0..SESSIONS {
        sessions.push(ledger.session(&session(n)).await.unwrap());
        journals.push(ledger.journal(&session(n)).await.unwrap());
        for t in 0..STREAMS {
            streams.push((n, stream(t), ledger.stream(&session(n), &stream(t)).await.unwrap()));
        }
    }
    let mut paged = Vec::new();
    while let Some((id, _)) = ledger.sessions(paged.last(), 1).await.unwrap().pop() {
        paged.push(id);
    }
    let mut refunds = Vec::new();
    for n in 0..SESSIONS {
        for number in 1..4 {
            refunds.push(ledger.refund(&RefundId { session: session(n), number }).await.unwrap());
        }
    }
    let mut by_transaction = Vec::new();
    for tx in 0..18 {
        by_transaction.push(ledger.payments_of(&format!("0X{tx:02X}").replace('X', "x"), 100).await.unwrap());
        by_transaction.push(ledger.payments_of(&format!("0x{tx:02x}"), 1).await.unwrap());
    }
    let mut refunds_paged = Vec::new();
    while let Some((id, _)) = ledger.refunds_in_doubt(refunds_paged.last(), 1).await.unwrap().pop() {
        refunds_paged.push(id);
    }
    Shown {
        payments,
        refunds,
        refunds_in_doubt: ledger.refunds_in_doubt(None, 100).await.unwrap(),
        refunds_paged,
        sessions,
        streams,
        journals,
        in_doubt: ledger.in_doubt(None, 100).await.unwrap(),
        listed: ledger.sessions(None, 100).await.unwrap(),
        paged,
        by_transaction,
        watched: ledger.watch((0..SESSIONS).map(session).collect()).await.unwrap(),
        paid_by: vec![
            ledger.sessions_of("0xPAYER", 100).await.unwrap(),
            ledger.sessions_of("0xother", 100).await.unwrap(),
            ledger.sessions_of("nobody", 100).await.unwrap(),
        ],
        accounts: payouts::show(ledger, SESSIONS).await,
    }
}
