//! The one writer: takes what is queued, applies it in order, syncs once, then answers everybody.

use super::batches::{Batches, REST_WITHIN};
use crate::spend::{Charge, Spent};
use crate::{Command, Error, Outcome, PayoutCommand, PayoutOutcome};
use futures_channel::oneshot;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// The most commands that wait; beyond it callers are told to come again.
const QUEUE_MAX: usize = 8_192;
/// The most commands in one transaction, so that the first does not wait long for the last.
const BATCH_MAX: usize = 512;

/// How many commands a batch must have had for the next one to be waited for.
const BUSY_FROM: usize = 8;
/// How long it is waited for: more of what comes then shares its sync.
const GATHER: Duration = Duration::from_millis(4);

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
    pub(super) fn start(mut batches: Batches) -> Result<Self, Error> {
        let (queue, jobs) = sync_channel(QUEUE_MAX);
        let thread = std::thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || run(&mut batches, &jobs))
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

fn run(batches: &mut Batches, jobs: &Receiver<Job>) {
    let mut busy = false;
    loop {
        let first = match next(jobs, batches.waiting()) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => {
                batches.rest();
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => {
                batches.rest();
                return;
            }
        };
        if busy {
            std::thread::sleep(GATHER);
        }
        let (asks, replies): (Vec<Ask>, Vec<_>) = std::iter::once(first)
            .chain(jobs.try_iter().take(BATCH_MAX - 1))
            .map(|job| (job.ask, job.reply))
            .unzip();
        busy = asks.len() >= BUSY_FROM;
        let answers = batches.commit(&asks);
        if let Err(error) = &answers {
            tracing::error!(%error, commands = asks.len(), "ledger batch failed");
        }
        let mut answers = answers.map(Vec::into_iter);
        for reply in replies {
            let answer = match &mut answers {
                Ok(answers) => {
                    answers.next().unwrap_or_else(|| Err(Error::Unavailable("no answer".to_owned())))
                }
                Err(error) => Err(error.clone()),
            };
            // A caller that went away asks again if it wants to know.
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
