//! Where commands on payments, sessions and streams are applied: in memory, one after the other, by whoever has one. What
//! they changed is seen at once; what must not be forgotten is answered for once the writer has made it durable.

use super::base::Base;
use super::changes::Changes;
use super::failure::{Failure, storage};
use super::recent::Recent;
use super::sheets::{self, Sheets, Written};
use super::tables::LEASES;
use super::writer::{Answer, Ask};
use crate::file::FileIdentity;
use crate::leases::Leases;
use crate::{Clock, Command, Error, Outcome, Timestamp, WORKING_LEASE_MAX};
use redb::{Database, ReadableDatabase, ReadableTable};
use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// How long what is not in its place, or not durable because a crash may forget it, waits for that.
pub(super) const REST_WITHIN: Duration = Duration::from_secs(1);
/// The most commands whose rows wait for their place: while much moves at once, all others wait.
const RECENT_MAX: usize = 2_048;

/// What is needed to answer for payments, sessions, streams and leases of work.
pub(super) struct Desk {
    pub(super) base: Base,
    /// Leases of work under way: in memory, because whoever else could ask for one is in this process, and a crash ends them
    /// with their holders.
    pub(super) working: Leases,
    file: FileIdentity,
    clock: Arc<dyn Clock>,
    /// Changed, and not in the tables yet; the readers' too.
    recent: Arc<RwLock<Recent>>,
    /// Names of leases that may be in the table.
    kept: HashSet<String>,
    /// How many commands made what is recent, and since when there is any.
    commands: usize,
    since: Option<Instant>,
    /// How many changes had to be made durable, and how many of them are.
    owed: u64,
    durable: u64,
}

/// What became of a command.
pub(super) struct Done {
    pub(super) answer: Answer,
    /// The answer is true once what has changed so far is durable.
    pub(super) once_durable: bool,
    /// The writer has to be told that there is something to put in its place.
    pub(super) tell: bool,
}

impl Desk {
    pub(super) fn new(
        db: &Arc<Database>,
        file: FileIdentity,
        clock: Arc<dyn Clock>,
        recent: Arc<RwLock<Recent>>,
    ) -> Result<Self, Error> {
        Ok(Self {
            base: Base::of(Arc::clone(db)),
            working: Leases::default(),
            file,
            clock,
            recent,
            kept: kept(db)?,
            commands: 0,
            since: None,
            owed: 0,
            durable: 0,
        })
    }

    /// Whether it needs no table but those of payments, sessions and streams.
    pub(super) fn suffices_for(&self, ask: &Ask) -> bool {
        match ask {
            Ask::Apply(command) => Sheets::suffice_for(command),
            Ask::Lease { name, ttl, .. } => *ttl <= WORKING_LEASE_MAX && !self.kept.contains(name),
            Ask::Release { name, .. } => !self.kept.contains(name),
            Ask::PayOut(_) | Ask::Once { .. } | Ask::Spend { .. } | Ask::Ready => false,
        }
    }

    /// Does what is asked, if the desk suffices for it.
    pub(super) fn run(&mut self, ask: &Ask) -> Result<Done, Failure> {
        let now = self.clock.now();
        let flag = match ask {
            Ask::Apply(command) => return self.apply(command, now),
            Ask::Lease { name, holder, ttl } => self.working.take(name, holder, now.after(*ttl), now),
            Ask::Release { name, holder } => self.working.release(name, holder),
            Ask::PayOut(_) | Ask::Once { .. } | Ask::Spend { .. } | Ask::Ready => {
                return Err(Failure::Rows(Error::Unavailable(
                    "this needs more tables than these".to_owned(),
                )));
            }
        };
        Ok(Done { answer: Answer::Flag(flag), once_durable: false, tell: false })
    }

    fn apply(&mut self, command: &Command, now: Timestamp) -> Result<Done, Failure> {
        if sheets::worth(command) == Written::Forgettable {
            // Nothing of it is written now, but a lost store admits nobody; all else is refused where it is written.
            self.file.check().map_err(Failure::Rows)?;
        }
        let (outcome, written) = {
            let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
            let (changes, below) = recent.layers();
            let mut sheets = Sheets::of(&mut self.base, below, changes);
            let (outcome, written) = (sheets.apply(command, now)?, sheets.written());
            if let (Written::Durably, Some(payment)) = (written, command.payment()) {
                recent.must_keep(payment);
            }
            (outcome, written)
        };
        let mut tell = false;
        if written > Written::Nothing {
            self.commands = self.commands.saturating_add(1);
            tell = self.since.is_none() || self.commands == RECENT_MAX;
            self.since.get_or_insert_with(Instant::now);
        }
        if written == Written::Durably {
            self.owed = self.owed.wrapping_add(1);
        }
        // What changed nothing may have found done what is not durable yet.
        let counts = match command {
            Command::Record { .. } => matches!(outcome, Outcome::Replayed(_)),
            _ => written.max(sheets::worth(command)) == Written::Durably,
        };
        let once_durable = counts && self.owed != self.durable;
        Ok(Done { answer: Answer::Outcome(outcome), once_durable, tell })
    }

    /// Leases that will be in the table.
    pub(super) fn keep(&mut self, names: impl Iterator<Item = String>) {
        self.kept.extend(names);
    }

    /// Whether there is anything that is not in the tables.
    pub(super) fn has_recent(&self) -> bool {
        self.since.is_some()
    }

    /// Whether there is much of it, or it has been waiting.
    pub(super) fn should_pour(&self) -> bool {
        self.commands >= RECENT_MAX || self.since.is_some_and(|since| since.elapsed() >= REST_WITHIN)
    }

    /// Everything recent is in the tables. Whether the log lacks any of it.
    pub(super) fn poured_all(&mut self) -> bool {
        let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        let unlogged = recent.has_unlogged();
        recent.poured_all();
        (self.commands, self.since) = (0, None);
        self.base.forget();
        unlogged
    }

    /// What is in the log is in the tables, too.
    pub(super) fn poured_logged(&mut self) {
        let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        recent.poured_logged();
        (self.commands, self.since) = (0, recent.has_unlogged().then(Instant::now));
        self.base.forget();
    }

    /// Whether changes that had to be made durable are not.
    pub(super) fn owes(&self) -> bool {
        self.owed != self.durable
    }

    /// What goes into the log to make durable what had to be until now: that much.
    pub(super) fn set_out(&mut self) -> (u64, Arc<Changes>) {
        (self.owed, self.recent.write().unwrap_or_else(PoisonError::into_inner).set_out())
    }

    /// What set out is durable: that much.
    pub(super) fn arrived(&mut self, owed: u64) {
        self.recent.write().unwrap_or_else(PoisonError::into_inner).arrived();
        self.durable = owed;
    }

    /// Everything is in the tables and on the disk.
    pub(super) fn kept(&mut self) {
        self.recent.write().unwrap_or_else(PoisonError::into_inner).kept();
        self.durable = self.owed;
    }
}

/// Names of the leases in the table.
fn kept(db: &Database) -> Result<HashSet<String>, Error> {
    let txn = db.begin_read().map_err(storage)?;
    let table = txn.open_table(LEASES).map_err(storage)?;
    let rows = table.iter().map_err(storage)?;
    rows.map(|row| Ok(row.map_err(storage)?.0.value().to_owned())).collect()
}
