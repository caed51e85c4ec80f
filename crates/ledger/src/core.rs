//! The pure core: what a command does to the one payment, session and stream it names.
//!
//! [`apply`] is a function of rows, command and time. It knows no store, no clock and no randomness, so a store
//! is three steps: load the [`Slot`], apply, write back what [`Applied::changed`] holds, all in one transaction.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

mod freeze;
mod metered;
mod payment;
mod payout;
mod refund;
mod session;
mod stream;
#[cfg(test)]
pub(crate) mod tests;

pub use metered::{RECALL_FRESH, share};
pub use payout::{PaidOut, PayoutSlot, pay_out};
pub use session::{check_invariants, lapse};

use crate::command::Entry;
use crate::model::{Payment, Refund, Session, Stream};
use crate::outcome::View;
use crate::{Command, Outcome, Timestamp};
use metered::Ask;
use std::time::Duration;
use tollwire_x402::SessionId;

/// How long after its first hold the same stream id may be opened again without charge.
pub const REOPEN_WINDOW: Duration = Duration::from_secs(30);

/// How long after its capture a stream may be reversed.
pub const REVERSE_WINDOW: Duration = Duration::from_secs(30);

/// The most units a session can have bought: 2^53 - 1, the largest count that Redis scripts compute exactly.
pub const UNITS_MAX: u64 = (1 << 53) - 1;

/// The end of time, in milliseconds since the epoch; deadlines beyond it are cut to it.
pub const MILLIS_MAX: u64 = (1 << 53) - 1;

/// The rows a command is about. A row that does not exist is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slot {
    /// The payment named by [`Command::payment`].
    pub payment: Option<Payment>,
    /// The session named by [`session_of`].
    pub session: Option<Session>,
    /// The stream named by [`Command::stream`].
    pub stream: Option<Stream>,
    /// The refund named by [`Command::refund`].
    pub refund: Option<Refund>,
    /// How many streams of the session are open or being opened, up to what [`counts_streams`] asks for; else 0.
    pub live: u32,
}

/// Up to how many streams a command asks to be counted: stores fill in [`Slot::live`] for it, and need not count on.
pub fn counts_streams(command: &Command) -> u32 {
    if let Command::Hold { fence: None, streams_max, .. } = command { *streams_max } else { 0 }
}

/// What a command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The answer.
    pub outcome: Outcome,
    /// Rows to write back; `None` where nothing changed. No row is ever deleted.
    pub changed: Slot,
    /// Lines to append to the session's journal.
    pub entries: Vec<Entry>,
}

impl Applied {
    fn unchanged(outcome: Outcome) -> Self {
        Self { outcome, changed: Slot::default(), entries: Vec::new() }
    }
}

/// The session whose row a command needs: the one its payment was recorded for, else the one it names.
pub fn session_of<'a>(command: &'a Command, payment: Option<&'a Payment>) -> &'a SessionId {
    payment.map_or_else(|| command.session(), |payment| &payment.intent.session)
}

/// Applies one command to the rows it names, at the time `now`.
pub fn apply(slot: Slot, command: &Command, now: Timestamp) -> Applied {
    let applied = match command {
        Command::Record { intent, .. } => payment::record(slot, intent, now),
        Command::Attach { session, attempt, .. } => payment::attach(slot, session, attempt, now),
        Command::Credit { payment, session, landing } => {
            payment::credit(slot, payment, session, landing, now)
        }
        Command::Abandon { session, reason, .. } => payment::abandon(slot, session, reason, now),
        Command::Freeze { payment, session } => freeze::freeze(slot, payment, session, now),
        Command::Thaw { payment, session, landing } => freeze::thaw(slot, payment, session, landing, now),
        Command::Hold { stream, fence, to, lease, streams_max, .. } => {
            stream::run(slot, stream, now, |desk| desk.hold(*fence, *to, *lease, *streams_max))
        }
        Command::Extend { stream, fence, used, need, want, lease, live_for, .. } => {
            let ask = Ask { used: *used, need: *need, want: *want, lease: *lease, live_for: *live_for };
            stream::run(slot, stream, now, |desk| desk.extend(*fence, &ask))
        }
        Command::Post { stream, fence, to, live_for, .. } => {
            stream::run(slot, stream, now, |desk| desk.post(*fence, *to, *live_for))
        }
        Command::Void { stream, fence, .. } => stream::run(slot, stream, now, |desk| desk.void(*fence)),
        Command::Reverse { stream, fence, .. } => stream::run(slot, stream, now, |desk| desk.reverse(*fence)),
        Command::End { stream, fence, used, .. } => {
            stream::run(slot, stream, now, |desk| desk.end(*fence, *used))
        }
        Command::Revoke { .. } => session::revoke(slot, now),
        Command::Expire { .. } => session::expire(slot, now),
        Command::Close { .. } => refund::close(slot, now),
        Command::Refund { refund, .. } => refund::order(slot, refund, now),
        Command::AttachRefund { made, attempt, .. } => refund::attach(slot, *made, attempt, now),
        Command::SettleRefund { landing, .. } => refund::settle(slot, landing, now),
        Command::HandOver { due, .. } => session::hand_over(slot, due, now),
    };
    debug_assert_eq!(
        applied.changed.session.as_ref().map_or(Ok(()), check_invariants),
        Ok(()),
        "{command:?}"
    );
    applied
}

/// `now` plus a duration, at most the end of time.
fn deadline(now: Timestamp, duration: Duration) -> Timestamp {
    Timestamp::from_millis(now.after(duration).millis().min(MILLIS_MAX))
}

/// How a session stands at `now`, for an answer.
fn session_view(session: Option<Session>, now: Timestamp) -> Option<Box<Session>> {
    session.map(|mut session| {
        lapse(&mut session, now);
        Box::new(session)
    })
}

/// An answer that shows a session alone.
fn view_of(session: &Session) -> View {
    View { session: Some(Box::new(session.clone())), ..View::default() }
}
