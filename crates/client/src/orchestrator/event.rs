//! What a person is told.

use serde_json::value::RawValue;
use tollwire_x402::Usdc;

/// What a person is told.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A connection is open, the first or another.
    Connected,
    /// An agent, or the orchestrator itself, says something.
    Said {
        /// What.
        content: String,
        /// Whose id.
        agent_id: String,
        /// Whose name.
        agent_name: String,
    },
    /// Something costs money: [`PersonClient::approve`](super::PersonClient::approve) or [`decline`](super::PersonClient::decline) it.
    Asked {
        /// How much.
        amount: Usdc,
        /// Who is to be paid.
        agent_name: String,
        /// For doing what.
        action: String,
        /// The same, for people.
        description: String,
        /// The request's name.
        payment_id: String,
        /// Until when, as RFC 3339 text.
        expires_at: String,
        /// What a signed payment answers, if one is taken: the x402 object of version 2.
        payment_required: Option<Box<RawValue>>,
    },
    /// Something was paid, because it was approved, or by auto-pay.
    Paid {
        /// How much.
        amount: Usdc,
        /// The transaction.
        transaction: String,
        /// `balance` if it was the prepaid account's deposit, `credit` if it paid for another job in vain.
        source: Option<String>,
    },
    /// Something went wrong, or was not taken.
    Failed {
        /// Such as `agent_unavailable`.
        error_type: String,
        /// For people.
        message: String,
    },
    /// The session is over.
    Closed {
        /// Why.
        reason: String,
    },
    /// The connection has ended for good: the last event.
    Ended {
        /// The close code.
        code: u16,
    },
}
