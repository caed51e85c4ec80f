//! The books as an operator sees them: sums over all sessions, per feed and in all, and whether they balance.

use crate::error::Error;
use crate::gate::Gate;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use tollwire_ledger::model::Session;
use tollwire_settlement::dues::{Statement, statement};
use tollwire_x402::{FeedId, PaymentId, SessionId, Usdc};

/// Rows read from the ledger per step.
const PAGE: usize = 256;

/// Payments in doubt that a report names; it counts all of them.
pub const IN_DOUBT_NAMED_MAX: usize = 100;

/// Sums over sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Sessions.
    pub sessions: u64,
    /// Units, beside the other members.
    #[serde(flatten)]
    pub units: Units,
    /// Money, in atomic USDC, as text.
    pub usdc: Money,
    /// Sessions whose numbers contradict each other; anything but 0 is a defect.
    pub contradictory: u64,
}

/// Where units are. `bought = captured + held + remaining + refunded + expired`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the ledger's own terms, explained at tollwire_ledger::model::Session")]
pub struct Units {
    pub bought: u128,
    pub captured: u128,
    pub held: u128,
    pub remaining: u128,
    pub refunded: u128,
    pub expired: u128,
}

/// Where money is. `deposited = provider_net + fee + gas + refunded + refund_gas + unspent`; `handed` is what of
/// `provider_net` left the sessions for payouts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "explained at tollwire_settlement::dues::Statement")]
pub struct Money {
    #[serde(serialize_with = "text")]
    pub deposited: u128,
    #[serde(serialize_with = "text")]
    pub accrued: u128,
    #[serde(serialize_with = "text")]
    pub provider_net: u128,
    #[serde(serialize_with = "text")]
    pub handed: u128,
    #[serde(serialize_with = "text")]
    pub fee: u128,
    #[serde(serialize_with = "text")]
    pub gas: u128,
    #[serde(serialize_with = "text")]
    pub gas_uncovered: u128,
    #[serde(serialize_with = "text")]
    pub refunded: u128,
    #[serde(serialize_with = "text")]
    pub refund_gas: u128,
    #[serde(serialize_with = "text")]
    pub unspent: u128,
}

/// The books.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether every equation holds, for units and for money.
    pub balanced: bool,
    /// All feeds together.
    pub totals: Totals,
    /// Each feed that has sold anything.
    pub feeds: BTreeMap<FeedId, Totals>,
    /// What is not known to have arrived.
    #[serde(flatten)]
    pub doubts: Doubts,
}

/// What is not known to have arrived.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Doubts {
    /// Payments whose fate is not known yet.
    pub payments_in_doubt: u64,
    /// The first of them, at most [`IN_DOUBT_NAMED_MAX`].
    pub in_doubt: Vec<PaymentId>,
    /// Refunds that were ordered and are not known to have arrived.
    pub refunds_in_doubt: u64,
    /// Payouts that were sealed and are not known to have arrived.
    pub payouts_in_doubt: u64,
}

impl Gate {
    /// Adds up the books. Reads every session: its cost grows with their number.
    pub async fn report(&self) -> Result<Report, Error> {
        let mut report = Report::default();
        self.each_session(|_, session, money| {
            report.totals.add(session, money);
            report.feeds.entry(session.feed.clone()).or_default().add(session, money);
        })
        .await?;
        report.doubts = self.doubts().await?;
        report.balanced = report.totals.balanced() && report.feeds.values().all(Totals::balanced);
        Ok(report)
    }

    /// Shows every session, with its statement unless its numbers contradict each other.
    pub(crate) async fn each_session(
        &self,
        mut show: impl FnMut(&SessionId, &Session, Option<Statement>) + Send,
    ) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = self.ledger.sessions(after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            for (id, session) in &page {
                show(id, session, statement(session, self.config.fee_bps, self.config.unspent));
            }
        }
    }

    /// Counts what is in doubt.
    pub(crate) async fn doubts(&self) -> Result<Doubts, Error> {
        let mut doubts = Doubts::default();
        let mut after = None;
        loop {
            let page = self.ledger.in_doubt(after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            add(&mut doubts.payments_in_doubt, page.len());
            let room = IN_DOUBT_NAMED_MAX.saturating_sub(doubts.in_doubt.len());
            doubts.in_doubt.extend(page.into_iter().take(room).map(|(id, _)| id));
        }
        let mut after = None;
        loop {
            let page = self.ledger.refunds_in_doubt(after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            add(&mut doubts.refunds_in_doubt, page.len());
        }
        let mut after = None;
        loop {
            let page = self.ledger.payouts_in_doubt(after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            add(&mut doubts.payouts_in_doubt, page.len());
        }
        Ok(doubts)
    }
}

fn add(sum: &mut u64, count: usize) {
    *sum = sum.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
}

impl Totals {
    /// Counts a session in.
    pub(crate) fn add(&mut self, session: &Session, money: Option<Statement>) {
        self.sessions = self.sessions.saturating_add(1);
        let units = &mut self.units;
        for (sum, part) in [
            (&mut units.bought, session.bought),
            (&mut units.captured, session.captured),
            (&mut units.held, session.held()),
            (&mut units.remaining, session.remaining()),
            (&mut units.refunded, session.refunded),
            (&mut units.expired, session.expired),
        ] {
            *sum = sum.saturating_add(u128::from(part));
        }
        let Some(money) = money else {
            self.contradictory = self.contradictory.saturating_add(1);
            return;
        };
        self.usdc.add(&money);
    }

    /// Whether both equations hold.
    pub fn balanced(&self) -> bool {
        let (units, money) = (&self.units, &self.usdc);
        let spread = [units.captured, units.held, units.remaining, units.refunded, units.expired];
        let owned =
            [money.provider_net, money.fee, money.gas, money.refunded, money.refund_gas, money.unspent];
        let sum = |parts: &[u128]| parts.iter().copied().fold(0, u128::saturating_add);
        self.contradictory == 0 && sum(&spread) == units.bought && sum(&owned) == money.deposited
    }
}

impl Money {
    /// Counts a session's money in.
    pub(crate) fn add(&mut self, money: &Statement) {
        let sums = self;
        for (sum, part) in [
            (&mut sums.deposited, money.deposited),
            (&mut sums.accrued, money.accrued),
            (&mut sums.provider_net, money.provider_net),
            (&mut sums.handed, money.handed),
            (&mut sums.fee, money.fee),
            (&mut sums.gas, money.gas),
            (&mut sums.gas_uncovered, money.gas_uncovered),
            (&mut sums.refunded, money.refunded),
            (&mut sums.refund_gas, money.refund_gas),
            (&mut sums.unspent, money.unspent),
        ] {
            *sum = sum.saturating_add(u128::from(Usdc::atomic(part)));
        }
    }
}

/// Atomic units as text.
pub(crate) fn text<S: Serializer>(amount: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}
