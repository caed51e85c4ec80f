//! What can be asked of the ledger. Every command is idempotent, by id or by a cumulative number.

use crate::model::{Attempt, HandOver, Intent, Landing, RefundOrder};
use std::time::Duration;
use tollwire_x402::{PaymentId, SessionId, StreamId};

mod entry;

pub use entry::{Entry, EntryKind};

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Remember a payment before anything leaves the house.
    ///
    /// Done, Replayed (same purchase), Foreign (the payment was recorded for something else), Conflict (no units,
    /// more than [`UNITS_MAX`](crate::core::UNITS_MAX), the session is of another feed or unit, or a top-up's session
    /// does not exist), Closed (the session that it would add to).
    Record {
        /// Whose.
        payment: PaymentId,
        /// What it buys.
        intent: Box<Intent>,
    },
    /// Remember the transaction about to be broadcast.
    ///
    /// Done, Replayed (this transaction is attached, or the payment's fate is known), Unknown, Conflict (it has
    /// [`ATTEMPTS_MAX`](crate::model::Payment::ATTEMPTS_MAX) transactions already).
    Attach {
        /// Whose.
        payment: PaymentId,
        /// The session named by its record.
        session: SessionId,
        /// The transaction.
        attempt: Attempt,
    },
    /// The money arrived: claim the payment and add its units, in one step. The only way a balance grows.
    ///
    /// Done, Replayed, Unknown, Conflict (the session's sums would pass what can be counted, or it is of another feed
    /// or unit; nothing is changed). A payment that was abandoned is credited all the same: the chain is right.
    Credit {
        /// Whose.
        payment: PaymentId,
        /// The session named by its record.
        session: SessionId,
        /// How it landed.
        landing: Landing,
    },
    /// The payment is proven never to land.
    ///
    /// Done, Replayed (its fate was known already; the outcome says which), Unknown.
    Abandon {
        /// Whose.
        payment: PaymentId,
        /// The session named by its record.
        session: SessionId,
        /// Why, for the payer.
        reason: String,
    },
    /// The chain took back what a payment was credited for: until it is thawed, its session serves nothing, and nothing of
    /// it is paid to anybody. The balance stays as it is.
    ///
    /// Done, Replayed (it is gone already, or was not credited), Unknown.
    Freeze {
        /// Whose.
        payment: PaymentId,
        /// The session named by its record.
        session: SessionId,
    },
    /// The chain has it again, here or elsewhere; or has it elsewhere without having been without it.
    ///
    /// Done, Replayed (it is where it was known to be), Unknown, Conflict (it was never credited).
    Thaw {
        /// Whose.
        payment: PaymentId,
        /// The session named by its record.
        session: SessionId,
        /// Where it landed. Its gas is that which was booked when it was credited.
        landing: Landing,
    },
    /// Set units aside for a stream, so that they and those posted come to `to` in all; or prolong what is held.
    ///
    /// Held, Replayed-as-Held (same id within [`REOPEN_WINDOW`](crate::core::REOPEN_WINDOW), with a new fence), Conflict
    /// (same id, later), TooMany, Exhausted, Expired, Revoked, Closed, Unknown, Fenced (a stale
    /// `fence` was given).
    Hold {
        /// Whose balance.
        session: SessionId,
        /// Which stream.
        stream: StreamId,
        /// `None` opens the stream (or re-opens it); `Some` continues the opening that has this fence.
        fence: Option<u64>,
        /// Cumulative units, posted and held together; at least 1, else Conflict. A hold never shrinks by this.
        to: u64,
        /// How long the hold lasts without another command.
        lease: Duration,
        /// How many streams the session may have open at once, this one included; asked of a stream that begins.
        streams_max: u32,
    },
    /// Capture what a metered stream has used, and set units aside for what comes: at least what it `need`s, at most
    /// what it `want`s, in between its share of what is left ([`core::share`](crate::core::share)).
    ///
    /// What was used is captured whatever the answer is: from the stream's own hold, or from what remains if that has
    /// lapsed; what neither has is forgone, which can only be what a hold that lapsed was worth.
    ///
    /// Held (units ahead are `session.holds`), Exhausted (the need cannot be met: nothing is held for this stream any
    /// more), Expired, Revoked, Closed, Fenced, Unknown, Conflict (numbers out of order, or the stream has ended or was
    /// reversed). One that tells less than was told before comes late: Held, and nothing changes.
    Extend {
        /// Whose balance.
        session: SessionId,
        /// Which stream.
        stream: StreamId,
        /// Which opening of it.
        fence: u64,
        /// Cumulative units served.
        used: u64,
        /// Cumulative units without which the stream cannot go on; at least `used`.
        need: u64,
        /// Cumulative units wished for; at least `need`.
        want: u64,
        /// How long the hold lasts without another command.
        lease: Duration,
        /// The stream is live until at most this long from now.
        live_for: Duration,
    },
    /// Capture held units, up to `to` in all.
    ///
    /// Done, Replayed (already posted that far), Lapsed (the hold returned before, or the stream has ended), Fenced,
    /// Revoked, Closed, Unknown.
    Post {
        /// Whose balance.
        session: SessionId,
        /// Which stream.
        stream: StreamId,
        /// Which opening of it.
        fence: u64,
        /// Cumulative units captured.
        to: u64,
        /// The stream is live until at most this long from now.
        live_for: Duration,
    },
    /// Give back what is held for a stream that did not open. Done, Replayed, Fenced, Unknown.
    Void {
        /// Whose balance.
        session: SessionId,
        /// Which stream.
        stream: StreamId,
        /// Which opening of it.
        fence: u64,
    },
    /// Give back what was captured for a stream whose upstream ended at once without data.
    ///
    /// Done, Replayed, Conflict (later than [`REVERSE_WINDOW`](crate::core::REVERSE_WINDOW) after its capture, not exactly
    /// one unit posted, opened again since: the earlier connection was served; nothing of the session is captured, since
    /// the unit was forgone; or it was handed over to the provider), Fenced, Unknown.
    Reverse {
        /// Whose balance.
        session: SessionId,
        /// Which stream.
        stream: StreamId,
        /// Which opening of it.
        fence: u64,
    },
    /// The stream ended; what it used is captured as by `Extend`, what is still held for it returns. Done, Replayed,
    /// Fenced, Unknown.
    End {
        /// Whose balance.
        session: SessionId,
        /// Which stream.
        stream: StreamId,
        /// Which opening of it.
        fence: u64,
        /// Cumulative units served; fewer than were captured before change nothing.
        used: u64,
    },
    /// Serve nothing more from this session. Done, Replayed, Unknown.
    Revoke {
        /// Which.
        session: SessionId,
    },
    /// The balance's life is over, or the session was closed: what remains (and is not held) falls due. Done, Replayed,
    /// Conflict (too early, or it is frozen), Unknown.
    Expire {
        /// Which.
        session: SessionId,
    },
    /// End a session for good: it serves nothing more and takes no top-up. Done, Replayed, Unknown.
    Close {
        /// Which.
        session: SessionId,
    },
    /// Take what remains out of a balance, to be paid back. The money moves afterwards: the refund is pending until
    /// [`Command::SettleRefund`].
    ///
    /// Done, Replayed (this refund was ordered before; the answer shows as what), Unknown, Conflict (the session is
    /// neither closed nor revoked nor at its end; it is frozen; units are held; it does not stand any more as the order says; it is to
    /// go to somebody else than the payer; or an earlier number is missing).
    Refund {
        /// Which.
        session: SessionId,
        /// What is paid back.
        refund: Box<RefundOrder>,
    },
    /// Remember the transaction that is about to pay a refund. Only what is attached may be broadcast.
    ///
    /// Done, Replayed (this transaction is attached, or the refund needs none any more), Unknown, Conflict (the session is
    /// frozen; the refund has not
    /// `made` transactions, so that whoever made this one did not know of all; or as many as
    /// [`ATTEMPTS_MAX`](crate::model::Outgoing::ATTEMPTS_MAX)).
    AttachRefund {
        /// Whose.
        session: SessionId,
        /// Which of the session's refunds.
        number: u32,
        /// The transactions it had when this one was made.
        made: u32,
        /// The transaction.
        attempt: Attempt,
    },
    /// The refund has arrived. Done, Replayed, Unknown.
    SettleRefund {
        /// Whose.
        session: SessionId,
        /// Which of the session's refunds.
        number: u32,
        /// How it landed.
        landing: Landing,
    },
    /// Take what the provider has earned out of a session, to be paid out. The payout that it goes to gathers it by
    /// [`PayoutCommand::Gather`](crate::PayoutCommand::Gather), from what the session shows as handed over in all.
    ///
    /// Done, Replayed (as many units were handed over before), Unknown, Conflict (the session does not stand any more as
    /// it was reckoned from, is frozen, has another provider or none, or has not earned or taken in as much).
    HandOver {
        /// Which.
        session: SessionId,
        /// What is handed over.
        due: Box<HandOver>,
    },
}

