//! What the agent says to us in its stream, on its way to whoever answers.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Messages that may wait to be heard.
const HEARD_MAX: usize = 4;

/// Something the agent said to us: see [`Pump::intercept`](crate::Pump::intercept).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A control message, whole.
    Message(String),
    /// A message that begins like one but cannot be one, and why. It is not passed on either.
    Malformed(&'static str),
}

/// Where a pump puts the agent's control messages. Four may wait; the next one, and all that the agent sends after
/// it, waits until there is room.
#[derive(Debug)]
pub struct Inbox {
    shared: Arc<Mutex<Queue>>,
}

/// Where the agent's control messages are heard.
#[derive(Debug)]
pub struct HeardReceiver {
    shared: Arc<Mutex<Queue>>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Heard>,
    /// Whether either end is gone.
    over: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Inbox {
    /// An empty inbox and its other end.
    pub fn new() -> (Self, HeardReceiver) {
        let shared = Arc::<Mutex<Queue>>::default();
        (Self { shared: Arc::clone(&shared) }, HeardReceiver { shared })
    }

    /// Takes what is in `slot`. False if there is no room for it: the task is woken when there is. What nobody
    /// will hear is dropped.
    pub(crate) fn take_from(&self, cx: &mut Context<'_>, slot: &mut Option<Heard>) -> bool {
        let mut queue = lock(&self.shared);
        if queue.over {
            *slot = None;
        }
        if slot.is_some() && queue.waiting.len() == HEARD_MAX {
            queue.writer = Some(cx.waker().clone());
            return false;
        }
        if let Some(heard) = slot.take() {
            queue.waiting.push_back(heard);
            let reader = queue.reader.take();
            drop(queue);
            wake(reader);
        }
        true
    }
}

impl HeardReceiver {
    /// The next message; `None` when the stream has ended and everything has been heard. Cancel safe.
    pub async fn next(&mut self) -> Option<Heard> {
        poll_fn(|cx| {
            let mut queue = lock(&self.shared);
            let heard = queue.waiting.pop_front();
            if heard.is_none() && !queue.over {
                queue.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let writer = queue.writer.take();
            drop(queue);
            wake(writer);
            Poll::Ready(heard)
        })
        .await
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let mut queue = lock(&self.shared);
        queue.over = true;
        let reader = queue.reader.take();
        drop(queue);
        wake(reader);
    }
}

impl Drop for HeardReceiver {
    fn drop(&mut self) {
        let mut queue = lock(&self.shared);
        queue.over = true;
        queue.waiting = VecDeque::new();
        let writer = queue.writer.take();
        drop(queue);
        wake(writer);
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
