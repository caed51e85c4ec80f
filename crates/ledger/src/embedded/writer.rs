//! Who has a command applies it at the desk, if that suffices and is open and nothing came before. All else is queued for
//! the one writer, which applies it in order, makes everything durable with one sync, and then answers everybody.

use super::batches::Batches;
use super::desk::{Desk, Done, REST_WITHIN};
use super::failure::Failure;
use crate::spend::{Charge, Spent};
use crate::{Command, Error, Outcome, PayoutCommand, PayoutOutcome};
use futures_channel::oneshot;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, TryLockError};
use std::thread::JoinHandle;
use std::time::Duration;

/// The most commands that wait; beyond it callers are told to come again.
const QUEUE_MAX: usize = 8_192;
/// The most commands in one transaction, so that the first does not wait long for the last.
const BATCH_MAX: usize = 512;

/// How many commands a batch must have had for the next one to be waited for.
const BUSY_FROM: usize = 8;
/// How long it is waited for: more of what comes then shares its sync.
const GATHER: Duration = Duration::from_millis(8);

/// How often a caller looks whether another has left the desk, before it queues: they are there for microseconds.
const LOOKS: usize = 64;

/// What can be asked of the store.
pub(super) enum Ask {
    Apply(Box<Command>),
    PayOut(Box<PayoutCommand>),
    Once { key: String, ttl: Duration },
    Spend { purse: String, id: String, charges: Vec<Charge>, window: Duration },
    Lease { name: String, holder: String, ttl: Duration },
    Release { name: String, holder: String },
    Ready,
}

/// What the answer is.
pub(super) enum Answer {
    Outcome(Outcome),
    PaidOut(PayoutOutcome),
    Flag(bool),
    Spent(Spent),
}

enum Job {
    /// Applies it.
    Do(Ask, oneshot::Sender<Result<Answer, Error>>),
    /// Makes durable what was applied at the desk.
    Keep(oneshot::Sender<Result<(), Error>>),
    /// There is something to put in its place, by and by.
    Tell,
}

/// The writer's thread and its queue. Dropping it finishes what is queued.
pub(super) struct Writer {
    desk: Arc<Mutex<Desk>>,
    /// Commands that are queued and not applied: what comes later is not applied before them.
    queued: Arc<AtomicUsize>,
    queue: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(desk: Arc<Mutex<Desk>>, mut batches: Batches) -> Result<Self, Error> {
        let (queue, jobs) = sync_channel(QUEUE_MAX);
        let queued = Arc::<AtomicUsize>::default();
        let waiting = Arc::clone(&queued);
        let thread = std::thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || run(&mut batches, &jobs, &waiting))
            .map_err(|error| Error::Unavailable(format!("cannot start the writer thread: {error}")))?;
        Ok(Self { desk, queued, queue: Some(queue), thread: Some(thread) })
    }

    /// Applies or queues what is asked, at once; the future waits until the answer is true. Dropping the future undoes
    /// nothing.
    pub(super) fn ask(&self, ask: Ask) -> impl Future<Output = Result<Answer, Error>> + Send + use<> {
        let promise = match self.at_the_desk(&ask) {
            None => {
                let (reply, answer) = oneshot::channel();
                self.queued.fetch_add(1, Ordering::SeqCst);
                let queued = self.queue(Job::Do(ask, reply));
                if queued.is_err() {
                    self.queued.fetch_sub(1, Ordering::SeqCst);
                }
                Promise::Queued(queued.map(|()| answer))
            }
            Some(Ok(done)) if done.once_durable => Promise::Applied(done.answer, self.being_kept()),
            Some(Ok(done)) => {
                if done.tell {
                    // If the queue is full the writer is awake, and looks around when it is done.
                    let _awake = self.queue(Job::Tell);
                }
                Promise::Kept(Ok(done.answer))
            }
            Some(Err(error)) => Promise::Kept(Err(error)),
        };
        promise.kept()
    }

    /// Waits until what has been applied at the desk is durable.
    pub(super) fn keep(&self) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        kept(self.being_kept())
    }

    fn being_kept(&self) -> BeingKept {
        let (reply, durable) = oneshot::channel();
        self.queue(Job::Keep(reply)).map(|()| durable)
    }

    /// The answer of the desk. Nothing if the command has to be queued.
    fn at_the_desk(&self, ask: &Ask) -> Option<Result<Done, Error>> {
        let mut looks = 0;
        let mut desk = loop {
            if self.queued.load(Ordering::SeqCst) > 0 {
                return None;
            }
            match self.desk.try_lock() {
                Ok(desk) => break desk,
                Err(TryLockError::Poisoned(desk)) => break desk.into_inner(),
                Err(TryLockError::WouldBlock) if looks < LOOKS => std::hint::spin_loop(),
                Err(TryLockError::WouldBlock) => return None,
            }
            looks += 1;
        };
        desk.suffices_for(ask).then(|| match desk.run(ask) {
            Ok(done) => Ok(done),
            Err(Failure::Rows(error) | Failure::Store(error)) => Err(error),
        })
    }

    fn queue(&self, job: Job) -> Result<(), Error> {
        let queue = self.queue.as_ref().ok_or("the writer has stopped");
        let queued = queue.and_then(|queue| {
            queue.try_send(job).map_err(|error| match error {
                TrySendError::Full(_) => "too many commands are waiting",
                TrySendError::Disconnected(_) => "the writer has stopped",
            })
        });
        queued.map_err(|why| Error::Unavailable(why.to_owned()))
    }
}

