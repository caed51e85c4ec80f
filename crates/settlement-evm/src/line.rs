//! Lines of those who wait for the same turn. Whoever is first when it comes takes the others along: they settle in one
//! transaction. Nobody waits for company; with nobody else in line, the first goes alone at once.

use crate::seat::{EvmTurn, Table};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use tollwire_settlement::ChainError;

/// One line.
#[derive(Default)]
pub(crate) struct Line {
    /// Only the first waits for an account; the others wait for the first, in order.
    first: tokio::sync::Mutex<()>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    queue: VecDeque<(u64, oneshot::Sender<EvmTurn>)>,
    numbers: u64,
}

/// A place in a line, left when it is dropped.
struct Place<'a> {
    line: &'a Line,
    number: u64,
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn that `take` takes, alone or with at most `most - 1` others of this line.
    pub(crate) async fn join(
        &self,
        most: usize,
        take: impl Future<Output = Result<Arc<Table>, ChainError>>,
    ) -> Result<EvmTurn, ChainError> {
        let (place, called) = self.enter();
        let go_first = async {
            let first = self.first.lock().await;
            Ok::<_, ChainError>((first, take.await?))
        };
        tokio::select! {
            biased;
            Ok(turn) = called => Ok(turn),
            gone = go_first => {
                let (_first, table) = gone?;
                drop(place);
                let own = table.sit();
                for call in self.call(most.saturating_sub(1)) {
                    // Whoever has gone meanwhile gives the seat back by dropping it.
                    drop(call.send(table.sit()));
                }
                Ok(own)
            }
        }
    }

    fn enter(&self) -> (Place<'_>, oneshot::Receiver<EvmTurn>) {
        let (call, called) = oneshot::channel();
        let mut waiting = self.lock();
        let number = waiting.numbers;
        waiting.numbers = number.wrapping_add(1);
        waiting.queue.push_back((number, call));
        (Place { line: self, number }, called)
    }

    /// The next in line, at most so many.
    fn call(&self, most: usize) -> Vec<oneshot::Sender<EvmTurn>> {
        let mut waiting = self.lock();
        let count = most.min(waiting.queue.len());
        waiting.queue.drain(..count).map(|(_, call)| call).collect()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.line.lock().queue.retain(|(number, _)| *number != self.number);
    }
}
