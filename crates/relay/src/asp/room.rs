//! Sessions that have connections on this node.

use super::line::Line;
use super::make::Known;
use crate::runtime::Outbox;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::watch;
use tollwire_asp::{AgentUri, SessionId};

/// Messages that are kept at hand for connections that are up to date, by count and by bytes.
const RECENT_MAX: usize = 64;
const RECENT_BYTES: usize = 256 * 1024;

/// All rooms of a node.
#[derive(Debug, Default)]
pub(crate) struct Rooms(Mutex<HashMap<SessionId, Arc<Room>>>);

/// One session's connections.
#[derive(Debug)]
pub(crate) struct Room {
    participants: OnceLock<Vec<AgentUri>>,
    /// How far the session has come, as far as is known here, and how often somebody should look.
    news: watch::Sender<News>,
    recent: Mutex<Recent>,
    seats: Mutex<Vec<Arc<Seat>>>,
    /// Who speaks: one turn of this node at a time.
    pub(super) turn: Arc<tokio::sync::Mutex<Turn>>,
    /// Those that wait for it.
    pub(super) line: Line,
}

/// The head that the last turn left, if it is certain.
pub(super) type Turn = Option<Known>;

/// What makes connections look for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct News {
    pub(crate) newest: u64,
    pub(crate) looks: u64,
}

#[derive(Debug, Default)]
struct Recent {
    messages: VecDeque<(u64, Bytes)>,
    bytes: usize,
}

/// One connection's place.
#[derive(Debug)]
pub(crate) struct Seat {
    /// Whose it is.
    pub(crate) client: String,
    pub(crate) agent: AgentUri,
    pub(crate) outbox: Arc<Outbox>,
}

impl Rooms {
    fn rooms(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Room>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The room of a session, if it has one here.
    pub(crate) fn get(&self, session: &SessionId) -> Option<Arc<Room>> {
        self.rooms().get(session).cloned()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Room>> {
        self.rooms().values().cloned().collect()
    }

    /// Takes a seat, unless the agent has so many already.
    pub(crate) fn join(&self, session: &SessionId, seat: &Arc<Seat>, max: usize) -> Option<Arc<Room>> {
        let mut rooms = self.rooms();
        let room = rooms.entry(session.clone()).or_insert_with(|| Arc::new(Room::new()));
        let mut seats = room.seats();
        if seats.iter().filter(|other| other.agent == seat.agent).count() >= max {
            return None;
        }
        seats.push(Arc::clone(seat));
        Some(Arc::clone(room))
    }

    /// Leaves it; a room without seats is gone.
    pub(crate) fn leave(&self, session: &SessionId, seat: &Arc<Seat>) {
        let mut rooms = self.rooms();
        let Some(room) = rooms.get(session) else { return };
        let mut seats = room.seats();
        seats.retain(|other| !Arc::ptr_eq(other, seat));
        let empty = seats.is_empty();
        drop(seats);
        if empty {
            rooms.remove(session);
        }
    }
}

impl Room {
    fn new() -> Self {
        Self {
            participants: OnceLock::new(),
            news: watch::Sender::default(),
            recent: Mutex::default(),
            seats: Mutex::default(),
            turn: Arc::default(),
            line: Line::default(),
        }
    }

    fn seats(&self) -> MutexGuard<'_, Vec<Arc<Seat>>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who takes part; nobody until the first connection has looked.
    pub(crate) fn participants(&self) -> &[AgentUri] {
        self.participants.get().map_or(&[], Vec::as_slice)
    }

    /// Notes who takes part.
    pub(crate) fn with_participants(&self, all: &[AgentUri]) {
        self.participants.get_or_init(|| all.to_vec());
    }

    /// Its connections.
    pub(crate) fn all(&self) -> Vec<Arc<Seat>> {
        self.seats().clone()
    }

    /// Whether it has several connections.
    pub(crate) fn is_shared(&self) -> bool {
        self.seats().len() > 1
    }

    /// What its connections wait for.
    pub(crate) fn news(&self) -> watch::Receiver<News> {
        self.news.subscribe()
    }

    /// Messages that were stored from here, in their order.
    pub(crate) fn push(&self, messages: impl IntoIterator<Item = (u64, Bytes)>) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut newest = None;
        for (sequence, message) in messages {
            recent.push(sequence, message);
            newest = Some(sequence);
        }
        drop(recent);
        if let Some(newest) = newest {
            self.heard_of(newest);
        }
    }

    /// There is a message of this number, wherever it was stored.
    pub(crate) fn heard_of(&self, sequence: u64) {
        self.news.send_if_modified(|news| {
            let newer = sequence > news.newest;
            news.newest = news.newest.max(sequence);
            newer
        });
    }

    /// There may be messages.
    pub(crate) fn look(&self) {
        self.news.send_modify(|news| news.looks = news.looks.wrapping_add(1));
    }

    /// Messages after a number that are at hand; none if one between is not.
    pub(crate) fn recent(&self, after: u64) -> Vec<(u64, Bytes)> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.messages.front().is_none_or(|(first, _)| *first > after.saturating_add(1)) {
            return Vec::new();
        }
        let at = recent.messages.partition_point(|(sequence, _)| *sequence <= after);
        recent.messages.range(at..).cloned().collect()
    }
}

impl Recent {
    fn push(&mut self, sequence: u64, message: Bytes) {
        if self.messages.back().is_some_and(|(last, _)| last.saturating_add(1) != sequence) {
            *self = Self::default();
        }
        self.bytes = self.bytes.saturating_add(message.len());
        self.messages.push_back((sequence, message));
        while self.messages.len() > RECENT_MAX || self.bytes > RECENT_BYTES {
            let Some((_, old)) = self.messages.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(old.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recent_messages_have_no_gap() {
        let room = Room::new();
        let seqs = |after| room.recent(after).into_iter().map(|(sequence, _)| sequence).collect::<Vec<_>>();
        assert!(seqs(0).is_empty());
        for sequence in 5..=7 {
            room.push([(sequence, Bytes::from_static(b"x"))]);
        }
        assert_eq!(seqs(4), [5, 6, 7]);
        assert_eq!(seqs(6), [7]);
        assert!(seqs(3).is_empty(), "4 is not at hand");
        room.push([(9, Bytes::from_static(b"x"))]);
        assert_eq!(seqs(8), [9]);
        assert!(seqs(6).is_empty(), "8 came from elsewhere");
        room.push([(10, vec![0; RECENT_BYTES + 1].into())]);
        assert!(seqs(8).is_empty(), "bounded");
        assert_eq!(room.news().borrow().newest, 10);
    }

    #[test]
    fn seats_are_few_and_rooms_end() {
        let rooms = Rooms::default();
        let session: SessionId = "ase_a".parse().unwrap();
        let seat = |agent: &str| {
            let agent = agent.parse().unwrap();
            Arc::new(Seat { client: "c".into(), agent, outbox: Arc::new(Outbox::new(10)) })
        };
        let (one, two, other) = (seat("agent://a"), seat("agent://a"), seat("agent://b"));
        assert!(rooms.join(&session, &one, 1).is_some());
        assert!(rooms.join(&session, &two, 1).is_none());
        assert!(rooms.join(&session, &other, 1).is_some());
        rooms.leave(&session, &one);
        assert_eq!(rooms.get(&session).unwrap().all().len(), 1);
        rooms.leave(&session, &other);
        assert!(rooms.get(&session).is_none());
    }
}
