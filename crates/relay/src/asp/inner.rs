//! What all connections share.

use super::client::TrustProvider;
use super::error::Failed;
use super::gatekeeper::{Gatekeeper, Guest};
use super::limits::AspLimits;
use super::record::{Session, read_notice};
use super::room::Rooms;
use super::say;
use super::store::{Head, Sessions};
use super::turns::Turns;
use crate::bridge::{Bus, News};
use std::sync::Arc;
use tollwire_asp::{AgentUri, Code, Millis, SessionId, SigningKey, TrustScore};
use tollwire_ledger::{Clock, Timestamp};
use tollwire_x402::close::CloseCode;

/// The state of a node.
pub(crate) struct Inner {
    pub(crate) key: SigningKey,
    pub(crate) gate: Gatekeeper,
    pub(crate) sessions: Arc<dyn Sessions>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) trust: Arc<dyn TrustProvider>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: AspLimits,
    pub(crate) rooms: Rooms,
    /// How often clients may speak without a connection.
    pub(crate) turns: Turns,
    /// Without a slash at its end.
    pub(crate) public_url: String,
}

impl Inner {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn millis(&self) -> Millis {
        Millis(self.now().millis())
    }

    /// An URL of ours, as clients know it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.public_url)
    }

    /// How much an agent is trusted now, which may be another score than when it came.
    pub(crate) fn trust_of(&self, guest: &Guest) -> TrustScore {
        let listed = || self.gate.clients().get(&guest.id).map_or(guest.client.trust, |client| client.trust);
        self.trust.score(&guest.client.agent).unwrap_or_else(listed)
    }

    /// A session in which somebody takes part.
    pub(crate) async fn session(&self, id: &SessionId, agent: &AgentUri) -> Result<(Head, Session), Failed> {
        let (head, session) = self.any_session(id).await?;
        if !session.participants.contains(agent) && !agent.is_operator() {
            return Err(Failed::stranger());
        }
        Ok((head, session))
    }

    /// A session, whoever asks.
    pub(crate) async fn any_session(&self, id: &SessionId) -> Result<(Head, Session), Failed> {
        let head = self.any_head(id).await?;
        let session = read(&head)?;
        Ok((head, session))
    }

    /// Where a session stands, whoever asks.
    pub(crate) async fn any_head(&self, id: &SessionId) -> Result<Head, Failed> {
        let head = self.sessions.head(id, self.now()).await?;
        head.ok_or_else(|| Failed::new(Code::SessionNotFound, "there is no such session"))
    }

    /// What came over the bus.
    pub(crate) fn hear(&self, news: &News) {
        match news {
            News::Interrupted => self.rooms.all().iter().for_each(|room| room.look()),
            News::Notice(bytes) => {
                if let Some((session, sequence)) = read_notice(bytes)
                    && let Some(room) = self.rooms.get(&session)
                {
                    room.heard_of(sequence);
                }
            }
        }
    }

    /// Ends the connections of clients that are none any more.
    pub(crate) fn drop_strangers(&self) {
        let clients = self.gate.clients();
        for seat in self.rooms.all().iter().flat_map(|room| room.all()) {
            if clients.get(&seat.client).is_none_or(|client| client.agent != seat.agent) {
                let failed = Failed::new(Code::AuthFailed, "this client is not known any more");
                seat.outbox.end(Some(say::error(&failed, None)), CloseCode::Unauthorized);
            }
        }
    }

    /// Tells everybody who talks with an agent how much it is trusted now.
    pub(crate) fn tell_trust(&self, agent: &AgentUri, score: TrustScore, previous: TrustScore) {
        for room in self.rooms.all() {
            for seat in room.all().iter().filter(|_| room.participants().contains(agent)) {
                seat.outbox.say(say::trust_update(agent, score, previous));
            }
        }
    }
}

/// What a head says beside its numbers.
pub(crate) fn read(head: &Head) -> Result<Session, Failed> {
    Session::from_bytes(&head.content).ok_or_else(|| {
        tracing::error!(seq = head.seq, "a session cannot be read");
        Failed::new(Code::InternalError, "the session cannot be read")
    })
}
