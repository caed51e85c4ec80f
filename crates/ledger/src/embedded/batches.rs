//! The writer's side of the store: what needs more tables than those of sessions and streams is applied here, batch by
//! batch, and everything becomes durable and finds its place.

use super::books::Books;
use super::changes::Changes;
use super::desk::Desk;
use super::failure::{Failure, storage};
use super::log;
use super::recent::Recent;
use super::sheets::{Sheets, Written};
use super::writer::{Answer, Ask};
use crate::file::FileIdentity;
use crate::{Clock, Error, WORKING_LEASE_MAX};
use redb::{Database, Durability};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// What the writer works with.
pub(super) struct Batches {
    db: Arc<Database>,
    file: FileIdentity,
    clock: Arc<dyn Clock>,
    desk: Arc<Mutex<Desk>>,
    /// Changed, and not in the tables yet; the desk's and the readers' too.
    recent: Arc<RwLock<Recent>>,
    /// Whether a transaction was committed without a sync.
    unsynced: bool,
}

type Answers = Vec<Result<Answer, Error>>;

impl Batches {
    pub(super) fn new(
        db: Arc<Database>,
        file: FileIdentity,
        clock: Arc<dyn Clock>,
        (desk, recent): (Arc<Mutex<Desk>>, Arc<RwLock<Recent>>),
    ) -> Self {
        Self { db, file, clock, desk, recent, unsynced: false }
    }

    /// Makes durable what somebody waits for: once this returns, what was answered is true, at the desk or by `apply`.
    /// Meanwhile the desk is open.
    pub(super) fn settle(&mut self) -> Result<(), Error> {
        let (owed, changes) = {
            let desk = self.desk();
            let Some(owed) = desk.owes() else { return Ok(()) };
            self.file.check()?;
            (owed, self.recent.write().unwrap_or_else(PoisonError::into_inner).set_out())
        };
        if changes.is_empty() {
            // It is in the tables already.
            self.sync()?;
        } else {
            log::note(&self.db, &changes)?;
            self.unsynced = false;
            drop(changes);
        }
        let mut desk = self.desk();
        self.recent.write().unwrap_or_else(PoisonError::into_inner).arrived();
        desk.paid(owed);
        Ok(())
    }

    /// Applies what was queued.
    pub(super) fn apply(&mut self, asks: &[Ask]) -> Result<Answers, Error> {
        if asks.is_empty() {
            return Ok(Answers::new());
        }
        self.file.check()?;
        let desk = Arc::clone(&self.desk);
        let mut desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
        if asks.iter().all(|ask| desk.suffices_for(ask)) {
            answers(asks, |ask| desk.run(ask).map(|done| done.answer))
        } else {
            self.through_the_tables(&mut desk, asks)
        }
    }

    /// Whether something is left to do when there is nothing else to do.
    pub(super) fn waiting(&self) -> bool {
        self.unsynced || self.desk().has_recent()
    }

    /// Puts everything in its place, durably.
    pub(super) fn rest(&mut self) {
        let put = self.pour_all().and_then(|()| if self.unsynced { self.sync() } else { Ok(()) });
        if let Err(error) = put {
            tracing::error!(%error, "the ledger cannot put its changes in their place");
        }
    }

