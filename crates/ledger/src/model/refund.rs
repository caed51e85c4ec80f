//! Refunds: what goes back to a payer, by which transactions, and whether it arrived.

use super::{Attempt, Landing, Outgoing};
use crate::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use tollwire_x402::{Network, SessionId, Usdc};

/// Names a refund: the session, and which of its refunds it is. This is what makes it happen once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefundId {
    /// Whose.
    pub session: SessionId,
    /// From 1; a session has another one only if something was left again after the last (a payment that arrived late).
    pub number: u32,
}

impl fmt::Display for RefundId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.session, self.number)
    }
}

/// What is to be paid back, reckoned from a session as it stood; the ledger takes it only while the session stands so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundOrder {
    /// One more than the session's refunds so far.
    pub number: u32,
    /// All units that remain; at least 1.
    pub units: u64,
    /// The session's units bought, when this was reckoned.
    pub bought: u64,
    /// The session's units captured, when this was reckoned.
    pub captured: u64,
    /// What those units were paid with.
    pub value: Usdc,
    /// What of it is withheld for the gas of paying back; at most all of it.
    pub gas: Usdc,
    /// Where it is paid.
    pub network: Network,
    /// Asset contract or mint.
    pub asset: String,
    /// Our deposit wallet, which pays.
    pub from: String,
    /// The session's payer, who is paid.
    pub to: String,
}

impl RefundOrder {
    /// What the payer is sent.
    pub fn amount(&self) -> Usdc {
        self.value.checked_sub(self.gas).unwrap_or(Usdc::ZERO)
    }
}

/// A refund that was ordered. Its units are gone from the balance; whether the money has moved is its fate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// What is paid back.
    pub order: RefundOrder,
    /// When it was ordered.
    pub ordered: Timestamp,
    /// Transactions made for it, oldest first; at most [`Outgoing::ATTEMPTS_MAX`]. Of them no two can both land.
    pub attempts: Vec<Attempt>,
    /// Where it stands.
    pub fate: RefundFate,
}

/// Where a refund stands. One that is owed stays pending until it was paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefundFate {
    /// Not known to have arrived.
    Pending,
    /// The money is with the payer.
    Paid(Landing),
    /// Gas would have cost all of it: nothing was sent, and what was withheld stays with the operator.
    Nothing,
}

impl Refund {
    /// The transfer that it is.
    pub fn outgoing(&self) -> Outgoing {
        let order = &self.order;
        Outgoing {
            network: order.network,
            asset: order.asset.clone(),
            from: order.from.clone(),
            to: order.to.clone(),
            amount: order.amount(),
            ordered: self.ordered,
            attempts: self.attempts.clone(),
        }
    }
}