impl Command {
    /// The session a command is about.
    pub fn session(&self) -> &SessionId {
        match self {
            Self::Record { intent, .. } => &intent.session,
            Self::Attach { session, .. }
            | Self::Credit { session, .. }
            | Self::Abandon { session, .. }
            | Self::Freeze { session, .. }
            | Self::Thaw { session, .. }
            | Self::Hold { session, .. }
            | Self::Extend { session, .. }
            | Self::Post { session, .. }
            | Self::Void { session, .. }
            | Self::Reverse { session, .. }
            | Self::End { session, .. }
            | Self::Revoke { session }
            | Self::Expire { session }
            | Self::Close { session }
            | Self::Refund { session, .. }
            | Self::AttachRefund { session, .. }
            | Self::SettleRefund { session, .. }
            | Self::HandOver { session, .. } => session,
        }
    }
}

impl Command {
    /// The payment a command names, if any.
    pub fn payment(&self) -> Option<&PaymentId> {
        match self {
            Self::Record { payment, .. }
            | Self::Attach { payment, .. }
            | Self::Credit { payment, .. }
            | Self::Abandon { payment, .. }
            | Self::Freeze { payment, .. }
            | Self::Thaw { payment, .. } => Some(payment),
            Self::Hold { .. }
            | Self::Extend { .. }
            | Self::Post { .. }
            | Self::Void { .. }
            | Self::Reverse { .. }
            | Self::End { .. }
            | Self::Revoke { .. }
            | Self::Expire { .. }
            | Self::Close { .. }
            | Self::Refund { .. }
            | Self::AttachRefund { .. }
            | Self::SettleRefund { .. }
            | Self::HandOver { .. } => None,
        }
    }

