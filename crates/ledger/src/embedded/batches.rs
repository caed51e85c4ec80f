//! What becomes of a batch: applied in order, made durable with one sync, and only then answered.

use super::books::Books;
use super::failure::{Failure, storage};
use super::log;
use super::recent::Recent;
use super::sheets::{Sheets, Written};
use super::tables::LEASES;
use super::writer::{Answer, Ask};
use crate::file::FileIdentity;
use crate::leases::Leases;
use crate::{Clock, Error, WORKING_LEASE_MAX};
use redb::{Database, Durability, ReadableDatabase, ReadableTable};
use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// How long what is not in its place, or not durable because a crash may forget it, waits for that.
pub(super) const REST_WITHIN: Duration = Duration::from_secs(1);
/// The most commands whose rows wait for their place: what moves at once keeps the next batch waiting.
const RECENT_MAX: usize = 2_048;

/// The writer's side of the store.
pub(super) struct Batches {
    db: Arc<Database>,
    file: FileIdentity,
    clock: Arc<dyn Clock>,
    /// Changed, and not in the tables yet; the readers' too.
    recent: Arc<RwLock<Recent>>,
    /// How many commands made what is recent, and since when there is any.
    commands: usize,
    since: Option<Instant>,
    /// Leases of work under way.
    working: Leases,
    /// Names of leases that may be in the table.
    kept: HashSet<String>,
    /// Whether a transaction was committed without a sync.
    unsynced: bool,
}

type Answers = Vec<Result<Answer, Error>>;

impl Batches {
    pub(super) fn new(
        db: Arc<Database>,
        file: FileIdentity,
        clock: Arc<dyn Clock>,
        recent: Arc<RwLock<Recent>>,
    ) -> Result<Self, Error> {
        let kept = kept(&db)?;
        Ok(Self {
            db,
            file,
            clock,
            recent,
            commands: 0,
            since: None,
            working: Leases::default(),
            kept,
            unsynced: false,
        })
    }

    /// Applies a batch; its answers are true once this returns.
    pub(super) fn commit(&mut self, batch: &[Ask]) -> Result<Answers, Error> {
        self.file.check()?;
        if batch.iter().all(|ask| self.is_light(ask)) {
            self.through_the_log(batch)
        } else {
            self.through_the_tables(batch)
        }
    }

    /// Whether it needs no table but those of sessions and streams.
    fn is_light(&self, ask: &Ask) -> bool {
        match ask {
            Ask::Apply(command) => Sheets::suffice_for(command),
            Ask::Lease { name, ttl, .. } => *ttl <= WORKING_LEASE_MAX && !self.kept.contains(name),
            Ask::Release { name, .. } => !self.kept.contains(name),
            Ask::PayOut(_) | Ask::Once { .. } | Ask::Spend { .. } | Ask::Ready => false,
        }
    }

    /// Whether something is left to do when there is nothing else to do.
    pub(super) fn waiting(&self) -> bool {
        self.unsynced || self.since.is_some()
    }

    /// Puts everything in its place, durably.
    pub(super) fn rest(&mut self) {
        let put = self.pour().and_then(|()| if self.unsynced { self.sync() } else { Ok(()) });
        if let Err(error) = put {
            tracing::error!(%error, "the ledger cannot put its changes in their place");
        }
    }

    /// Puts everything in its place if there is much of it, or it has been waiting.
    pub(super) fn tidy(&mut self) {
        let old = self.since.is_some_and(|since| since.elapsed() >= REST_WITHIN);
        if (old || self.commands >= RECENT_MAX)
            && let Err(error) = self.pour()
        {
            // Nothing is lost: it is in the log, and the readers see it.
            tracing::error!(%error, "the ledger cannot move its changes into their tables");
        }
    }

