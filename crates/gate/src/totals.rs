//! The books as an operator sees them: sums over all sessions, per feed and in all, and whether they balance.

use crate::error::Error;
use crate::gate::Gate;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use tollwire_ledger::model::Session;
use tollwire_settlement::dues::{Statement, statement};
use tollwire_x402::{FeedId, PaymentId, Usdc};

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
    /// Payments whose fate is not known yet.
    pub payments_in_doubt: u64,
    /// The first of them.
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
        let mut after = None;
        loop {
            let page = self.ledger.sessions(after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (_, session) in &page {
                let money = statement(session, self.config.fee_bps, self.config.unspent);
                report.totals.add(session, money);
                report.feeds.entry(session.feed.clone()).or_default().add(session, money);
            }
        }
        let mut after = None;
        loop {
            let page = self.ledger.in_doubt(after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            let count = u64::try_from(page.len()).unwrap_or(u64::MAX);
            report.payments_in_doubt = report.payments_in_doubt.saturating_add(count);
            let room = IN_DOUBT_NAMED_MAX.saturating_sub(report.in_doubt.len());
            report.in_doubt.extend(page.into_iter().take(room).map(|(id, _)| id));
        }
        let mut after = None;
        loop {
            let page = self.ledger.refunds_in_doubt(after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            let count = u64::try_from(page.len()).unwrap_or(u64::MAX);
            report.refunds_in_doubt = report.refunds_in_doubt.saturating_add(count);
        }
        let mut after = None;
        loop {
            let page = self.ledger.payouts_in_doubt(after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            let count = u64::try_from(page.len()).unwrap_or(u64::MAX);
            report.payouts_in_doubt = report.payouts_in_doubt.saturating_add(count);
        }
        report.balanced = report.totals.balanced() && report.feeds.values().all(Totals::balanced);
        Ok(report)
    }
}

impl Totals {
    fn add(&mut self, session: &Session, money: Option<Statement>) {
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
        let sums = &mut self.usdc;
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

fn text<S: Serializer>(amount: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}
