//! A message's way into the session: checked, put behind the head, hashed, signed, and kept if the head is still the same.

use super::error::Failed;
use super::gatekeeper::Guest;
use super::inner::{Inner, read};
use super::record::{Memo, Session, Step, pack};
use super::room::Room;
use super::store::{Head, NewMessage, Once, Stored};
use bytes::Bytes;
use tollwire_asp::{
    AgentUri, Code, Draft, Hash, MessageId, Millis, Place, Said, Sender, SessionId, State, TrustScore, seal,
};

/// How often a message is put behind another head before somebody is told to try again.
const ATTEMPTS_MAX: usize = 64;

/// The head that is known here.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    head: Head,
    session: Session,
}

/// What somebody says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words<'a> {
    /// The `id` of the `send`.
    pub(crate) id: Option<&'a str>,
    pub(crate) draft: &'a Draft,
    /// The proof that goes with it.
    pub(crate) proof: Option<&'a str>,
    /// Where alone it is meant.
    pub(crate) only_in: Option<State>,
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

/// A message that is ready to be kept.
struct Made {
    new: NewMessage,
    sequence: u64,
    message: String,
    session: Session,
}

impl Inner {
    /// Puts a message into a session. In `room` if the session has one here.
    pub(crate) async fn speak(
        &self,
        id: &SessionId,
        room: Option<&Room>,
        guest: &Guest,
        words: Words<'_>,
    ) -> Result<Spoken, Failed> {
        match room {
            Some(room) => {
                let mut turn = room.turn.lock().await;
                let outcome = self.try_speak(id, turn.take(), guest, words).await;
                outcome.map(|(spoken, known)| {
                    if let Some(packed) = &spoken.packed {
                        room.push(spoken.sequence, packed.clone());
                    }
                    *turn = Some(known);
                    spoken
                })
            }
            None => self.try_speak(id, None, guest, words).await.map(|(spoken, ..)| spoken),
        }
    }

    async fn try_speak(
        &self,
        id: &SessionId,
        known: Option<Known>,
        guest: &Guest,
        words: Words<'_>,
    ) -> Result<(Spoken, Known), Failed> {
        let mut fresh = known.is_none();
        let mut known = if let Some(known) = known {
            known
        } else {
            let (head, session) = self.session(id, &guest.client.agent).await?;
            Known { head, session }
        };
        for _ in 0..ATTEMPTS_MAX {
            let made = match self.make(id, &known, guest, words) {
                Ok(made) => made,
                // Somebody else may have said something meanwhile; and a message that is there already is no mistake.
                Err(failed) => {
                    if let Some(spoken) = self.said_before(id, guest, words).await? {
                        return Ok((spoken, known));
                    }
                    if fresh {
                        return Err(failed);
                    }
                    let (head, session) = self.session(id, &guest.client.agent).await?;
                    (known, fresh) = (Known { head, session }, true);
                    continue;
                }
            };
            match self.sessions.append(id, made.new.clone(), self.now()).await? {
                Stored::Done => {
                    let head = Head {
                        seq: made.sequence,
                        hash: made.new.hash,
                        first: known.head.first,
                        content: made.new.content,
                    };
                    let (message, sequence, packed) = (made.message, made.sequence, Some(made.new.body));
                    let spoken = Spoken { message, sequence, again: false, packed };
                    return Ok((spoken, Known { head, session: made.session }));
                }
                Stored::Moved(head) => {
                    let session = read(&head)?;
                    (known, fresh) = (Known { head, session }, true);
                }
                Stored::Duplicate { memo } => return Ok((same(&memo, words.draft)?, known)),
                Stored::Unknown => {
                    return Err(Failed::new(Code::SessionNotFound, "there is no such session any more"));
                }
            }
        }
        Err(Failed::new(Code::InternalError, "too many speak at once: try again"))
    }

    /// The message of an `id` that may not be said now, if it was said before: found by an append that cannot succeed.
    async fn said_before(
        &self,
        id: &SessionId,
        guest: &Guest,
        words: Words<'_>,
    ) -> Result<Option<Spoken>, Failed> {
        let Some(name) = words.id else { return Ok(None) };
        let now = self.now();
        let once = Once { key: once_key(&guest.client.agent, name), until: now, memo: String::new() };
        let new = NewMessage {
            after: (u64::MAX, String::new()),
            hash: String::new(),
            body: Bytes::new(),
            content: Bytes::new(),
            keep: self.limits.messages_max,
            until: now,
            once: Some(once),
        };
        match self.sessions.append(id, new, now).await? {
            Stored::Duplicate { memo } => same(&memo, words.draft).map(Some),
            _ => Ok(None),
        }
    }

