//! Sessions as a whole: begun, shown, closed.

use super::SESSIONS;
use crate::asp::error::Failed;
use crate::asp::gatekeeper::Guest;
use crate::asp::inner::Inner;
use crate::asp::record::Session;
use crate::asp::speak::Words;
use crate::asp::store::Head;
use crate::http::{Answer, json as answer};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tollwire_asp::{AgentUri, Code, Draft, Machine, Performative, SessionId, TrustScore};

/// What a session is begun with.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Begin {
    participants: Vec<AgentUri>,
    #[serde(default)]
    constraints: Constraints,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Constraints {
    required_trust_score: Option<TrustScore>,
    allowed_performatives: Option<Vec<Performative>>,
}

impl Inner {
    pub(super) async fn begin(&self, guest: &Guest, body: &[u8]) -> Result<Answer, Failed> {
        let wrong = |why: &str| Failed::new(Code::SchemaViolation, why);
        let Begin { mut participants, constraints } =
            serde_json::from_slice(body).map_err(|error| wrong(&error.to_string()))?;
        if !participants.contains(&guest.client.agent) {
            participants.insert(0, guest.client.agent.clone());
        }
        let mut names = participants.clone();
        names.sort();
        names.dedup();
        if names.len() != participants.len() || participants.iter().any(AgentUri::is_operator) {
            return Err(wrong("participants are different agents"));
        }
        if !(2..=self.limits.participants_max).contains(&participants.len()) {
            return Err(wrong("a session has at least two participants, and not too many"));
        }
        let (now, mut random) = (self.now(), [0; 10]);
        getrandom::fill(&mut random).map_err(|_| Failed::new(Code::InternalError, "no randomness"))?;
        let id = SessionId::new(self.millis(), random);
        let session = Session {
            participants,
            created: self.millis(),
            trust: constraints.required_trust_score,
            allowed: constraints.allowed_performatives,
            machine: Machine::default(),
            at: self.millis(),
        };
        self.sessions.create(&id, session.to_bytes(), now.after(self.limits.retention)).await?;
        let head = Head {
            seq: 0,
            hash: tollwire_asp::Hash::GENESIS.to_string(),
            first: 1,
            content: session.to_bytes(),
        };
        Ok(answer(StatusCode::CREATED, &self.shown(&id, &head, &session)))
    }

    pub(in crate::asp) fn shown(&self, id: &SessionId, head: &Head, session: &Session) -> Value {
        let ws = self.url(&format!("{SESSIONS}/{id}/ws")).replacen("http", "ws", 1);
        json!({
            "sessionId": id,
            "state": session.machine.at(self.millis()).state(),
            "participants": session.participants,
            "createdAt": session.created.to_string(),
            "lastSequence": head.seq,
            "firstSequence": head.first,
            "head": { "sequenceNumber": head.seq, "hash": head.hash },
            "wsUrl": ws,
        })
    }

    pub(super) async fn view(&self, id: &SessionId, guest: &Guest) -> Result<Answer, Failed> {
        let (head, session) = self.session(id, &guest.client.agent).await?;
        Ok(answer(StatusCode::OK, &self.shown(id, &head, &session)))
    }

    /// Says CLOSE in its caller's name.
    pub(super) async fn close(&self, id: &SessionId, guest: &Guest) -> Result<Answer, Failed> {
        let draft = Draft::read(r#"{"performative":"CLOSE","content":{"body":{}}}"#)?;
        self.speak(id, guest, Words::of(draft, None)).await?;
        self.view(id, guest).await
    }
}
