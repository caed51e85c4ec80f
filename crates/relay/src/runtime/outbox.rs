//! What waits to be written to one connection.

use super::Room;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tollwire_x402::close::CloseCode;

/// The queue of one writer. Ping, last words and close have a place of their own: a full queue cannot hold them up.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    changed: Notify,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Outgoing>,
    /// Bytes of queued frames that hold no room of the budget: refusals and the like.
    bytes: usize,
    ping: bool,
    end: Option<Last>,
}

#[derive(Debug)]
struct Last {
    words: Option<String>,
    code: CloseCode,
}

/// A text frame.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) text: String,
    /// The room it holds until it is written.
    pub(crate) room: Option<Room>,
}

/// What to write next.
#[derive(Debug)]
pub(crate) enum Next {
    Frame(Outgoing),
    Ping,
    Close(CloseCode),
}

impl Outbox {
    /// An empty queue for so many bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { state: Mutex::default(), changed: Notify::new(), bytes_max }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues an answer, which has its room already.
    pub(crate) fn answer(&self, text: String, room: Room) {
        let mut state = self.state();
        if state.end.is_none() {
            state.frames.push_back(Outgoing { text, room: Some(room) });
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Queues something short of our own. A peer that lets too much of it pile up is cut off.
    pub(crate) fn say(&self, text: String) {
        let mut state = self.state();
        if state.end.is_some() {
            return;
        }
        state.bytes = state.bytes.saturating_add(text.len());
        if state.bytes > self.bytes_max {
            drop(state);
            self.cut(CloseCode::SlowConsumer);
            return;
        }
        state.frames.push_back(Outgoing { text, room: None });
        drop(state);
        self.changed.notify_one();
    }

    /// Asks for a ping, before whatever is queued.
    pub(crate) fn ping(&self) {
        self.state().ping = true;
        self.changed.notify_one();
    }

    /// Closes once all that is queued was written, after these last words. Nothing is taken from now on.
    pub(crate) fn end(&self, words: Option<String>, code: CloseCode) {
        self.state().end.get_or_insert(Last { words, code });
        self.changed.notify_one();
    }

    /// Closes without what is queued.
    pub(crate) fn cut(&self, code: CloseCode) {
        let mut state = self.state();
        state.frames.clear();
        state.end.get_or_insert(Last { words: None, code });
        drop(state);
        self.changed.notify_one();
    }

    /// What to write next. For one caller at a time.
    pub(crate) async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.state().take() {
                return next;
            }
            self.changed.notified().await;
        }
    }
}

impl State {
    fn take(&mut self) -> Option<Next> {
        if std::mem::take(&mut self.ping) {
            return Some(Next::Ping);
        }
        if let Some(frame) = self.frames.pop_front() {
            if frame.room.is_none() {
                self.bytes = self.bytes.saturating_sub(frame.text.len());
            }
            return Some(Next::Frame(frame));
        }
        let last = self.end.as_mut()?;
        match last.words.take() {
            Some(text) => Some(Next::Frame(Outgoing { text, room: None })),
            None => Some(Next::Close(last.code)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn written(outbox: &Outbox) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            match outbox.next().await {
                Next::Frame(frame) => all.push(frame.text),
                Next::Ping => all.push("ping".into()),
                Next::Close(code) => {
                    all.push(code.code().to_string());
                    return all;
                }
            }
        }
    }

    #[tokio::test]
    async fn the_close_comes_after_everything_and_last_words_before_it() {
        let outbox = Outbox::new(100);
        outbox.say("a".into());
        outbox.answer("b".into(), Room::default());
        outbox.end(Some("goodbye".into()), CloseCode::GoingAway);
        outbox.say("too late".into());
        outbox.end(None, CloseCode::Internal);
        outbox.ping();
        assert_eq!(written(&outbox).await, ["ping", "a", "b", "goodbye", "1001"]);
    }

    #[tokio::test]
    async fn refusals_nobody_reads_end_the_connection() {
        let outbox = Outbox::new(10);
        outbox.say("12345".into());
        outbox.say("12345".into());
        outbox.say("1".into());
        assert_eq!(written(&outbox).await, ["4013"]);
    }
}
