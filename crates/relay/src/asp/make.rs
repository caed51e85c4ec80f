//! One message behind the head that is known: whether it may be said there, its number, its hash and its signature. Writes
//! nothing.

use super::error::Failed;
use super::gatekeeper::Guest;
use super::inner::{Inner, read};
use super::random::random;
use super::record::{Memo, Session, Step, pack};
use super::speak::Words;
use super::store::{Head, NewMessage, Once};
use tollwire_asp::{
    AgentUri, Code, Draft, Hash, MessageId, Millis, Place, Said, Sender, SessionId, TrustScore, seal,
};
use tollwire_ledger::Timestamp;

/// The head that is known here.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(super) seq: u64,
    pub(super) hash: Hash,
    pub(super) session: Session,
}

/// A message that is ready to be kept.
pub(super) struct Made {
    pub(super) new: NewMessage,
    pub(super) sequence: u64,
    pub(super) message: String,
}

impl Known {
    /// Of a head as the store has it.
    pub(super) fn of(head: &Head) -> Result<Self, Failed> {
        let unreadable = |_| Failed::new(Code::InternalError, "the session's head cannot be read");
        Ok(Self { seq: head.seq, hash: head.hash.parse().map_err(unreadable)?, session: read(head)? })
    }
}

impl Inner {
    /// Makes the message behind a head, which it becomes; a refused one changes nothing.
    pub(super) fn make(
        &self,
        id: &SessionId,
        known: &mut Known,
        (guest, words): (&Guest, &Words),
        now: Timestamp,
    ) -> Result<Made, Failed> {
        let (draft, session, agent) = (&words.draft, &known.session, &guest.client.agent);
        let trust = self.trust_of(guest);
        if !agent.is_operator() {
            allowed(session, agent, draft, trust)?;
        }
        let previous = known.hash;
        if draft.previous.is_some_and(|believed| believed != previous) {
            let why = format!("the head is message {}, {previous}", known.seq);
            return Err(Failed::new(Code::HashChainError, why));
        }
        let at = Millis(now.millis()).max(session.at);
        let before = session.machine.state_at(at);
        if let Some(state) = words.only_in.filter(|state| *state != before) {
            let why = format!("the session is {before}, not {state}");
            return Err(Failed::new(Code::InvalidStateTransition, why));
        }
        let random = random()?;
        // From here on nothing but the state can refuse it.
        let said = Said { by: agent, performative: draft.performative, body: draft.body() };
        let machine = &mut known.session.machine;
        machine.step(&said, at)?;
        let step = Step { previous: before, state: machine.state(), due: machine.due() };
        let sequence = known.seq.saturating_add(1);
        let message = MessageId::new(at, random);
        let proof = words.proof.as_deref().filter(|_| self.limits.expose_dpop).map(str::to_owned);
        let sender = Sender { agent: agent.clone(), org: guest.client.org.clone(), trust, proof };
        let place = Place { session: id, sequence, id: message, at, previous };
        let sealed = seal(draft, &sender, &place, &self.key);
        let message = message.to_string();
        let once = words.id.as_deref().map(|name| {
            let memo = Memo { digest: draft.digest().to_string(), message: message.clone(), sequence };
            let until = now.after(self.limits.duplicate_window);
            Once { key: once_key(agent, name), until, memo: memo.to_string() }
        });
        (known.seq, known.hash) = (sequence, sealed.hash);
        known.session.at = at;
        Ok(Made { new: NewMessage { body: pack(step, &sealed.text), once }, sequence, message })
    }
}

/// What a session asks for.
fn allowed(session: &Session, agent: &AgentUri, draft: &Draft, trust: TrustScore) -> Result<(), Failed> {
    if !session.participants.contains(agent) {
        return Err(Failed::stranger());
    }
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

/// Under what an `id` is remembered: bounded, and nobody else's.
pub(super) fn once_key(agent: &AgentUri, name: &str) -> String {
    Hash::of(format!("{agent}\n{name}").as_bytes()).to_string()
}