    /// Puts everything in its place if there is much of it, or it has been waiting.
    pub(super) fn tidy(&mut self) {
        let due = self.desk().should_pour();
        if due && let Err(error) = self.pour_all() {
            // Nothing is lost: what was answered for is in the log, and the readers see all of it.
            tracing::error!(%error, "the ledger cannot move its changes into their tables");
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pour_all(&mut self) -> Result<(), Error> {
        let desk = Arc::clone(&self.desk);
        self.pour(&mut desk.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A batch that needs other tables, too. The desk is closed meanwhile.
    fn through_the_tables(&mut self, desk: &mut Desk, asks: &[Ask]) -> Result<Answers, Error> {
        if asks.iter().any(|ask| matches!(ask, Ask::Apply(_))) {
            self.pour(desk)?;
        }
        desk.keep(asks.iter().filter_map(|ask| match ask {
            Ask::Lease { name, ttl, .. } if *ttl > WORKING_LEASE_MAX => Some(name.clone()),
            _ => None,
        }));
        // Of the tables as they are now.
        desk.base.forget();
        let (answers, written) = self.transaction(desk, asks)?;
        desk.base.forget();
        if written == Written::Durably
            && !desk.has_recent()
            && let Some(owed) = desk.owes()
        {
            desk.paid(owed);
        }
        Ok(answers)
    }

    fn transaction(&mut self, desk: &mut Desk, asks: &[Ask]) -> Result<(Answers, Written), Error> {
        let now = || self.clock.now();
        let mut txn = self.db.begin_write().map_err(storage)?;
        let (below, mut changes) = (Changes::default(), Changes::default());
        let sheets = Sheets::of(&mut desk.base, [&below, &below], &mut changes);
        let mut books = Books::of(&txn, sheets, &mut desk.working);
        // Where it fails, dropping the transaction aborts it.
        let answers = answers(asks, |ask| books.run(ask, now()))?;
        let written = books.written();
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
        Ok((answers, written))
    }

    /// Moves what is recent into the tables. It is durable with the next sync; until then the log, too, is as it was.
    fn pour(&mut self, desk: &mut Desk) -> Result<(), Error> {
        if !desk.has_recent() {
            return Ok(());
        }
        let mut txn = self.db.begin_write().map_err(storage)?;
        without_sync(&mut txn)?;
        // Of a copy: if it fails, the log still lacks what it lacked.
        let all = self.recent.read().unwrap_or_else(PoisonError::into_inner).all();
        log::pour(&txn, &all, self.clock.now())?;
        txn.commit().map_err(storage)?;
        desk.poured();
        self.unsynced = true;
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

/// The answers of a batch, unless the database fails: bad rows are one job's matter.
fn answers(asks: &[Ask], mut run: impl FnMut(&Ask) -> Result<Answer, Failure>) -> Result<Answers, Error> {
    let mut answers = Vec::with_capacity(asks.len());
    for ask in asks {
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

#[cfg(test)]
mod tests {
    use super::super::desk::Done;
    use super::super::tables;
    use super::*;
    use crate::core::tests::{credit, hold, intent, post, record, session_id};
    use crate::{Command, Outcome, Timestamp};
    use redb::Builder;
    use redb::backends::InMemoryBackend;
    use tempfile::NamedTempFile;

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(1_000)
        }
    }

    /// A desk with ten units, and what the writer would work with.
    fn desk() -> (Arc<Mutex<Desk>>, Batches, NamedTempFile) {
        let clock: Arc<dyn Clock> = Arc::new(Still);
        let db = Arc::new(Builder::new().create_with_backend(InMemoryBackend::new()).unwrap());
        tables::prepare(&db, clock.now(), true).unwrap();
        let file = NamedTempFile::new().unwrap();
        let identity = FileIdentity::of(file.path(), file.as_file()).unwrap();
        let recent = Arc::default();
        let desk = Desk::new(&db, identity.clone(), Arc::clone(&clock), Arc::clone(&recent)).unwrap();
        let desk = Arc::new(Mutex::new(desk));
        let mut batches = Batches::new(db, identity, clock, (Arc::clone(&desk), recent));
        let bought = [record(intent(10)), credit()].map(|command| Ask::Apply(Box::new(command)));
        for answer in batches.apply(&bought).unwrap() {
            assert!(matches!(answer, Ok(Answer::Outcome(Outcome::Done(_)))));
        }
        (desk, batches, file)
    }

    /// The answer, and whether it is true only once it is durable.
    fn run(desk: &Mutex<Desk>, command: Command) -> (Outcome, bool) {
        let done = desk.lock().unwrap().run(&Ask::Apply(Box::new(command)));
        match done {
            Ok(Done { answer: Answer::Outcome(outcome), once_durable, .. }) => (outcome, once_durable),
            _ => panic!("no outcome"),
        }
    }

    /// A session that is revoked already: nothing changes, but what made it so may be on its way to the disk.
    fn revoke(desk: &Mutex<Desk>) -> (Outcome, bool) {
        run(desk, Command::Revoke { session: session_id() })
    }

    #[test]
    fn what_must_be_kept_waits_for_a_sync_and_so_does_whoever_finds_it_done() {
        let (desk, mut batches, _file) = desk();
        // A crash may forget a hold.
        assert!(matches!(run(&desk, hold("a", None, 1)), (Outcome::Held { fence: 1, .. }, false)));
        assert!(matches!(run(&desk, post("a", 1, 1)), (Outcome::Done(_), true)));
        batches.settle().unwrap();
        assert!(matches!(revoke(&desk), (Outcome::Done(_), true)));
        assert!(matches!(revoke(&desk), (Outcome::Replayed(_), true)));
        batches.settle().unwrap();
        assert!(matches!(revoke(&desk), (Outcome::Replayed(_), false)));
    }

    #[test]
    fn what_a_lost_file_did_not_take_is_owed_until_it_does() {
        let (desk, mut batches, file) = desk();
        assert!(matches!(revoke(&desk), (Outcome::Done(_), true)));
        let aside = file.path().with_extension("aside");
        std::fs::rename(file.path(), &aside).unwrap();
        assert_eq!(batches.settle(), Err(Error::Lost));
        assert!(matches!(revoke(&desk), (Outcome::Replayed(_), true)));
        std::fs::rename(&aside, file.path()).unwrap();
        batches.settle().unwrap();
        assert!(matches!(revoke(&desk), (Outcome::Replayed(_), false)));
    }

    #[test]
    fn what_moved_into_the_tables_without_a_sync_is_owed_still() {
        let (desk, mut batches, _file) = desk();
        assert!(matches!(revoke(&desk), (Outcome::Done(_), true)));
        batches.pour_all().unwrap();
        assert!(matches!(revoke(&desk), (Outcome::Replayed(_), true)));
        assert!(batches.unsynced);
        batches.settle().unwrap();
        assert!(!batches.unsynced);
        assert!(matches!(revoke(&desk), (Outcome::Replayed(_), false)));
    }
}
