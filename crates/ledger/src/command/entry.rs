//! The journal's lines.

use crate::Timestamp;
use tollwire_x402::{PaymentId, StreamId};

/// One line of a session's journal: what a command changed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub kind: EntryKind,
    /// How many units moved.
    pub units: u64,
    /// The stream, where one is concerned.
    pub stream: Option<StreamId>,
    /// The payment, where one is concerned.
    pub payment: Option<PaymentId>,
}

/// Kinds of journal lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// Units bought.
    Credit,
    /// Units captured. What metered streams use is told at their end, and at least once an hour.
    Capture,
    /// Units served that could not be captured any more, because the hold for them had lapsed.
    Forgo,
    /// Captured units given back.
    Reverse,
    /// Units that fell due.
    Expire,
    /// The session was revoked.
    Revoke,
    /// The session was closed.
    Close,
    /// Units taken out of the balance, to be paid back.
    Refund,
    /// Units whose worth was handed over to the provider's payout.
    HandOver,
    /// The chain took a deposit back.
    Freeze,
    /// The chain has a deposit again, or has it elsewhere.
    Thaw,
}
