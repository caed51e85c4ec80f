//! The writer's side of the store: what needs more tables than those of sessions and streams is applied here, batch by
//! batch, and everything becomes durable and finds its place.

use super::books::Books;
use super::changes::Changes;
use super::desk::Desk;
use super::failure::{Failure, storage};
use super::log::Log;
use super::pour::pour;
use super::recent::Recent;
use super::sheets::{Sheets, Written};
use super::tables;
use super::writer::{Answer, Ask};
use crate::file::FileIdentity;
use crate::{Clock, Error, WORKING_LEASE_MAX};
use redb::{Database, Durability, WriteTransaction};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// What the writer works with.
pub(super) struct Batches {
    db: Arc<Database>,
    file: FileIdentity,
    log: Log,
    clock: Arc<dyn Clock>,
    desk: Arc<Mutex<Desk>>,
    /// Changed, and not in the tables yet; the desk's and the readers' too.
    recent: Arc<RwLock<Recent>>,
    /// Whether a transaction was committed without a sync.
    unsynced: bool,
    /// Whether such a one has what is not in the log: the next entry, which may build upon it, must not be there without.
    bare: bool,
}

type Answers = Vec<Result<Answer, Error>>;

impl Batches {
    pub(super) fn new(
        db: Arc<Database>,
        (file, log): (FileIdentity, Log),
        clock: Arc<dyn Clock>,
        (desk, recent): (Arc<Mutex<Desk>>, Arc<RwLock<Recent>>),
    ) -> Self {
        Self { db, file, log, clock, desk, recent, unsynced: false, bare: false }
    }

    /// Makes durable what somebody waits for: once this returns, what was answered is true, at the desk or by `apply`.
    /// Meanwhile the desk is open.
    pub(super) fn settle(&mut self) -> Result<(), Error> {
        if self.desk().owes() { self.log_all() } else { Ok(()) }
    }

    /// Applies what was queued.
    pub(super) fn apply(&mut self, asks: &[Ask]) -> Result<Answers, Error> {
        if asks.is_empty() {
            return Ok(Answers::new());
        }
        self.file.check()?;
        self.log.check()?;
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
        if let Err(error) = self.put_all() {
            tracing::error!(%error, "the ledger cannot put its changes in their place");
        }
    }

    /// The same, and then the file needs its log no more.
    pub(super) fn finish(&mut self) {
        if let Err(error) = self.put_all().and_then(|()| self.log.close(&self.db)) {
            tracing::error!(%error, "the ledger is not closed; what it cannot put in its place is in its log");
        }
    }

    /// Puts what there is in its place if there is much of it, or it has been waiting.
    pub(super) fn tidy(&mut self) {
        let due = self.desk().should_pour();
        if due && let Err(error) = self.log_all().and_then(|()| self.pour_logged()) {
            // Nothing is lost: what was answered for is in the log, and the readers see all of it.
            tracing::error!(%error, "the ledger cannot move its changes into their tables");
        }
    }

    fn put_all(&mut self) -> Result<(), Error> {
        self.pour_all()?;
        if self.unsynced { self.sync() } else { Ok(()) }
    }

    /// Adds to the log what it lacks.
    fn log_all(&mut self) -> Result<(), Error> {
        self.file.check()?;
        if self.bare {
            self.sync()?;
        }
        let (owed, changes) = self.desk().set_out();
        if !changes.is_empty() {
            self.log.append(&self.db, &changes)?;
        }
        drop(changes);
        self.desk().arrived(owed);
        Ok(())
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
        if written == Written::Durably && !desk.has_recent() {
            desk.kept();
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
            pour(&txn, &changes, now())?;
        }
        match written {
            Written::Nothing => txn.abort().map_err(storage)?,
            Written::Forgettable => {
                without_sync(&mut txn)?;
                txn.commit().map_err(storage)?;
                (self.unsynced, self.bare) = (true, true);
            }
            Written::Durably => {
                txn.commit().map_err(storage)?;
                self.synced();
            }
        }
        Ok((answers, written))
    }

    /// Moves what is recent into the tables. It is durable with the next sync; until then the log, too, is as it was.
    fn pour(&mut self, desk: &mut Desk) -> Result<(), Error> {
        if !desk.has_recent() {
            return Ok(());
        }
        // Of a copy: if it fails, the log still lacks what it lacked.
        let all = self.recent.read().unwrap_or_else(PoisonError::into_inner).all();
        self.pouring(&all)?.commit().map_err(storage)?;
        self.log.poured();
        self.unsynced = true;
        self.bare |= desk.poured_all();
        Ok(())
    }

    /// Moves what is in the log into the tables. The desk is open but for a moment.
    fn pour_logged(&mut self) -> Result<(), Error> {
        let logged = self.recent.read().unwrap_or_else(PoisonError::into_inner).logged();
        let txn = self.pouring(&logged)?;
        drop(logged);
        let desk = Arc::clone(&self.desk);
        let mut desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody may come to count what is in the tables and over them.
        txn.commit().map_err(storage)?;
        self.log.poured();
        self.unsynced = true;
        desk.poured_logged();
        drop(desk);
        if self.log.is_long() { self.sync() } else { Ok(()) }
    }

    /// A transaction that puts changes, and all there is in the log, in their tables.
    fn pouring(&self, changes: &Changes) -> Result<WriteTransaction, Error> {
        let mut txn = self.db.begin_write().map_err(storage)?;
        without_sync(&mut txn)?;
        pour(&txn, changes, self.clock.now())?;
        if let Some(last) = self.log.last() {
            tables::poured(&txn, last)?;
        }
        Ok(txn)
    }

