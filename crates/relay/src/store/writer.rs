//! The one writer of an embedded database: takes what is queued, applies it in order, syncs once, answers everybody.

use super::StoreError;
use super::embedded::storage;
use redb::{Database, WriteTransaction};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use tokio::sync::oneshot;
use tollwire_ledger::file::FileIdentity;

/// The most changes that wait; beyond it callers are told to come again.
const QUEUE_MAX: usize = 8_192;
/// The most changes in one transaction, so that the first does not wait long for the last.
const BATCH_MAX: usize = 256;

/// A change that waits for its commit.
trait Job: Send {
    fn run(&mut self, txn: &WriteTransaction) -> Result<(), StoreError>;
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Asked<T, F> {
    write: F,
    value: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job for Asked<T, F>
where
    T: Send,
    F: FnMut(&WriteTransaction) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, txn: &WriteTransaction) -> Result<(), StoreError> {
        self.value = Some((self.write)(txn)?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { value, reply, .. } = *self;
        let value = committed.and_then(|()| value.ok_or_else(|| stopped("the change did not run")));
        // A caller that went away asks again if it wants to know.
        let _gone = reply.send(value);
    }
}

/// The writer's thread and its queue. Dropping it finishes what is queued.
pub(super) struct Writer {
    queue: Option<SyncSender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(db: Arc<Database>, file: Option<FileIdentity>) -> Result<Self, StoreError> {
        let (queue, jobs) = sync_channel(QUEUE_MAX);
        let thread = std::thread::Builder::new()
            .name("relay-writer".to_owned())
            .spawn(move || run(&db, file.as_ref(), &jobs))
            .map_err(|error| StoreError::Unavailable(format!("cannot start the writer thread: {error}")))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    pub(super) fn ask<T, F>(&self, write: F) -> impl Future<Output = Result<T, StoreError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnMut(&WriteTransaction) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let queued = self.queue.as_ref().ok_or("the writer has stopped").and_then(|queue| {
            queue.try_send(Box::new(Asked { write, value: None, reply })).map_err(|error| match error {
                TrySendError::Full(_) => "too many changes are waiting",
                TrySendError::Disconnected(_) => "the writer has stopped",
            })
        });
        async move {
            queued.map_err(stopped)?;
            answer.await.unwrap_or_else(|_| Err(stopped("the writer has stopped")))
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's writer thread panicked");
        }
    }
}

fn stopped(why: &str) -> StoreError {
    StoreError::Unavailable(why.to_owned())
}

fn run(db: &Database, file: Option<&FileIdentity>, jobs: &Receiver<Box<dyn Job>>) {
    while let Ok(first) = jobs.recv() {
        let batch = std::iter::once(first).chain(jobs.try_iter().take(BATCH_MAX - 1)).collect();
        commit(db, file, batch);
    }
}

/// Applies a batch. A change that fails is taken out, and the rest begins anew in a transaction that never saw it.
fn commit(db: &Database, file: Option<&FileIdentity>, mut batch: Vec<Box<dyn Job>>) {
    loop {
        let outcome = match attempt(db, file, &mut batch) {
            Ok(()) => Ok(()),
            Err((Some(failed), error)) if batch.len() > 1 => {
                batch.remove(failed).answer(Err(error));
                continue;
            }
            Err((_, error)) => Err(error),
        };
        if let Err(error) = &outcome {
            tracing::error!(%error, changes = batch.len(), "a change of the store failed");
        }
        for job in batch {
            job.answer(outcome.clone());
        }
        return;
    }
}

/// One transaction. What failed is told with its place in the batch, if it is one change's own failure.
fn attempt(
    db: &Database,
    file: Option<&FileIdentity>,
    batch: &mut [Box<dyn Job>],
) -> Result<(), (Option<usize>, StoreError)> {
    file.map_or(Ok(()), FileIdentity::check).map_err(|error| (None, error))?;
    let txn = db.begin_write().map_err(|error| (None, storage(error)))?;
    for (at, job) in batch.iter_mut().enumerate() {
        // Dropping the transaction aborts it.
        job.run(&txn).map_err(|error| (Some(at), error))?;
    }
    txn.commit().map_err(|error| (None, storage(error)))
}
