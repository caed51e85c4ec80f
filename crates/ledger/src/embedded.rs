//! The embedded ledger: one file (two while it is in use), nothing to install, safe against `kill -9` and power cuts.
//!
//! Commands on payments, sessions and streams are applied in memory, by whoever has one (`desk`); all others by the one
//! thread that writes. It makes everything durable, and only then is answered for what a crash must not forget: under load
//! many commands share a sync; alone, a command waits for its own. What commands do to payments, sessions and streams goes
//! to a log first, a file of its own (`log`), and moves into its tables together with much else (`pour`). Readers see what
//! was applied and wait for no sync, but who looks at a payment does: what it shows is acted upon outside.

mod backup;
mod base;
mod batches;
mod books;
mod changes;
mod desk;
mod failure;
mod lazy;
mod log;
mod payouts;
mod pour;
mod purses;
mod reader;
mod recent;
mod refunds;
mod sheets;
mod table_log;
mod tables;
mod writer;

use self::batches::Batches;
use self::desk::Desk;
use self::failure::storage;
use self::log::Log;
use self::reader::Reader;
use self::recent::Recent;
use self::writer::{Answer, Ask, Writer};
use crate::backup::Backup;
use crate::command::Entry;
use crate::file::{self, FileIdentity};
use crate::ledger::{BoxFuture, Watched};
use crate::model::{Payment, Payout, PayoutId, Provider, ProviderAccount, Refund, RefundId, Session, Stream};
use crate::spend::{Charge, Spent};
use crate::{Clock, Command, Error, Ledger, Outcome, PayoutCommand, PayoutOutcome, Timestamp};
use redb::{Builder, Database};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tollwire_x402::{PaymentId, SessionId, StreamId, Usdc};

/// Memory for pages of the file.
const CACHE_BYTES: usize = 64 << 20;

/// A [`Ledger`] in one file, with a log beside it while it is in use. One process at a time may open it.
pub struct EmbeddedLedger {
    // Declared before the database, so that the writer has finished when the file closes.
    writer: Writer,
    db: Arc<Database>,
    recent: Arc<RwLock<Recent>>,
    file: FileIdentity,
    clock: Arc<dyn Clock>,
    born: Timestamp,
}

impl EmbeddedLedger {
    /// Opens the store at `path`, creating the file (not its directory) if there is none.
    ///
    /// [`Error::Unfit`] if the directory is missing, another process has the file open, a newer version wrote it, it was not
    /// closed and its log (the same name and `.wal`) is missing, or there is another store's.
    pub fn open(path: impl AsRef<Path>, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        Self::open_or_make(path.as_ref(), clock, true)
    }

    /// Where the log of the store at `path` is while the store is in use, and after a crash.
    pub fn log_of(path: impl AsRef<Path>) -> PathBuf {
        Log::beside(path.as_ref())
    }

    /// Opens a store that is there already.
    ///
    /// [`Error::Unfit`] if it is not, if there is no ledger in the file, or for the reasons of [`EmbeddedLedger::open`].
    pub fn open_existing(path: impl AsRef<Path>, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let path = path.as_ref();
        match std::fs::metadata(path) {
            Ok(file) if file.len() > 0 => Self::open_or_make(path, clock, false),
            Ok(_) => Err(Error::Unfit(format!("{}: the file is empty", path.display()))),
            Err(error) => Err(Error::Unfit(format!("{}: {error}", path.display()))),
        }
    }

