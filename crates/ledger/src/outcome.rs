//! What the ledger answers. Refusals are values.

use crate::model::{Payment, Refund, Session};
use std::time::Duration;

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "an outcome other than Done changes what may be served"]
pub enum Outcome {
    /// Applied.
    Done(View),
    /// It had been applied before; here is how things stand.
    Replayed(View),
    /// Units are set aside.
    Held {
        /// Which opening of the stream this is; give it back with every later command.
        fence: u64,
        /// Units captured for this stream so far: a re-opened stream needs no further capture up to here.
        posted: u64,
        /// How long ago the first of those was captured, by the store's clock; zero if none was. What they pay for has
        /// run since then, however often the stream was opened again.
        since_capture: Duration,
        /// How the session stands now.
        session: Box<Session>,
    },
    /// The payment was recorded for another purchase.
    Foreign,
    /// No unit is left.
    Exhausted {
        /// Whether other streams hold units that may come back.
        held_elsewhere: bool,
    },
    /// The session has as many streams open as it may.
    TooMany,
    /// The balance's life is over.
    Expired,
    /// The session was revoked.
    Revoked,
    /// The session was ended by its payer or an operator.
    Closed,
    /// The hold had lapsed before it was posted.
    Lapsed,
    /// A newer opening of the same stream took its place.
    Fenced,
    /// The command contradicts what happened before; its documentation says how.
    Conflict,
    /// No such payment, session or stream.
    Unknown,
}

/// How things stand after a command: the payment, the session, the refund, whichever it touched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    /// The payment.
    pub payment: Option<Box<Payment>>,
    /// The session.
    pub session: Option<Box<Session>>,
    /// The refund.
    pub refund: Option<Box<Refund>>,
}
