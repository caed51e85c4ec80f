//! What happens on a stream, for applications to act on and to log.

use super::message::{Closed, Message};
use crate::{Error, Receipt};
use tollwire_x402::{SessionId, Usdc};

/// Something that happened on a stream. What was paid on it is the sum of `paid`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The stream is open for the first time.
    Opened {
        /// Its session.
        session: SessionId,
        /// Units the session held when that was last said.
        units: u64,
        /// What the session cost; zero if it was there already.
        paid: Usdc,
    },
    /// A message from the feed.
    Message(Message),
    /// The facilitator says that the balance is low. If the stream pays in band, it does so now.
    Low {
        /// Units left, where the notice says so.
        units: Option<u64>,
    },
    /// More units were bought for the session in use, in band or over HTTP.
    ToppedUp {
        /// What that cost.
        paid: Usdc,
        /// Units left after it.
        units: u64,
    },
    /// The answer to a low balance was not to pay, or the payment was refused. Frames come until the balance is spent.
    Unpaid {
        /// Why.
        why: Error,
    },
    /// The session's balance is used up (close 4008). The next call pays.
    Exhausted {
        /// The close frame's text.
        reason: String,
    },
    /// The stream is open again.
    Renewed {
        /// What another session cost; zero if the old one goes on.
        paid: Usdc,
    },
    /// A usage receipt, verified. [`StreamClient::receipts`](super::StreamClient::receipts) keeps it.
    Receipt(Receipt),
    /// The connection was lost; the next call opens another.
    Reconnecting {
        /// How it was lost.
        why: String,
    },
    /// The stream has ended; nothing more comes.
    Closed(Closed),
}
