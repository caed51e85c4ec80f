//! The sessions that this broker works at.

use super::hear::Frame;
use super::people::Holder;
use crate::runtime::Outbox;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What a session's task is told.
pub(super) enum News {
    /// A person has connected.
    Attached(Socket),
    /// A frame of theirs.
    Heard(Frame),
    /// They have all up to this number.
    Arrived(u64),
    /// It is to be closed.
    Close,
}

/// A connection, as its session's task has it.
#[derive(Clone)]
pub(super) struct Socket {
    /// Who opened it.
    pub(super) holder: Holder,
    pub(super) outbox: Arc<Outbox>,
    /// Cancelled when it is gone.
    pub(super) over: CancellationToken,
}

impl Socket {
    /// Whether it is there, and is to stay.
    fn is_open(&self) -> bool {
        !self.over.is_cancelled() && !self.outbox.is_ending()
    }
}

/// News that wait for one session; then no more is read from its person.
const WAITING_MAX: usize = 64;

/// A session that is worked at.
struct Seat {
    news: mpsc::Sender<News>,
    /// The last connection.
    socket: Option<Socket>,
}

/// All of them.
#[derive(Default)]
pub(super) struct Seats(Mutex<HashMap<String, Seat>>);

/// What came of wanting a session's task.
pub(super) enum Wanted {
    /// It is there: talk to it.
    There(mpsc::Sender<News>),
    /// It has a person already.
    Taken,
    /// It has no time now.
    Full,
    /// There is none: start it, and give it these.
    Start(mpsc::Sender<News>, mpsc::Receiver<News>),
}

impl Seats {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Seat>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a session is worked at here.
    pub(super) fn has(&self, session: &str) -> bool {
        self.all().contains_key(session)
    }

    /// All connections that are open.
    pub(super) fn sockets(&self) -> Vec<Socket> {
        let all = self.all();
        all.values().filter_map(|seat| seat.socket.clone()).filter(Socket::is_open).collect()
    }

    /// Tells a session's task something, if it is here and has time.
    pub(super) fn tell(&self, session: &str, news: News) {
        if let Some(seat) = self.all().get(session)
            && seat.news.try_send(news).is_err()
        {
            tracing::debug!(session, "a session has no time to be told something");
        }
    }

    /// Talks to a session's task, for a person or for nobody.
    pub(super) fn want(&self, session: &str, socket: Option<Socket>) -> Wanted {
        let mut all = self.all();
        if let Some(seat) = all.get_mut(session) {
            let Some(socket) = socket else { return Wanted::There(seat.news.clone()) };
            if seat.socket.as_ref().is_some_and(Socket::is_open) {
                return Wanted::Taken;
            }
            // What somebody who is gone has said may still fill it.
            if seat.news.try_send(News::Attached(socket.clone())).is_err() {
                return Wanted::Full;
            }
            seat.socket = Some(socket);
            return Wanted::There(seat.news.clone());
        }
        let (news, heard) = mpsc::channel(WAITING_MAX);
        if let Some(socket) = &socket {
            drop(news.try_send(News::Attached(socket.clone())));
        }
        all.insert(session.to_owned(), Seat { news: news.clone(), socket });
        Wanted::Start(news, heard)
    }

    /// Ends a session's task, unless somebody has told it something meanwhile.
    pub(super) fn leave(&self, session: &str, heard: &mut mpsc::Receiver<News>) -> Option<News> {
        let mut all = self.all();
        if let Ok(news) = heard.try_recv() {
            return Some(news);
        }
        all.remove(session);
        None
    }

    /// Ends a session's task whatever it was told.
    pub(super) fn forget(&self, session: &str) {
        self.all().remove(session);
    }
}
