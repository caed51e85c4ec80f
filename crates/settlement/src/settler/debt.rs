//! What we owe: a refund to a payer, or a payout to a provider. To the outbox they are one thing.

use super::answers::unexpected;
use crate::SettleError;
use std::fmt;
use tollwire_ledger::model::{
    Attempt, Landing, Outgoing, Payout, PayoutFate, PayoutId, Refund, RefundFate, RefundId,
};
use tollwire_ledger::{Command, Error, Ledger, Outcome, PayoutCommand, PayoutOutcome};

/// One debt that the ledger remembers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Debt {
    Refund(RefundId),
    Payout(PayoutId),
}

/// What became of a transaction that was to be attached.
pub(super) enum Attached {
    /// It is attached, by this call or before: it may be broadcast.
    Yes,
    /// The debt is paid; nothing more is to be sent.
    Paid,
    /// There are others its maker did not know of, or too many.
    No,
}

impl fmt::Display for Debt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refund(id) => write!(f, "refund:{id}"),
            Self::Payout(id) => write!(f, "payout:{id}"),
        }
    }
}

impl Debt {
    /// Whether both are of one kind.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        matches!(self, Self::Refund(_)) == matches!(other, Self::Refund(_))
    }

    /// The metric that counts how its kind comes out.
    pub(super) fn metric(&self) -> &'static str {
        match self {
            Self::Refund(_) => "tollwire_refunds_total",
            Self::Payout(_) => "tollwire_payouts_total",
        }
    }

    /// The transfer that is owed; `None` if nothing is, any more or yet.
    pub(super) async fn owed(&self, ledger: &dyn Ledger) -> Result<Option<Outgoing>, SettleError> {
        Ok(match self {
            Self::Refund(id) => {
                let refund = ledger.refund(id).await?.ok_or(SettleError::Unknown)?;
                (refund.fate == RefundFate::Pending).then(|| refund.outgoing())
            }
            Self::Payout(id) => {
                let payout = ledger.payout(id).await?.ok_or(SettleError::Unknown)?;
                (payout.fate == PayoutFate::Pending).then(|| payout.outgoing(id.account.network()))
            }
        })
    }

    /// Remembers a transaction made in the knowledge of `made` others.
    pub(super) async fn attach(
        &self,
        ledger: &dyn Ledger,
        made: usize,
        attempt: Attempt,
    ) -> Result<Attached, SettleError> {
        let made = u32::try_from(made).unwrap_or(u32::MAX);
        let pending = match self {
            Self::Refund(id) => {
                let (session, number) = (id.session.clone(), id.number);
                let command = Command::AttachRefund { session, number, made, attempt };
                match ledger.apply(command).await? {
                    Outcome::Done(_) => true,
                    Outcome::Replayed(view) => {
                        refund(view.refund, "AttachRefund")?.fate == RefundFate::Pending
                    }
                    Outcome::Conflict => return Ok(Attached::No),
                    other => return Err(unexpected("AttachRefund", &other)),
                }
            }
            Self::Payout(id) => {
                let command = PayoutCommand::Attach { payout: id.clone(), made, attempt };
                match ledger.pay_out(command).await? {
                    PayoutOutcome::Done(_) => true,
                    PayoutOutcome::Replayed(row) => payout(row, "Attach")?.fate == PayoutFate::Pending,
                    PayoutOutcome::Conflict => return Ok(Attached::No),
                    PayoutOutcome::Unknown => return Err(SettleError::Unknown),
                }
            }
        };
        Ok(if pending { Attached::Yes } else { Attached::Paid })
    }

    /// Remembers that it arrived; false if that was known.
    pub(super) async fn settle(&self, ledger: &dyn Ledger, landing: Landing) -> Result<bool, SettleError> {
        match self {
            Self::Refund(id) => {
                let (session, number) = (id.session.clone(), id.number);
                match ledger.apply(Command::SettleRefund { session, number, landing }).await? {
                    Outcome::Done(_) => Ok(true),
                    Outcome::Replayed(_) => Ok(false),
                    other => Err(unexpected("SettleRefund", &other)),
                }
            }
            Self::Payout(id) => {
                match ledger.pay_out(PayoutCommand::Settle { payout: id.clone(), landing }).await? {
                    PayoutOutcome::Done(_) => Ok(true),
                    PayoutOutcome::Replayed(_) => Ok(false),
                    PayoutOutcome::Conflict => Err(broken("Settle was refused for a sealed payout")),
                    PayoutOutcome::Unknown => Err(SettleError::Unknown),
                }
            }
        }
    }
}

/// The refund in an answer. A store that leaves out what it was asked about is not to be trusted further.
pub(super) fn refund(found: Option<Box<Refund>>, command: &str) -> Result<Refund, SettleError> {
    found.map(|refund| *refund).ok_or_else(|| broken(&format!("{command} was answered without the refund")))
}

/// The same of a payout.
pub(super) fn payout(found: Option<Box<Payout>>, command: &str) -> Result<Payout, SettleError> {
    found.map(|payout| *payout).ok_or_else(|| broken(&format!("{command} was answered without the payout")))
}

/// A store whose answer contradicts itself.
pub(super) fn broken(what: &str) -> SettleError {
    SettleError::Store(Error::Corrupt(what.to_owned()))
}
