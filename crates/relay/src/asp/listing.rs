//! What the operator sees of all sessions: who negotiates, where each stands, its head, and who is here; never a word of what
//! is said (`GET /admin/asp/sessions`).

use super::error::Failed;
use super::http::refused;
use super::inner::{Inner, read};
use super::start::Asp;
use crate::http::{Answer, json as answer, not_with};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tollwire_asp::SessionId;

/// Sessions of one answer: those that were begun last.
const NEWEST_MAX: usize = 100;

impl Asp {
    /// Answers `GET /admin/asp/sessions`.
    pub(super) async fn list(&self, method: &Method) -> Answer {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return not_with("GET, HEAD");
        }
        match self.inner().newest().await {
            Ok(sessions) => answer(StatusCode::OK, &json!({ "sessions": sessions })),
            Err(failed) => refused(&failed),
        }
    }
}

impl Inner {
    async fn newest(&self) -> Result<Vec<Value>, Failed> {
        let newest = self.sessions.newest(NEWEST_MAX, self.now()).await?;
        let mut views = Vec::new();
        for (id, head) in newest {
            // One that cannot be read hides no other.
            let Ok(session) = read(&head) else { continue };
            let mut view = self.shown(&id, &head, &session);
            if let Some(members) = view.as_object_mut() {
                members.insert("updatedAt".to_owned(), json!(session.at.to_string()));
                members.insert("connected".to_owned(), json!(self.connected(&id)));
            }
            views.push(view);
        }
        Ok(views)
    }

    /// The agents that have a connection to a session on this node.
    fn connected(&self, id: &SessionId) -> BTreeSet<String> {
        let seats = self.rooms.get(id).map(|room| room.all()).unwrap_or_default();
        seats.iter().map(|seat| seat.agent.to_string()).collect()
    }
}
