//! What frames cost, and whether it is covered.

use crate::allowance::Measure;
use crate::header::Header;

/// Payload bytes of one message that a unit of [`Measure::Message`] pays for.
const MESSAGE_UNIT_BYTES: u64 = 64 * 1024;

/// Wire bytes that a unit of [`Measure::Kib`] pays for.
const KIB: u64 = 1024;

/// Who is asked before a frame is passed on. The scanner is compiled once for each kind, so that one that lets
/// everything pass costs nothing.
pub(crate) trait Tally {
    /// Whether anything is ever refused.
    const COUNTS: bool;

    /// How many whole short messages may be passed on without another question, and how many wire bytes of them.
    fn room(&self) -> Room;

    /// Notes whole short messages that were passed on within the room, and their wire bytes.
    fn skimmed(&mut self, messages: u64, bytes: u64);

    /// Whether a data frame may be passed on; if so, it has been paid for. `before` is the payload of the message
    /// up to here, `None` at its first frame; `after` that with this frame.
    fn admit(&mut self, header: &Header, before: Option<u64>, after: u64) -> bool;

    /// Whether a control frame may be passed on.
    fn admit_control(&mut self) -> bool;
}

/// See [`Tally::room`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

impl Room {
    const ALL: Self = Self { messages: u64::MAX, bytes: u64::MAX };
    const NONE: Self = Self { messages: 0, bytes: 0 };
}

/// Nothing is counted.
#[derive(Debug)]
pub(crate) struct Free;

impl Tally for Free {
    const COUNTS: bool = false;

    #[inline]
    fn room(&self) -> Room {
        Room::ALL
    }

    #[inline]
    fn skimmed(&mut self, _: u64, _: u64) {}

    #[inline]
    fn admit(&mut self, _: &Header, _: Option<u64>, _: u64) -> bool {
        true
    }

    #[inline]
    fn admit_control(&mut self) -> bool {
        true
    }
}

/// Units granted and used. All numbers are cumulative over the stream.
#[derive(Debug)]
pub(crate) struct Budget {
    measure: Measure,
    granted: u64,
    used: u64,
    /// Wire bytes of counted data frames, for [`Measure::Kib`].
    bytes: u64,
    /// Whether the lease runs, as of this scan.
    live: bool,
    /// What would have let the last refused frame pass.
    need: u64,
}

impl Budget {
    pub(crate) const fn new(measure: Measure) -> Self {
        Self { measure, granted: 0, used: 0, bytes: 0, live: false, need: 0 }
    }

    /// Sets what may be used; never below what was used.
    pub(crate) fn grant(&mut self, to: u64) {
        self.granted = to.max(self.used);
    }

    pub(crate) const fn granted(&self) -> u64 {
        self.granted
    }

    pub(crate) const fn used(&self) -> u64 {
        self.used
    }

    /// What would have let the last refused frame pass.
    pub(crate) const fn need(&self) -> u64 {
        self.need
    }

    /// Says whether the lease runs, before a scan.
    pub(crate) const fn set_live(&mut self, live: bool) {
        self.live = live;
    }

    /// Takes `used` as the new count if it is covered.
    fn spend(&mut self, used: u64) -> bool {
        if self.live && used <= self.granted {
            self.used = used;
            return true;
        }
        self.need = used;
        false
    }
}

impl Tally for Budget {
    const COUNTS: bool = true;

    #[inline]
    fn room(&self) -> Room {
        match self.measure {
            _ if !self.live => Room::NONE,
            Measure::Message => Room { messages: self.granted - self.used, bytes: u64::MAX },
            Measure::Kib => Room {
                messages: u64::MAX,
                bytes: self.granted.saturating_mul(KIB).saturating_sub(self.bytes),
            },
            Measure::Time => Room::ALL,
        }
    }

    #[inline]
    fn skimmed(&mut self, messages: u64, bytes: u64) {
        match self.measure {
            Measure::Message => self.used += messages,
            Measure::Kib => {
                self.bytes += bytes;
                self.used = self.bytes.div_ceil(KIB);
            }
            Measure::Time => {}
        }
    }

    fn admit(&mut self, header: &Header, before: Option<u64>, after: u64) -> bool {
        match self.measure {
            Measure::Message => {
                let cost = message_units(after) - before.map_or(0, message_units);
                self.spend(self.used.saturating_add(cost))
            }
            Measure::Kib => {
                let size = u64::try_from(header.size).unwrap_or(u64::MAX);
                let bytes = self.bytes.saturating_add(size).saturating_add(header.payload);
                let covered = self.spend(bytes.div_ceil(KIB));
                if covered {
                    self.bytes = bytes;
                }
                covered
            }
            Measure::Time => self.admit_control(),
        }
    }

    fn admit_control(&mut self) -> bool {
        self.need = self.used;
        self.measure != Measure::Time || self.live
    }
}

/// Units of a message with this much payload: one, and one more for every started 64 KiB after the first.
fn message_units(payload: u64) -> u64 {
    payload.div_ceil(MESSAGE_UNIT_BYTES).max(1)
}
