//! Money on its way out, whatever it is owed for.

use super::Attempt;
use crate::Timestamp;
use tollwire_x402::{Network, Usdc};

/// One transfer that is owed: who sends how much to whom, and by which transactions so far. What a chain needs to know
/// of it, whether it is a refund or a payout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Where it is paid.
    pub network: Network,
    /// Asset contract or mint.
    pub asset: String,
    /// Our deposit wallet, which pays.
    pub from: String,
    /// Who is paid.
    pub to: String,
    /// What is sent.
    pub amount: Usdc,
    /// When it was ordered; no transaction for it is older.
    pub ordered: Timestamp,
    /// Transactions made for it, oldest first; at most [`Outgoing::ATTEMPTS_MAX`]. Of them no two can both land.
    pub attempts: Vec<Attempt>,
}

impl Outgoing {
    /// The most transactions made for one transfer.
    pub const ATTEMPTS_MAX: usize = 32;
}
