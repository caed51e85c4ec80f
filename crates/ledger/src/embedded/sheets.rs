//! Commands on payments, sessions and streams, applied to what the tables have, what changed lately, and what they changed
//! themselves.

use super::base::Base;
use super::changes::{Changes, Mark, Sheet};
use super::failure::Failure;
use crate::core::{self, Applied, Slot};
use crate::model::{Payment, Session, Stream};
use crate::{Command, Error, Outcome, Timestamp};
use tollwire_x402::{PaymentId, SessionId, StreamId};

/// Layers of rows, one over the other: the tables, what changed lately, and what these commands change.
pub(super) struct Sheets<'a> {
    base: &'a mut Base,
    below: [&'a Changes; 2],
    changes: &'a mut Changes,
    written: Written,
}

/// How much of what changed has to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Written {
    /// Nothing changed.
    Nothing,
    /// What a crash may forget, because that does what a lease's end would do: no sync of its own.
    Forgettable,
    /// What must be on the disk before anybody is answered.
    Durably,
}

impl<'a> Sheets<'a> {
    /// Over the tables is what lies `below`, the latest first; over that, what changed and changes now.
    pub(super) fn of(base: &'a mut Base, below: [&'a Changes; 2], changes: &'a mut Changes) -> Self {
        Self { base, below, changes, written: Written::Nothing }
    }

    /// What the changes are worth.
    pub(super) fn written(self) -> Written {
        self.written
    }

    /// Whether a command concerns payments, sessions and streams alone.
    pub(super) fn suffice_for(command: &Command) -> bool {
        command.refund().is_none()
    }

    /// Applies such a command.
    pub(super) fn apply(&mut self, command: &Command, now: Timestamp) -> Result<Outcome, Failure> {
        let payment = match command.payment() {
            Some(id) => self.payment(id)?,
            None => None,
        };
        let session = core::session_of(command, payment.as_ref()).clone();
        let slot = Slot { payment, ..self.slot(command, &session, now)? };
        let was_live = slot.stream.as_ref().and_then(|stream| stream.live_until);
        let applied = core::apply(slot, command, now);
        check(&applied, &session)?;
        self.take(command, &session, was_live, applied)
    }

    /// Of the rows that a command is about, those of its session and its stream.
    pub(super) fn slot(
        &mut self,
        command: &Command,
        session: &SessionId,
        now: Timestamp,
    ) -> Result<Slot, Failure> {
        let stream = match command.stream() {
            Some(id) => self.stream(session, id)?,
            None => None,
        };
        let live = self.open_streams(session, now, core::counts_streams(command))?;
        Ok(Slot { session: self.session(session)?, stream, live, ..Slot::default() })
    }

    /// Keeps what a command did to them; its stream, if any, `was_live` until then. Fails only where the database does.
    pub(super) fn take(
        &mut self,
        command: &Command,
        session: &SessionId,
        was_live: Option<Timestamp>,
        applied: Applied,
    ) -> Result<Outcome, Failure> {
        let Applied { outcome, changed, entries } = applied;
        let Slot { payment, session: row, stream, .. } = changed;
        let worth = match (&payment, &row, &stream) {
            _ if !entries.is_empty() => Written::Durably,
            (None, None, None) => return Ok(outcome),
            (Some(_), _, _) | (_, Some(_), _) | (_, _, Some(_)) => worth(command),
        };
        // Before anything is kept, so that all of it is or nothing.
        let next = if entries.is_empty() { 0 } else { self.next_line(session)? };
        self.written = self.written.max(worth);
        if let (Some(id), Some(row)) = (command.payment(), payment) {
            self.changes.pay(id, Box::new(row));
        }
        if entries.is_empty() && row.is_none() && stream.is_none() {
            return Ok(outcome);
        }
        let sheet = self.changes.sheet(session);
        sheet.lines.extend((next..).zip(entries));
        if row.is_some() {
            sheet.session = row.map(Box::new);
        }
        if let (Some(id), Some(row)) = (command.stream(), stream) {
            if was_live != row.live_until {
                if let Some(until) = was_live {
                    sheet.mark(until.millis(), id, Mark::Removed);
                }
                if let Some(until) = row.live_until {
                    sheet.mark(until.millis(), id, Mark::Added);
                }
            }
            sheet.streams.insert(id.clone(), row);
        }
        Ok(outcome)
    }

    /// What lies over the tables, the latest first.
    fn over(&self, session: &SessionId) -> impl Iterator<Item = &Sheet> {
        let below = self.below.into_iter().filter_map(|changes| changes.of(session));
        self.changes.of(session).into_iter().chain(below)
    }

    fn payment(&mut self, id: &PaymentId) -> Result<Option<Payment>, Failure> {
        let over = [&*self.changes, self.below[0], self.below[1]];
        match over.into_iter().find_map(|changes| changes.payment(id)) {
            Some(row) => Ok(Some(row.clone())),
            None => self.base.payment(id),
        }
    }

    fn session(&mut self, id: &SessionId) -> Result<Option<Session>, Failure> {
        if let Some(row) = self.over(id).find_map(|sheet| sheet.session.as_deref().cloned()) {
            return Ok(Some(row));
        }
        self.base.session(id)
    }

    fn stream(&mut self, session: &SessionId, id: &StreamId) -> Result<Option<Stream>, Failure> {
        if let Some(row) = self.over(session).find_map(|sheet| sheet.streams.get(id).cloned()) {
            return Ok(Some(row));
        }
        self.base.stream(session, id)
    }

    fn open_streams(&mut self, session: &SessionId, now: Timestamp, most: u32) -> Result<u32, Failure> {
        if most == 0 {
            return Ok(0);
        }
        let now = now.millis();
        let over = self.over(session).fold(0_i64, |sum, sheet| sum.saturating_add(sheet.live_after(now)));
        let most = i64::from(most);
        let below = self.base.live(session, now, most.saturating_sub(over))?;
        Ok(u32::try_from(over.saturating_add(below).clamp(0, most)).unwrap_or(u32::MAX))
    }

    fn next_line(&mut self, session: &SessionId) -> Result<u64, Failure> {
        let over = self.over(session).find_map(|sheet| sheet.lines.last_key_value().map(|(line, _)| *line));
        let last = match over {
            Some(line) => Some(line),
            None => self.base.last_line(session)?,
        };
        Ok(last.map_or(0, |line| line.saturating_add(1)))
    }
}

/// Checks what the core made.
pub(super) fn check(applied: &Applied, session: &SessionId) -> Result<(), Failure> {
    let Some(row) = &applied.changed.session else { return Ok(()) };
    core::check_invariants(row)
        .map_err(|broken| Failure::Rows(Error::Corrupt(format!("session {session}: {broken}"))))
}

/// What a command's rows are worth when it writes no line of the journal.
///
/// A hold is for what is served later; a captured unit is served only after its own command. To forget a hold, its
/// return, or the end of a stream whose use is captured, is what the lapse of the hold would come to. A payment that is only
/// recorded has moved nothing yet: what lets a transaction out makes the record durable, too.
pub(super) fn worth(command: &Command) -> Written {
    match command {
        Command::Record { .. } | Command::Hold { .. } | Command::Void { .. } | Command::End { .. } => {
            Written::Forgettable
        }
        _ => Written::Durably,
    }
}
