//! What a lane is told for a turn, and what comes of it.

use crate::{Control, Limits, Until, Violation};

/// What a lane must know for a turn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order<'a> {
    /// Where a waiting Close has its place; not `Drained` only while one waits.
    pub(super) until: Until,
    /// Who has something to say to the receiver between two messages.
    pub(super) say: Option<&'a Control>,
    pub(super) limits: &'a Limits,
}

/// What came of a lane's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing can be done until a socket is ready.
    Idle,
    /// Bytes moved.
    Moved,
    /// Something the other lane must hear of.
    Event(Event),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The sender's Close frame has been passed on.
    Closed,
    /// The sender's connection has ended or broken without one.
    Ended,
    /// The receiver's connection takes nothing any more.
    Refused,
    /// The place of the waiting Close is reached, and nothing beyond it was passed on.
    Boundary,
    /// The sender's next frame is not allowed, and nothing of it was passed on.
    Violation(Violation),
    /// The sender sends too many control frames.
    Flood,
}
