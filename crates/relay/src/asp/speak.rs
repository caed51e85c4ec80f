//! A message's way into the session: one turn at a time on this node, in which all that waits is checked, put behind the head,
//! hashed, signed, and kept if the head is still the same.

use super::chain::Outcomes;
use super::error::Failed;
use super::gatekeeper::Guest;
use super::inner::Inner;
use super::line::Saying;
use super::room::{Room, Turn};
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;
use tollwire_asp::{Draft, SessionId, State};

/// What somebody says.
#[derive(Debug, Clone)]
pub(crate) struct Words {
    /// The `id` of the `send`.
    pub(crate) id: Option<String>,
    pub(crate) draft: Draft,
    /// How long it was as it came in.
    pub(crate) bytes: usize,
    /// The proof that goes with it.
    pub(crate) proof: Option<Arc<str>>,
    /// Where alone it is meant.
    pub(crate) only_in: Option<State>,
}

impl Words {
    /// What is said over HTTP: with the proof that the message itself names.
    pub(crate) fn of(draft: Draft, id: Option<&str>) -> Self {
        let proof = draft.proof.as_deref().map(Arc::from);
        Self { id: id.map(str::to_owned), draft, bytes: 0, proof, only_in: None }
    }
}

/// A message that is in the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spoken {
    pub(crate) message: String,
    pub(crate) sequence: u64,
    /// Whether it was there before.
    pub(crate) again: bool,
    /// As it is kept, with its step, if it was not.
    pub(crate) packed: Option<Bytes>,
}

impl Inner {
    /// Puts a message into a session, whether or not it has a room here.
    pub(crate) async fn speak(&self, id: &SessionId, guest: &Guest, words: Words) -> Result<Spoken, Failed> {
        let said = [(guest, &words)];
        let mut outcomes = if let Some(room) = self.rooms.get(id) {
            let turn = Arc::clone(&room.turn).lock_owned().await;
            self.speak_in(id, &room, turn, &said).await
        } else {
            let (outcomes, _) = Box::pin(self.chain(id, None, &said)).await;
            self.tell_of(id, None, &outcomes);
            outcomes
        };
        outcomes.pop().unwrap_or_else(|| Err(Failed::unanswered()))
    }

    /// Puts messages of one connection into its session, in their order, together with those of others that wait.
    pub(crate) async fn speak_all(
        self: &Arc<Self>,
        id: &SessionId,
        room: &Arc<Room>,
        guest: &Arc<Guest>,
        words: Vec<Words>,
    ) -> Outcomes {
        if let Ok(turn) = Arc::clone(&room.turn).try_lock_owned() {
            let said: Vec<(&Guest, &Words)> = words.iter().map(|words| (&**guest, words)).collect();
            return self.speak_in(id, room, turn, &said).await;
        }
        let count = words.len();
        let mut outcomes = room.line.join(Arc::clone(guest), words);
        loop {
            tokio::select! {
                biased;
                outcomes = &mut outcomes => {
                    return outcomes.unwrap_or_else(|_| vec![Err(Failed::unanswered()); count]);
                }
                turn = Arc::clone(&room.turn).lock_owned() => {
                    // In a task of its own: a connection that ends must not take what others say with it.
                    let (inner, room, id) = (Arc::clone(self), Arc::clone(room), id.clone());
                    tokio::spawn(async move { inner.speak_for(&id, &room, turn).await });
                }
            }
        }
    }

    /// Speaks for those that wait.
    async fn speak_for(&self, id: &SessionId, room: &Arc<Room>, turn: OwnedMutexGuard<Turn>) {
        let all = room.line.take();
        let words = |saying: &'_ Saying| saying.words.len();
        let counts: Vec<usize> = all.iter().map(words).collect();
        let said: Vec<(&Guest, &Words)> =
            all.iter().flat_map(|saying| saying.words.iter().map(|words| (&*saying.guest, words))).collect();
        let mut outcomes = self.speak_in(id, room, turn, &said).await.into_iter();
        for (saying, count) in all.into_iter().zip(counts) {
            // A connection that is gone asks again if it wants to know.
            let _gone = saying.reply.send(outcomes.by_ref().take(count).collect());
        }
    }

    /// Speaks in a room whose turn it is.
    async fn speak_in(
        &self,
        id: &SessionId,
        room: &Arc<Room>,
        mut turn: OwnedMutexGuard<Turn>,
        said: &[(&Guest, &Words)],
    ) -> Outcomes {
        // Whoever is cut off meanwhile leaves no head behind that may be an old one.
        let (outcomes, known) = Box::pin(self.chain(id, turn.take(), said)).await;
        self.tell_of(id, Some(room), &outcomes);
        *turn = known;
        outcomes
    }

    /// Tells the session's connections on this node. The bus tells the others.
    fn tell_of(&self, id: &SessionId, room: Option<&Arc<Room>>, outcomes: &Outcomes) {
        let fresh = || outcomes.iter().flatten().filter(|spoken| !spoken.again);
        let Some(newest) = fresh().map(|spoken| spoken.sequence).max() else { return };
        match room {
            // Whoever is alone has had an ack, and need not be given anything.
            Some(room) if room.is_shared() => {
                room.push(fresh().filter_map(|spoken| Some((spoken.sequence, spoken.packed.clone()?))));
            }
            Some(room) => room.heard_of(newest),
            None => {}
        }
        // Somebody may have sat down since the room was looked for, and has read the head before this.
        if let Some(present) = self.rooms.get(id)
            && room.is_none_or(|room| !Arc::ptr_eq(room, &present))
        {
            present.heard_of(newest);
        }
    }
}
