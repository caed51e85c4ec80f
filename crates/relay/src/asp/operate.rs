//! What the operator can do about a session: take an escalation back, or say that a commitment was broken. Both are messages
//! of the session like all others, by `agent://operator`.

use super::client::{AspClient, SecretHash};
use super::error::Failed;
use super::gatekeeper::Guest;
use super::http::refused;
use super::inner::Inner;
use super::speak::Words;
use super::start::Asp;
use crate::http::{Answer, json as answer, not_with, nothing_here};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tollwire_asp::{Code, Draft, OPERATOR, SessionId, State, TrustScore};

/// What the operator writes beside it, at most, in bytes.
const NOTE_BYTES_MAX: usize = 4096;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Resume,
    Breach,
}

impl Act {
    const fn word(self) -> &'static str {
        match self {
            Self::Resume => "resume",
            Self::Breach => "breach",
        }
    }

    /// Where the session has to stand: elsewhere the operator's word would mean something else.
    const fn only_in(self) -> State {
        match self {
            Self::Resume => State::Escalated,
            Self::Breach => State::Executing,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default)]
    note: String,
}

impl Asp {
    /// Answers an operator's request below `/admin/asp/`. `body` has been read whole.
    pub(crate) async fn administer(&self, method: &Method, words: &[&str], body: &[u8]) -> Answer {
        let (id, act) = match words {
            ["sessions"] => return self.list(method).await,
            ["sessions", id] => (id, None),
            ["sessions", id, "resume"] => (id, Some(Act::Resume)),
            ["sessions", id, "breach"] => (id, Some(Act::Breach)),
            _ => return nothing_here(),
        };
        let allowed = if act.is_some() { "POST" } else { "GET, HEAD" };
        if !allowed.split(", ").any(|known| known == method.as_str()) {
            return not_with(allowed);
        }
        let Ok(id) = id.parse::<SessionId>() else { return nothing_here() };
        let outcome = match act {
            Some(act) => self.inner().act(&id, act, body).await,
            None => Ok(()),
        };
        let shown = match outcome {
            Ok(()) => self.inner().look(&id).await,
            Err(failed) => Err(failed),
        };
        shown.unwrap_or_else(|failed| refused(&failed))
    }
}

impl Inner {
    async fn look(&self, id: &SessionId) -> Result<Answer, Failed> {
        let (head, session) = self.any_session(id).await?;
        Ok(answer(StatusCode::OK, &self.shown(id, &head, &session)))
    }

    async fn act(&self, id: &SessionId, act: Act, body: &[u8]) -> Result<(), Failed> {
        let wrong = |why: String| Failed::new(Code::SchemaViolation, why);
        let body: Body = if body.is_empty() {
            Body::default()
        } else {
            serde_json::from_slice(body).map_err(|error| wrong(error.to_string()))?
        };
        if body.note.len() > NOTE_BYTES_MAX {
            return Err(wrong(format!("note: at most {NOTE_BYTES_MAX} bytes")));
        }
        let said =
            json!({"performative": "INFORM", "content": {"body": {"action": act.word(), "note": body.note}}});
        let draft = Draft::read(&said.to_string())?;
        let words = Words { only_in: Some(act.only_in()), ..Words::of(draft, None) };
        self.speak(id, &operator()?, words).await?;
        tracing::info!(session = %id, act = act.word(), "the operator has spoken");
        Ok(())
    }
}

/// The operator, who has no token: the admin listener knows him.
fn operator() -> Result<Guest, Failed> {
    let agent = OPERATOR.parse().map_err(|_| Failed::new(Code::InternalError, "the operator has no name"))?;
    let client = AspClient {
        secret: SecretHash::of(""),
        agent,
        org: "operator".to_owned(),
        trust: TrustScore::MAX,
        card: super::client::AspCard::default(),
    };
    Ok(Guest { id: String::new(), client, exp: 0 })
}
