//! Questions of several callers, asked in one request.
//!
//! A caller that finds nobody else waits until every task that is ready has had its turn, which takes no time where there
//! is none, and asks for all that have come by then. So a request carries what came at the same moment, and nobody waits
//! for anybody who might come.

use crate::rpc::{Answers, Call, Rpc};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// The most calls of several callers in one request. Most of what a request costs is shared then, and a node that goes
/// through them one after the other keeps nobody long.
const TOGETHER_MAX: usize = 24;

/// Where callers meet.
#[derive(Default)]
pub(crate) struct Gathering(Mutex<Option<Arc<Group>>>);

/// Those who are asked for together.
#[derive(Default)]
struct Group(Mutex<Members>);

#[derive(Default)]
struct Members {
    calls: Vec<Call>,
    /// Of each but the first, who asks: how many of the calls are its own.
    others: Vec<(usize, oneshot::Sender<Answers>)>,
}

/// What a caller does next.
enum Role {
    /// Ask for all who come.
    First(Arc<Group>),
    /// Wait for whoever does.
    Other(oneshot::Receiver<Answers>),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gathering {
    /// Asks, with whoever asks at the same moment.
    pub(crate) async fn ask(&self, rpc: &Rpc, calls: Vec<Call>) -> Answers {
        let most = TOGETHER_MAX.min(rpc.calls_at_most());
        if calls.len() >= most {
            return rpc.call_many(calls).await;
        }
        match self.join(&calls, most) {
            Role::First(group) => self.ask_for(&group, rpc, calls.len()).await,
            Role::Other(answered) => match answered.await {
                Ok(answers) => answers,
                // Whoever asked has gone away in the middle of it.
                Err(_gone) => rpc.call_many(calls).await,
            },
        }
    }

    fn join(&self, calls: &[Call], most: usize) -> Role {
        let mut open = lock(&self.0);
        if let Some(group) = open.as_ref() {
            let mut members = lock(&group.0);
            if members.calls.len().saturating_add(calls.len()) <= most {
                let (answer, answered) = oneshot::channel();
                members.calls.extend_from_slice(calls);
                members.others.push((calls.len(), answer));
                return Role::Other(answered);
            }
        }
        // Nobody is there, or it is full and leaves by itself.
        let members = Members { calls: calls.to_vec(), others: Vec::new() };
        let group = Arc::new(Group(Mutex::new(members)));
        *open = Some(Arc::clone(&group));
        Role::First(group)
    }

    async fn ask_for(&self, group: &Arc<Group>, rpc: &Rpc, own: usize) -> Answers {
        let closing = Closing { gathering: self, group };
        tokio::task::yield_now().await;
        let Members { calls, others } = closing.close();
        let answers = rpc.call_many(calls).await;
        let mut rest = match answers {
            Ok(answers) => answers.into_iter(),
            Err(failure) => {
                for (_, other) in others {
                    drop(other.send(Err(failure.clone()))); // It may have gone.
                }
                return Err(failure);
            }
        };
        let first = rest.by_ref().take(own).collect();
        for (count, other) in others {
            drop(other.send(Ok(rest.by_ref().take(count).collect()))); // It may have gone.
        }
        Ok(first)
    }
}

/// A group that its first member has not asked for yet. If that goes away, the others are told, and nobody joins any more.
struct Closing<'a> {
    gathering: &'a Gathering,
    group: &'a Arc<Group>,
}

impl Closing<'_> {
    fn close(&self) -> Members {
        let mut open = lock(&self.gathering.0);
        open.take_if(|open| Arc::ptr_eq(open, self.group));
        std::mem::take(&mut *lock(&self.group.0))
    }
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        drop(self.close());
    }
}