    /// A batch on sessions, streams and leases of work alone.
    fn through_the_log(&mut self, batch: &[Ask]) -> Result<Answers, Error> {
        let (answers, changes, written) = {
            let recent = self.recent.read().unwrap_or_else(PoisonError::into_inner);
            let mut sheets = Sheets::of(&self.db, &recent);
            let answers = answers(batch, |ask| match ask {
                Ask::Apply(command) => sheets.apply(command, self.clock.now()).map(Answer::Outcome),
                Ask::Lease { name, holder, ttl } => {
                    let now = self.clock.now();
                    Ok(Answer::Flag(self.working.take(name, holder, now.after(*ttl), now)))
                }
                Ask::Release { name, holder } => Ok(Answer::Flag(self.working.release(name, holder))),
                Ask::PayOut(_) | Ask::Once { .. } | Ask::Spend { .. } | Ask::Ready => Err(misplaced()),
            })?;
            let (changes, written) = sheets.done();
            if written == Written::Durably {
                // Whatever it builds on has to be durable, too.
                log::note(&self.db, recent.forgettable(), &changes)?;
                self.unsynced = false;
            }
            (answers, changes, written)
        };
        {
            let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
            match written {
                Written::Nothing => return Ok(answers),
                Written::Forgettable => recent.lay(changes),
                Written::Durably => recent.lay_logged(changes),
            }
        }
        self.commands = self.commands.saturating_add(batch.len());
        self.since.get_or_insert_with(Instant::now);
        Ok(answers)
    }

    /// Any other batch.
    fn through_the_tables(&mut self, batch: &[Ask]) -> Result<Answers, Error> {
        if batch.iter().any(|ask| matches!(ask, Ask::Apply(_))) {
            self.pour()?;
        }
        let long = batch.iter().filter_map(|ask| match ask {
            Ask::Lease { name, ttl, .. } if *ttl > WORKING_LEASE_MAX => Some(name.clone()),
            _ => None,
        });
        self.kept.extend(long);
        let (db, now) = (Arc::clone(&self.db), || self.clock.now());
        let mut txn = db.begin_write().map_err(storage)?;
        let nothing = Recent::default();
        let mut books = Books::of(&txn, Sheets::of(&db, &nothing), &mut self.working);
        // Where it fails, dropping the transaction aborts it.
        let answers = answers(batch, |ask| books.run(ask, now()))?;
        let (changes, written) = books.done();
        if !changes.is_empty() {
            log::pour(&txn, &changes, now())?;
        }
        match written {
            Written::Nothing => txn.abort().map_err(storage)?,
            Written::Forgettable => {
                without_sync(&mut txn)?;
                txn.commit().map_err(storage)?;
                self.unsynced = true;
            }
            Written::Durably => {
                txn.commit().map_err(storage)?;
                self.unsynced = false;
            }
        }
        Ok(answers)
    }

    /// Moves what is recent into the tables. It is durable with the next sync; until then the log, too, is as it was.
    fn pour(&mut self) -> Result<(), Error> {
        if self.since.is_none() {
            return Ok(());
        }
        let mut txn = self.db.begin_write().map_err(storage)?;
        without_sync(&mut txn)?;
        // Of a copy: if it fails, the log still lacks what it lacked.
        let all = self.recent.read().unwrap_or_else(PoisonError::into_inner).all();
        log::pour(&txn, &all, self.clock.now())?;
        txn.commit().map_err(storage)?;
        *self.recent.write().unwrap_or_else(PoisonError::into_inner) = Recent::default();
        (self.commands, self.since, self.unsynced) = (0, None, true);
        Ok(())
    }

    /// Makes durable what was committed without that.
    fn sync(&mut self) -> Result<(), Error> {
        let txn = self.db.begin_write().map_err(storage)?;
        txn.commit().map_err(storage)?;
        self.unsynced = false;
        Ok(())
    }
}

/// Names of the leases in the table.
fn kept(db: &Database) -> Result<HashSet<String>, Error> {
    let txn = db.begin_read().map_err(storage)?;
    let table = txn.open_table(LEASES).map_err(storage)?;
    let rows = table.iter().map_err(storage)?;
    rows.map(|row| Ok(row.map_err(storage)?.0.value().to_owned())).collect()
}

fn misplaced() -> Failure {
    Failure::Rows(Error::Unavailable("a batch of sessions had something else in it".to_owned()))
}

/// The answers of a batch, unless the database fails: bad rows are one job's matter.
fn answers(batch: &[Ask], mut run: impl FnMut(&Ask) -> Result<Answer, Failure>) -> Result<Answers, Error> {
    let mut answers = Vec::with_capacity(batch.len());
    for ask in batch {
        match run(ask) {
            Ok(answer) => answers.push(Ok(answer)),
            Err(Failure::Rows(error)) => answers.push(Err(error)),
            Err(Failure::Store(error)) => return Err(error),
        }
    }
    Ok(answers)
}

fn without_sync(txn: &mut redb::WriteTransaction) -> Result<(), Error> {
    txn.set_durability(Durability::None).map_err(|error| Error::Unavailable(error.to_string()))
}