    fn make(&self, id: &SessionId, known: &Known, guest: &Guest, words: Words<'_>) -> Result<Made, Failed> {
        let (draft, session, agent) = (words.draft, &known.session, &guest.client.agent);
        let trust = self.trust_of(guest);
        if !agent.is_operator() {
            allowed(session, draft, trust)?;
        }
        let previous: Hash = known
            .head
            .hash
            .parse()
            .map_err(|_| Failed::new(Code::InternalError, "the session's head cannot be read"))?;
        if draft.previous.is_some_and(|believed| believed != previous) {
            let why = format!("the head is message {}, {previous}", known.head.seq);
            return Err(Failed::new(Code::HashChainError, why));
        }
        let now = self.now();
        let at = Millis(now.millis()).max(session.at);
        let before = session.machine.state_at(at);
        if let Some(state) = words.only_in.filter(|state| *state != before) {
            let why = format!("the session is {before}, not {state}");
            return Err(Failed::new(Code::InvalidStateTransition, why));
        }
        let said = Said { by: agent, performative: draft.performative, body: draft.body() };
        let machine = session.machine.after(&said, at)?;
        let sequence = known.head.seq.saturating_add(1);
        let message = MessageId::new(at, random()?);
        let proof = words.proof.filter(|_| self.limits.expose_dpop).map(str::to_owned);
        let sender = Sender { agent: agent.clone(), org: guest.client.org.clone(), trust, proof };
        let place = Place { session: id, sequence, id: message, at, previous };
        let sealed = seal(draft, &sender, &place, &self.key);
        let step = Step { previous: before, state: machine.state(), due: machine.due() };
        let session = session.with(machine, at);
        let message = message.to_string();
        let new = NewMessage {
            after: (known.head.seq, known.head.hash.clone()),
            hash: sealed.hash.to_string(),
            body: pack(step, &sealed.text),
            content: session.to_bytes(),
            keep: self.limits.messages_max,
            until: now.after(self.limits.retention),
            once: words.id.map(|name| {
                let memo = Memo { digest: draft.digest().to_string(), message: message.clone(), sequence };
                let until = now.after(self.limits.duplicate_window);
                Once { key: once_key(agent, name), until, memo: memo.to_string() }
            }),
        };
        Ok(Made { new, sequence, message, session })
    }
}

/// What a session asks for.
fn allowed(session: &Session, draft: &Draft, trust: TrustScore) -> Result<(), Failed> {
    if session.allowed.as_ref().is_some_and(|allowed| !allowed.contains(&draft.performative)) {
        let why = format!("{} is not for this session", draft.performative);
        return Err(Failed::new(Code::ForbiddenPerformative, why));
    }
    if let Some(required) = session.trust.filter(|required| trust < *required) {
        let why = format!("the session asks for a trust score of {required}; yours is {trust}");
        return Err(Failed::new(Code::InsufficientTrustScore, why));
    }
    if draft.recipient.as_ref().is_some_and(|recipient| !session.participants.contains(recipient)) {
        return Err(Failed::new(Code::SchemaViolation, "recipient takes no part in this session"));
    }
    Ok(())
}

/// The ack of a duplicate, if it says the same.
fn same(memo: &str, draft: &Draft) -> Result<Spoken, Failed> {
    let memo: Memo = serde_json::from_str(memo)
        .map_err(|_| Failed::new(Code::InternalError, "what was said under this id cannot be read"))?;
    if memo.digest != draft.digest().to_string() {
        return Err(Failed::new(Code::IdempotencyConflict, "something else was said under this id"));
    }
    Ok(Spoken { message: memo.message, sequence: memo.sequence, again: true, packed: None })
}

/// Under what an `id` is remembered: bounded, and nobody else's.
fn once_key(agent: &AgentUri, name: &str) -> String {
    Hash::of(format!("{agent}\n{name}").as_bytes()).to_string()
}

fn random() -> Result<[u8; 10], Failed> {
    let mut bytes = [0; 10];
    getrandom::fill(&mut bytes).map_err(|_| Failed::new(Code::InternalError, "no randomness"))?;
    Ok(bytes)
}