    fn open_or_make(path: &Path, clock: Arc<dyn Clock>, may_make: bool) -> Result<Self, Error> {
        let handle = file::open(path)?;
        let file = FileIdentity::of(path, &handle)?;
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE_BYTES);
        let db = builder.create_file(handle).map_err(|error| named(path, storage(error)))?;
        let log = Log::beside(path);
        let born = tables::prepare(&db, &log, clock.now(), may_make).map_err(|error| named(path, error))?;
        let db = Arc::new(db);
        let recent = Arc::default();
        let desk = Desk::new(&db, file.clone(), Arc::clone(&clock), Arc::clone(&recent))?;
        let desk = Arc::new(Mutex::new(desk));
        let shared = (Arc::clone(&desk), Arc::clone(&recent));
        let files = (file.clone(), Log::at(log));
        let batches = Batches::new(Arc::clone(&db), files, Arc::clone(&clock), shared);
        let writer = Writer::start(desk, batches)?;
        Ok(Self { writer, db, recent, file, clock, born })
    }

    fn read<'a, T: Send + 'a>(
        &'a self,
        read: impl FnOnce(&Reader<'_>) -> Result<T, Error>,
    ) -> BoxFuture<'a, Result<T, Error>> {
        let value = Reader::new(&self.db, &self.recent).and_then(|reader| read(&reader));
        Box::pin(std::future::ready(value))
    }

    /// A read that may take its time: it looks at a copy of what is recent, so that nobody waits for it.
    fn read_long<'a, T: Send + 'a>(
        &'a self,
        read: impl FnOnce(&Reader<'_>) -> Result<T, Error>,
    ) -> BoxFuture<'a, Result<T, Error>> {
        let value = Reader::at_leisure(&self.db, &self.recent).and_then(|reader| read(&reader));
        Box::pin(std::future::ready(value))
    }

    /// A read of payments, once what it shows is durable: `unkept` tells whether it is not.
    fn read_payments<'a, T: Send + 'a>(
        &'a self,
        read: impl FnOnce(&Reader<'_>) -> Result<T, Error>,
        unkept: impl FnOnce(&Reader<'_>, &T) -> bool,
    ) -> BoxFuture<'a, Result<T, Error>> {
        let seen = Reader::new(&self.db, &self.recent).and_then(|reader| {
            let value = read(&reader)?;
            let unkept = unkept(&reader, &value);
            Ok((value, unkept))
        });
        match seen {
            Ok(seen) => self.once_kept(seen),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    /// What was seen, once it is durable if it is `unkept`.
    fn once_kept<'a, T: Send + 'a>(&'a self, (value, unkept): (T, bool)) -> BoxFuture<'a, Result<T, Error>> {
        if !unkept {
            return Box::pin(std::future::ready(Ok(value)));
        }
        let kept = self.writer.keep();
        Box::pin(async move { kept.await.map(|()| value) })
    }

    fn flag(&self, ask: Ask) -> BoxFuture<'_, Result<bool, Error>> {
        let answer = self.writer.ask(ask);
        Box::pin(async move {
            match answer.await? {
                Answer::Flag(flag) => Ok(flag),
                Answer::Outcome(_) | Answer::PaidOut(_) | Answer::Spent(_) => Err(misplaced()),
            }
        })
    }
}

impl Backup for EmbeddedLedger {
    fn backup(&self, path: &Path) -> Result<(), Error> {
        backup::write(&self.db, &self.recent, self.clock.now(), path)
    }
}

impl fmt::Debug for EmbeddedLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedLedger").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Ledger for EmbeddedLedger {
    fn apply(&self, command: Command) -> BoxFuture<'_, Result<Outcome, Error>> {
        let answer = self.writer.ask(Ask::Apply(Box::new(command)));
        Box::pin(async move {
            match answer.await? {
                Answer::Outcome(outcome) => Ok(outcome),
                Answer::Flag(_) | Answer::PaidOut(_) | Answer::Spent(_) => Err(misplaced()),
            }
        })
    }

    fn payment(&self, id: &PaymentId) -> BoxFuture<'_, Result<Option<Payment>, Error>> {
        // Most that are asked for are at work, and so in no need of the tables.
        let recent = {
            let recent = self.recent.read().unwrap_or_else(PoisonError::into_inner);
            recent.payment(id).map(|payment| (Some(payment.clone()), recent.is_unkept(id)))
        };
        match recent {
            Some(seen) => self.once_kept(seen),
            None => self.read_payments(|reader| reader.payment(id), |reader, _| reader.is_unkept(id)),
        }
    }

    fn session(&self, id: &SessionId) -> BoxFuture<'_, Result<Option<Session>, Error>> {
        let now = self.clock.now();
        self.read(|reader| reader.session(id, now))
    }

    fn stream(&self, session: &SessionId, id: &StreamId) -> BoxFuture<'_, Result<Option<Stream>, Error>> {
        self.read(|reader| reader.stream(session, id))
    }

    fn journal(&self, session: &SessionId) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        self.read(|reader| reader.journal(session))
    }

    fn payments_of(&self, tx: &str, limit: usize) -> BoxFuture<'_, Result<Vec<(PaymentId, Payment)>, Error>> {
        self.read_payments(|reader| reader.payments_of(tx, limit), |reader, found| any_unkept(reader, found))
    }

    fn in_doubt(
        &self,
        after: Option<&PaymentId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(PaymentId, Payment)>, Error>> {
        self.read_payments(|reader| reader.in_doubt(after, limit), |reader, found| any_unkept(reader, found))
    }

    fn refund(&self, id: &RefundId) -> BoxFuture<'_, Result<Option<Refund>, Error>> {
        self.read(|reader| reader.refund(id))
    }

    fn refunds_in_doubt(
        &self,
        after: Option<&RefundId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(RefundId, Refund)>, Error>> {
        self.read(|reader| reader.refunds_in_doubt(after, limit))
    }

    fn pay_out(&self, command: PayoutCommand) -> BoxFuture<'_, Result<PayoutOutcome, Error>> {
        let answer = self.writer.ask(Ask::PayOut(Box::new(command)));
        Box::pin(async move {
            match answer.await? {
                Answer::PaidOut(outcome) => Ok(outcome),
                Answer::Outcome(_) | Answer::Flag(_) | Answer::Spent(_) => Err(misplaced()),
            }
        })
    }

    fn provider(&self, account: &ProviderAccount) -> BoxFuture<'_, Result<Option<Provider>, Error>> {
        self.read(|reader| reader.provider(account))
    }

    fn providers(
        &self,
        after: Option<&ProviderAccount>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(ProviderAccount, Provider)>, Error>> {
        self.read(|reader| reader.providers(after, limit))
    }

    fn payout(&self, id: &PayoutId) -> BoxFuture<'_, Result<Option<Payout>, Error>> {
        self.read(|reader| reader.payout(id))
    }

    fn payouts_in_doubt(
        &self,
        after: Option<&PayoutId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(PayoutId, Payout)>, Error>> {
        self.read(|reader| reader.payouts_in_doubt(after, limit))
    }

    fn gathered(
        &self,
        account: &ProviderAccount,
        sessions: Vec<SessionId>,
    ) -> BoxFuture<'_, Result<Vec<Usdc>, Error>> {
        self.read(|reader| reader.gathered(account, &sessions))
    }

    fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(SessionId, Session)>, Error>> {
        let now = self.clock.now();
        self.read_long(|reader| reader.sessions(after, limit, now))
    }

    fn sessions_of(
        &self,
        payer: &str,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(SessionId, Session)>, Error>> {
        let now = self.clock.now();
        self.read_long(|reader| reader.sessions_of(payer, limit, now))
    }

    fn watch(&self, sessions: Vec<SessionId>) -> BoxFuture<'_, Result<Vec<Option<Watched>>, Error>> {
        let whole = self.file.check();
        self.read_long(|reader| whole.and_then(|()| reader.watch(&sessions)))
    }

    fn once(&self, key: &str, ttl: Duration) -> BoxFuture<'_, Result<bool, Error>> {
        self.flag(Ask::Once { key: key.to_owned(), ttl })
    }

    fn spend(
        &self,
        purse: &str,
        id: &str,
        charges: Vec<Charge>,
        window: Duration,
    ) -> BoxFuture<'_, Result<Spent, Error>> {
        let (purse, id) = (purse.to_owned(), id.to_owned());
        let answer = self.writer.ask(Ask::Spend { purse, id, charges, window });
        Box::pin(async move {
            match answer.await? {
                Answer::Spent(spent) => Ok(spent),
                Answer::Outcome(_) | Answer::Flag(_) | Answer::PaidOut(_) => Err(misplaced()),
            }
        })
    }

    fn lease(&self, name: &str, holder: &str, ttl: Duration) -> BoxFuture<'_, Result<bool, Error>> {
        self.flag(Ask::Lease { name: name.to_owned(), holder: holder.to_owned(), ttl })
    }

    fn release(&self, name: &str, holder: &str) -> BoxFuture<'_, Result<(), Error>> {
        let released = self.flag(Ask::Release { name: name.to_owned(), holder: holder.to_owned() });
        Box::pin(async move { released.await.map(drop) })
    }

    fn born(&self) -> BoxFuture<'_, Result<Timestamp, Error>> {
        Box::pin(std::future::ready(Ok(self.born)))
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), Error>> {
        // Through the writer: it must be alive, its file in place, and no earlier write have broken the database.
        let answer = self.flag(Ask::Ready);
        Box::pin(async move { answer.await.map(drop) })
    }
}

fn any_unkept(reader: &Reader<'_>, found: &[(PaymentId, Payment)]) -> bool {
    found.iter().any(|(id, _)| reader.is_unkept(id))
}

fn misplaced() -> Error {
    Error::Unavailable("the writer gave another command's answer".to_owned())
}

fn named(path: &Path, error: Error) -> Error {
    match error {
        Error::Corrupt(why) => Error::Corrupt(format!("{}: {why}", path.display())),
        Error::Unfit(why) | Error::Unavailable(why) => Error::Unfit(format!("{}: {why}", path.display())),
        Error::Lost => Error::Lost,
    }
}
