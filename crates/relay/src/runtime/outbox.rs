//! What waits to be written to one connection.

use super::Room;
use super::part::Part;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Message;
use tollwire_x402::close::CloseCode;

/// How many waiting frames are looked through for a part that another can be merged into.
const MERGE_WITHIN: usize = 64;

/// The queue of one writer. Ping, last words and close have a place of their own: a full queue cannot hold them up.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    changed: Notify,
    bytes_max: usize,
    /// What a ping is, if it is a text frame of the protocol's own.
    ping_text: Option<&'static str>,
    /// How frames are written, if not as text.
    binary: Option<Encode>,
}

/// Writes a frame in other bytes.
type Encode = fn(&str) -> Option<Vec<u8>>;

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Item>,
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

#[derive(Debug)]
enum Item {
    Frame(Outgoing),
    /// Grows while it waits.
    Part(Part),
    Probe(u64),
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
    /// A ping that says what has come before it.
    Probe(u64),
    Close(CloseCode),
}

impl Outbox {
    /// An empty queue for so many bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { state: Mutex::default(), changed: Notify::new(), bytes_max, ping_text: None, binary: None }
    }

    /// With a text frame in the place of RFC 6455's ping.
    #[must_use]
    pub(crate) const fn pinging_with(mut self, text: &'static str) -> Self {
        self.ping_text = Some(text);
        self
    }

    /// With frames that are written in other bytes.
    #[must_use]
    pub(crate) const fn writing(mut self, encode: Encode) -> Self {
        self.binary = Some(encode);
        self
    }

    /// A frame as it is written.
    pub(super) fn message(&self, text: String) -> Message {
        match self.binary.and_then(|encode| encode(&text)) {
            Some(bytes) => Message::binary(bytes),
            None => Message::text(text),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues an answer, which has its room already.
    pub(crate) fn answer(&self, text: String, room: Room) {
        let mut state = self.state();
        if state.end.is_none() {
            state.frames.push_back(Item::Frame(Outgoing { text, room: Some(room) }));
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
        state.frames.push_back(Item::Frame(Outgoing { text, room: None }));
        drop(state);
        self.changed.notify_one();
    }

    /// Queues part of an answer, or lets one that waits already grow by it. A peer that lets too much of it pile up is
    /// cut off.
    pub(crate) fn part(&self, part: Part) {
        let mut state = self.state();
        if state.end.is_some() {
            return;
        }
        let grown = state.frames.iter_mut().rev().take(MERGE_WITHIN).find_map(|item| match item {
            Item::Part(waiting) => waiting.merge(&part),
            Item::Frame(_) | Item::Probe(_) => None,
        });
        state.bytes = state.bytes.saturating_add(grown.unwrap_or_else(|| part.bytes()));
        if grown.is_none() {
            state.frames.push_back(Item::Part(part));
        }
        let too_much = state.bytes > self.bytes_max;
        drop(state);
        if too_much {
            self.cut(CloseCode::SlowConsumer);
        } else {
            self.changed.notify_one();
        }
    }

    /// Queues a ping whose pong tells that all before it has arrived.
    pub(crate) fn probe(&self, number: u64) {
        let mut state = self.state();
        if state.end.is_none() {
            state.frames.push_back(Item::Probe(number));
            drop(state);
            self.changed.notify_one();
        }
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

    /// Whether it was asked to close.
    pub(crate) fn is_ending(&self) -> bool {
        self.state().end.is_some()
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
            if let Some(next) = self.at_once() {
                return next;
            }
            self.changed.notified().await;
        }
    }

    /// The same, if it is there already.
    pub(super) fn at_once(&self) -> Option<Next> {
        let next = self.state().take()?;
        match (next, self.ping_text) {
            (Next::Ping, Some(text)) => Some(Next::Frame(Outgoing { text: text.to_owned(), room: None })),
            (next, _) => Some(next),
        }
    }
}

impl State {
    fn take(&mut self) -> Option<Next> {
        if std::mem::take(&mut self.ping) {
            return Some(Next::Ping);
        }
        match self.frames.pop_front() {
            Some(Item::Frame(frame)) => {
                if frame.room.is_none() {
                    self.bytes = self.bytes.saturating_sub(frame.text.len());
                }
                return Some(Next::Frame(frame));
            }
            Some(Item::Part(part)) => {
                self.bytes = self.bytes.saturating_sub(part.bytes());
                return Some(Next::Frame(Outgoing { text: part.into_frame(), room: None }));
            }
            Some(Item::Probe(number)) => return Some(Next::Probe(number)),
            None => {}
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
                Next::Probe(number) => all.push(format!("probe {number}")),
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

    fn part(of: &str, text: &str) -> Part {
        Part { of: of.into(), text: text.into(), write: |of, text| format!("{of}:{text}") }
    }

    #[tokio::test]
    async fn parts_of_one_answer_are_merged_while_they_wait() {
        let outbox = Outbox::new(200);
        outbox.part(part("a", "1"));
        outbox.say("x".into());
        outbox.part(part("b", "1"));
        outbox.part(part("a", "2"));
        outbox.probe(7);
        outbox.part(part("b", "2"));
        outbox.end(None, CloseCode::Normal);
        assert_eq!(written(&outbox).await, ["a:12", "x", "b:12", "probe 7", "1000"]);
        let outbox = Outbox::new(200);
        for _ in 0..200 {
            outbox.part(part("a", "1"));
        }
        assert_eq!(written(&outbox).await, ["4013"], "but not without end");
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
