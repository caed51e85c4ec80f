//! The payments this process works on: one task each, and a bound on all of them.

use crate::SettleError;
use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tollwire_ledger::model::{Payment, Session};
use tollwire_x402::PaymentId;

/// The right to put one more payment in flight.
#[derive(Debug)]
pub(super) struct Permit(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// How a task ended.
#[derive(Debug, Clone)]
pub(super) enum End {
    /// The payment's fate is known.
    Known(Box<Payment>, Option<Box<Session>>),
    /// It is still open; the reconciler goes on.
    Left,
}

/// What a task has told so far.
#[derive(Debug, Clone, Default)]
struct State {
    tx: Option<String>,
    end: Option<End>,
}

/// A caller's view of a task.
#[derive(Debug, Clone)]
pub(super) struct Progress(watch::Receiver<State>);

/// A task's own voice. A task that dies without a word counts as having left.
#[derive(Debug)]
pub(super) struct Voice(watch::Sender<State>);

/// All tasks of one settler.
#[derive(Debug)]
pub(super) struct InFlight {
    slots: Arc<Semaphore>,
    slots_max: u32,
    draining: AtomicBool,
    tasks: Arc<Tasks>,
}

#[derive(Debug, Default)]
struct Tasks {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    running: HashMap<PaymentId, Progress>,
    set: JoinSet<()>,
    closed: bool,
}

impl Progress {
    /// Waits until the task has ended.
    pub(super) async fn end(&mut self) -> End {
        match self.0.wait_for(|state| state.end.is_some()).await {
            Ok(state) => state.end.clone().unwrap_or(End::Left),
            Err(_voice_dropped) => End::Left,
        }
    }

    /// The transaction waited for, if one was made.
    pub(super) fn tx(&self) -> Option<String> {
        self.0.borrow().tx.clone()
    }
}

impl Voice {
    /// Names the transaction waited for.
    pub(super) fn tx(&self, tx: &str) {
        self.0.send_if_modified(|state| {
            let news = state.tx.as_deref() != Some(tx);
            if news {
                state.tx = Some(tx.to_owned());
            }
            news
        });
    }

    /// Says how it ended.
    pub(super) fn end(&self, end: End) {
        self.0.send_modify(|state| state.end = Some(end));
    }
}

impl InFlight {
    pub(super) fn new(max: usize) -> Self {
        let slots_max = u32::try_from(max.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        let slots = Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS)));
        Self { slots, slots_max, draining: AtomicBool::new(false), tasks: Arc::default() }
    }

    /// A slot, or `Busy`; nobody queues.
    pub(super) fn permit(&self) -> Result<Permit, SettleError> {
        if self.draining.load(Ordering::Acquire) {
            return Err(SettleError::Draining);
        }
        self.slots.clone().try_acquire_owned().map(Permit).map_err(|_none_left| SettleError::Busy)
    }

    /// How many payments are in flight.
    pub(super) fn count(&self) -> u32 {
        let free = u32::try_from(self.slots.available_permits()).unwrap_or(u32::MAX);
        self.slots_max.saturating_sub(free)
    }

    /// The task of a payment, if it has one.
    pub(super) fn join(&self, id: &PaymentId) -> Option<Progress> {
        self.tasks.lock().running.get(id).cloned()
    }

    /// Runs `work` as the one task of a payment; if there is one already, that one is joined and `work` dropped.
    pub(super) fn start<F>(
        &self,
        id: PaymentId,
        work: impl FnOnce(Voice) -> F,
    ) -> Result<Progress, SettleError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut table = self.tasks.open()?;
        if let Some(running) = table.running.get(&id) {
            return Ok(running.clone());
        }
        let (voice, progress) = watch::channel(State::default());
        let (voice, progress) = (Voice(voice), Progress(progress));
        let entry = Entry { tasks: self.tasks.clone(), id: id.clone() };
        let work = work(voice);
        table.running.insert(id, progress.clone());
        table.set.spawn(async move {
            // Declared first, dropped last: the entry goes when the work has said its last word.
            let _entry = entry;
            work.await;
        });
        Ok(progress)
    }

    /// Runs a task that belongs to no payment's entry, but dies and drains with the rest.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> Result<(), SettleError> {
        self.tasks.open()?.set.spawn(work);
        Ok(())
    }

    /// Takes no more, and waits for those in flight: until every slot has come back.
    pub(super) async fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        if self.slots.acquire_many(self.slots_max).await.is_ok() {
            self.tasks.lock().closed = true;
        }
    }

    /// Stops every task where it stands.
    pub(super) fn abort(&self) {
        let set = {
            let mut table = self.tasks.lock();
            table.closed = true;
            std::mem::take(&mut table.set)
        };
        drop(set);
    }
}

impl Tasks {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The table, if tasks may still be added; finished ones are cleared away on the occasion.
    fn open(&self) -> Result<MutexGuard<'_, Table>, SettleError> {
        let mut table = self.lock();
        if table.closed {
            return Err(SettleError::Draining);
        }
        while table.set.try_join_next().is_some() {}
        Ok(table)
    }
}

/// A task's place in the table.
struct Entry {
    tasks: Arc<Tasks>,
    id: PaymentId,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.tasks.lock().running.remove(&self.id);
    }
}