/// An answer to come.
enum Promise {
    /// It is true.
    Kept(Result<Answer, Error>),
    /// It is true once what it says is durable.
    Applied(Answer, BeingKept),
    /// The writer makes it.
    Queued(Result<oneshot::Receiver<Result<Answer, Error>>, Error>),
}

impl Promise {
    async fn kept(self) -> Result<Answer, Error> {
        match self {
            Self::Kept(answer) => answer,
            Self::Applied(answer, durable) => {
                kept(durable).await?;
                Ok(answer)
            }
            Self::Queued(answer) => answer?.await.unwrap_or_else(|_| Err(stopped())),
        }
    }
}

/// Word, to come, that what was applied is durable; or why there will be none.
type BeingKept = Result<oneshot::Receiver<Result<(), Error>>, Error>;

async fn kept(durable: BeingKept) -> Result<(), Error> {
    durable?.await.unwrap_or_else(|_| Err(stopped()))
}

fn stopped() -> Error {
    Error::Unavailable("the writer has stopped".to_owned())
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

fn run(batches: &mut Batches, jobs: &Receiver<Job>, queued: &AtomicUsize) {
    let mut busy = false;
    loop {
        let first = match next(jobs, batches.waiting()) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => {
                batches.rest();
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => {
                batches.finish();
                return;
            }
        };
        if busy {
            std::thread::sleep(GATHER);
        }
        let (mut asks, mut replies, mut keeps) = (Vec::new(), Vec::new(), Vec::new());
        for job in std::iter::once(first).chain(jobs.try_iter().take(BATCH_MAX - 1)) {
            match job {
                Job::Do(ask, reply) => {
                    asks.push(ask);
                    replies.push(reply);
                }
                Job::Keep(reply) => keeps.push(reply),
                Job::Tell => {}
            }
        }
        busy = asks.len().saturating_add(keeps.len()) >= BUSY_FROM;
        let applied = batches.apply(&asks);
        queued.fetch_sub(asks.len(), Ordering::SeqCst);
        let settled = batches.settle();
        for error in [applied.as_ref().err(), settled.as_ref().err()].into_iter().flatten() {
            tracing::error!(%error, commands = asks.len(), kept = keeps.len(), "ledger batch failed");
        }
        for reply in keeps {
            // A caller that went away asks again if it wants to know.
            let _gone = reply.send(settled.clone());
        }
        let mut answers = settled.and(applied).map(Vec::into_iter);
        for reply in replies {
            let answer = match &mut answers {
                Ok(answers) => {
                    answers.next().unwrap_or_else(|| Err(Error::Unavailable("no answer".to_owned())))
                }
                Err(error) => Err(error.clone()),
            };
            let _gone = reply.send(answer);
        }
        batches.tidy();
    }
}

/// The next job; a time-out if there is none while something waits to be put in its place.
fn next(jobs: &Receiver<Job>, waiting: bool) -> Result<Job, RecvTimeoutError> {
    if waiting {
        jobs.recv_timeout(REST_WITHIN)
    } else {
        jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
    }
}
