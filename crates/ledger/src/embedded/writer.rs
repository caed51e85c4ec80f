//! The one writer: takes what is queued, applies it in order, syncs once, then answers everybody.

use super::books::{Books, Written};
use super::failure::{Failure, storage};
use crate::file::FileIdentity;
use crate::leases::Leases;
use crate::spend::{Charge, Spent};
use crate::{Clock, Command, Error, Outcome, PayoutCommand, PayoutOutcome};
use futures_channel::oneshot;
use redb::{Database, Durability};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// The most commands that wait; beyond it callers are told to come again.
const QUEUE_MAX: usize = 8_192;
/// The most commands in one transaction, so that the first does not wait long for the last.
const BATCH_MAX: usize = 512;
/// How long what a crash may forget waits for a transaction that syncs anyway.
const SYNC_WITHIN: Duration = Duration::from_secs(1);

/// What can be asked of the writer.
pub(super) enum Ask {
    Apply(Box<Command>),
    PayOut(Box<PayoutCommand>),
    Once { key: String, ttl: Duration },
    Spend { purse: String, id: String, charges: Vec<Charge>, window: Duration },
    Lease { name: String, holder: String, ttl: Duration },
    Release { name: String, holder: String },
    Ready,
}

/// What it answers.
pub(super) enum Answer {
    Outcome(Outcome),
    PaidOut(PayoutOutcome),
    Flag(bool),
    Spent(Spent),
}

struct Job {
    ask: Ask,
    reply: oneshot::Sender<Result<Answer, Error>>,
}

/// The writer's thread and its queue. Dropping it finishes what is queued.
pub(super) struct Writer {
    queue: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(db: Arc<Database>, file: FileIdentity, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let (queue, jobs) = sync_channel(QUEUE_MAX);
        let thread = std::thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || run(&db, &file, &*clock, &jobs))
            .map_err(|error| Error::Unavailable(format!("cannot start the writer thread: {error}")))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Queues a job at once; the future waits for its commit. Dropping the future does not undo the job.
    pub(super) fn ask(&self, ask: Ask) -> impl Future<Output = Result<Answer, Error>> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        let queued = self.queue.as_ref().ok_or("the writer has stopped").and_then(|queue| {
            queue.try_send(Job { ask, reply }).map_err(|error| match error {
                TrySendError::Full(_) => "too many commands are waiting",
                TrySendError::Disconnected(_) => "the writer has stopped",
            })
        });
        async move {
            queued.map_err(|why| Error::Unavailable(why.to_owned()))?;
            answer.await.unwrap_or_else(|_| Err(Error::Unavailable("the writer has stopped".to_owned())))
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the ledger's writer thread panicked");
        }
    }
}

fn run(db: &Database, file: &FileIdentity, clock: &dyn Clock, jobs: &Receiver<Job>) {
    let (mut unsynced, mut working) = (false, Leases::default());
    loop {
        let first = match next(jobs, unsynced) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => {
                unsynced = !sync(db);
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => {
                if unsynced {
                    sync(db);
                }
                return;
            }
        };
        let batch: Vec<Job> = std::iter::once(first).chain(jobs.try_iter().take(BATCH_MAX - 1)).collect();
        let answers = commit((db, file), clock, &batch, &mut working, &mut unsynced);
        if let Err(error) = &answers {
            tracing::error!(%error, commands = batch.len(), "ledger batch failed");
        }
        let mut answers = answers.map(Vec::into_iter);
        for job in batch {
            let answer = match &mut answers {
                Ok(answers) => {
                    answers.next().unwrap_or_else(|| Err(Error::Unavailable("no answer".to_owned())))
                }
                Err(error) => Err(error.clone()),
            };
            // A caller that went away asks again if it wants to know.
            let _gone = job.reply.send(answer);
        }
    }
}

/// The next job; a time-out if there is none while something waits to be synced.
fn next(jobs: &Receiver<Job>, unsynced: bool) -> Result<Job, RecvTimeoutError> {
    if unsynced {
        jobs.recv_timeout(SYNC_WITHIN)
    } else {
        jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
    }
}

/// Makes durable what was committed without that; whether it is.
fn sync(db: &Database) -> bool {
    let synced = db.begin_write().map_err(storage).and_then(|txn| txn.commit().map_err(storage));
    if let Err(error) = &synced {
        tracing::error!(%error, "the ledger cannot sync");
    }
    synced.is_ok()
}

/// Applies a batch in one transaction; its answers are true once this returns.
fn commit(
    (db, file): (&Database, &FileIdentity),
    clock: &dyn Clock,
    batch: &[Job],
    working: &mut Leases,
    unsynced: &mut bool,
) -> Result<Vec<Result<Answer, Error>>, Error> {
    file.check()?;
    let mut txn = db.begin_write().map_err(storage)?;
    let (answers, written) = match apply(&txn, clock, batch, working) {
        Ok(applied) => applied,
        Err(Failure::Rows(error) | Failure::Store(error)) => {
            // Dropping the transaction aborts it.
            return Err(error);
        }
    };
    match written {
        Written::Nothing => txn.abort().map_err(storage)?,
        Written::Forgettable => {
            txn.set_durability(Durability::None).map_err(|error| Error::Unavailable(error.to_string()))?;
            txn.commit().map_err(storage)?;
            *unsynced = true;
        }
        Written::Durably => {
            txn.commit().map_err(storage)?;
            *unsynced = false;
        }
    }
    Ok(answers)
}

type Applied = (Vec<Result<Answer, Error>>, Written);

fn apply(
    txn: &redb::WriteTransaction,
    clock: &dyn Clock,
    batch: &[Job],
    working: &mut Leases,
) -> Result<Applied, Failure> {
    let mut books = Books::of(txn, working);
    let mut answers = Vec::with_capacity(batch.len());
    for job in batch {
        match books.run(&job.ask, clock.now()) {
            Ok(answer) => answers.push(Ok(answer)),
            Err(Failure::Rows(error)) => answers.push(Err(error)),
            Err(store) => return Err(store),
        }
    }
    Ok((answers, books.written))
}