    /// Makes durable what was committed without that.
    fn sync(&mut self) -> Result<(), Error> {
        let txn = self.db.begin_write().map_err(storage)?;
        txn.commit().map_err(storage)?;
        self.synced();
        Ok(())
    }

    fn synced(&mut self) {
        (self.unsynced, self.bare) = (false, false);
        self.log.synced();
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
    use super::*;
    use crate::core::tests::{credit, hold, intent, payment_id, post, record, session_id};
    use crate::{Command, Outcome, Timestamp};
    use redb::Builder;
    use redb::backends::InMemoryBackend;
    use std::path::PathBuf;
    use tempfile::TempDir;

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(1_000)
        }
    }

    /// A desk with ten units, and what the writer would work with.
    fn desk() -> (Arc<Mutex<Desk>>, Batches, TempDir) {
        let clock: Arc<dyn Clock> = Arc::new(Still);
        let db = Arc::new(Builder::new().create_with_backend(InMemoryBackend::new()).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let path = store_in(&folder);
        let identity = FileIdentity::of(&path, &crate::file::create_new(&path).unwrap()).unwrap();
        let log = Log::beside(&path);
        tables::prepare(&db, &log, clock.now(), true).unwrap();
        let recent = Arc::default();
        let desk = Desk::new(&db, identity.clone(), Arc::clone(&clock), Arc::clone(&recent)).unwrap();
        let desk = Arc::new(Mutex::new(desk));
        let mut batches = Batches::new(db, (identity, Log::at(log)), clock, (Arc::clone(&desk), recent));
        let bought = [record(intent(10)), credit()].map(|command| Ask::Apply(Box::new(command)));
        for answer in batches.apply(&bought).unwrap() {
            assert!(matches!(answer, Ok(Answer::Outcome(Outcome::Done(_)))));
        }
        (desk, batches, folder)
    }

    fn store_in(folder: &TempDir) -> PathBuf {
        folder.path().join("store.db")
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
        let (desk, mut batches, _folder) = desk();
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
        let (desk, mut batches, folder) = desk();
        let path = store_in(&folder);
        assert!(matches!(revoke(&desk), (Outcome::Done(_), true)));
        let aside = path.with_extension("aside");
        std::fs::rename(&path, &aside).unwrap();
        assert_eq!(batches.settle(), Err(Error::Lost));
        assert!(matches!(revoke(&desk), (Outcome::Replayed(_), true)));
        std::fs::rename(&aside, &path).unwrap();
        batches.settle().unwrap();
        assert!(matches!(revoke(&desk), (Outcome::Replayed(_), false)));
    }

    #[test]
    fn what_moved_into_the_tables_without_a_sync_is_owed_still() {
        let (desk, mut batches, _folder) = desk();
        assert!(matches!(revoke(&desk), (Outcome::Done(_), true)));
        batches.pour_all().unwrap();
        assert!(matches!(revoke(&desk), (Outcome::Replayed(_), true)));
        assert!(batches.unsynced);
        batches.settle().unwrap();
        assert!(!batches.unsynced);
        assert!(matches!(revoke(&desk), (Outcome::Replayed(_), false)));
    }

    #[test]
    fn what_is_seen_of_a_payment_is_not_kept_before_a_sync_wherever_it_is() {
        let (desk, mut batches, _folder) = desk();
        let unkept = |batches: &Batches| batches.recent.read().unwrap().is_unkept(&payment_id());
        // Whoever comes with it again is told what it is only then, too.
        assert!(unkept(&batches));
        assert!(matches!(run(&desk, record(intent(10))), (Outcome::Replayed(_), true)));
        let (owed, _changes) = desk.lock().unwrap().set_out();
        assert!(unkept(&batches), "on its way");
        batches.pour_all().unwrap();
        assert!(unkept(&batches), "in the tables without a sync");
        batches.settle().unwrap();
        assert!(owed > 0 && !unkept(&batches));
        assert!(matches!(run(&desk, record(intent(10))), (Outcome::Replayed(_), false)));
    }

    #[test]
    fn a_record_alone_is_shown_at_once() {
        let (desk, batches, _folder) = desk();
        let other: tollwire_x402::PaymentId = "eip155:8453/another/payment".parse().unwrap();
        let alone = Command::Record { payment: other.clone(), intent: Box::new(intent(10)) };
        assert!(matches!(run(&desk, alone), (Outcome::Done(_), false)));
        let recent = batches.recent.read().unwrap();
        assert!(recent.payment(&other).is_some() && !recent.is_unkept(&other));
    }

    #[test]
    fn an_entry_is_not_added_upon_what_only_the_tables_have_before_these_are_synced() {
        let (desk, mut batches, _folder) = desk();
        batches.settle().unwrap();
        assert!(matches!(run(&desk, hold("a", None, 1)), (Outcome::Held { .. }, false)));
        batches.pour_all().unwrap();
        assert!(batches.bare && batches.unsynced, "the log lacks the hold");
        assert!(matches!(run(&desk, post("a", 1, 1)), (Outcome::Done(_), true)));
        batches.settle().unwrap();
        assert!(!batches.bare && !batches.unsynced);
        // What the log has needs no sync when it moves.
        batches.pour_logged().unwrap();
        assert!(!batches.bare && batches.unsynced && !batches.recent.read().unwrap().has_unlogged());
        assert!(!batches.desk().has_recent());
        batches.finish();
        assert!(!batches.unsynced && batches.log.last().is_none());
    }
}