    /// The stream a command names, if any.
    pub fn stream(&self) -> Option<&StreamId> {
        match self {
            Self::Hold { stream, .. }
            | Self::Extend { stream, .. }
            | Self::Post { stream, .. }
            | Self::Void { stream, .. }
            | Self::Reverse { stream, .. }
            | Self::End { stream, .. } => Some(stream),
            Self::Record { .. }
            | Self::Attach { .. }
            | Self::Credit { .. }
            | Self::Abandon { .. }
            | Self::Freeze { .. }
            | Self::Thaw { .. }
            | Self::Revoke { .. }
            | Self::Expire { .. }
            | Self::Close { .. }
            | Self::Refund { .. }
            | Self::AttachRefund { .. }
            | Self::SettleRefund { .. }
            | Self::HandOver { .. } => None,
        }
    }
}

impl Command {
    /// The transaction that a command ties its payment to, if any.
    pub fn transaction(&self) -> Option<&str> {
        match self {
            Self::Attach { attempt, .. } => Some(&attempt.tx),
            Self::Credit { landing, .. } | Self::Thaw { landing, .. } => Some(&landing.tx),
            Self::Record { .. }
            | Self::Abandon { .. }
            | Self::Freeze { .. }
            | Self::Hold { .. }
            | Self::Extend { .. }
            | Self::Post { .. }
            | Self::Void { .. }
            | Self::Reverse { .. }
            | Self::End { .. }
            | Self::Revoke { .. }
            | Self::Expire { .. }
            | Self::Close { .. }
            | Self::Refund { .. }
            | Self::AttachRefund { .. }
            | Self::SettleRefund { .. }
            | Self::HandOver { .. } => None,
        }
    }

    /// The refund a command names, by its number, if any.
    pub fn refund(&self) -> Option<u32> {
        match self {
            Self::Refund { refund, .. } => Some(refund.number),
            Self::AttachRefund { number, .. } | Self::SettleRefund { number, .. } => Some(*number),
            Self::Record { .. }
            | Self::Attach { .. }
            | Self::Credit { .. }
            | Self::Abandon { .. }
            | Self::Freeze { .. }
            | Self::Thaw { .. }
            | Self::Hold { .. }
            | Self::Extend { .. }
            | Self::Post { .. }
            | Self::Void { .. }
            | Self::Reverse { .. }
            | Self::End { .. }
            | Self::Revoke { .. }
            | Self::Expire { .. }
            | Self::Close { .. }
            | Self::HandOver { .. } => None,
        }
    }
}
