//! What the operator does: people and their API keys (`/admin/people`), and agents (`/admin/service-agents`); beside it, what
//! is only looked at (`/admin/orchestrator`).

use super::agents::AgentError;
use super::people::PersonError;
use super::start::Orchestrator;
use crate::bridge::AppId;
use crate::http::{Answer, Problem, json as answer, not_with, nothing_here};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tollwire_x402::ApiId;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonBody {
    id: AppId,
    #[serde(default)]
    name: Option<String>,
}

impl Orchestrator {
    /// Answers an operator's request below `/admin/`, if it is one of ours. `body` has been read whole.
    pub(crate) async fn administer(&self, method: &Method, words: &[&str], body: &[u8]) -> Option<Answer> {
        Some(match words {
            ["orchestrator", rest @ ..] => self.overview(method, rest).await,
            ["people", rest @ ..] => self.people(method, rest, body).await,
            ["service-agents", rest @ ..] => self.service_agents(method, rest, body).await,
            _ => return None,
        })
    }

    async fn people(&self, method: &Method, words: &[&str], body: &[u8]) -> Answer {
        let (inner, now) = (self.inner(), self.inner().now());
        let (people, keys) = (&inner.people, &inner.keys);
        let outcome = match (words, method) {
            ([], &Method::GET | &Method::HEAD) => {
                people.list(now).await.map(|all| json!({ "people": all })).map_err(PersonError::Store)
            }
            ([], &Method::POST) => match serde_json::from_slice::<PersonBody>(body) {
                Ok(body) => match people.add(keys, (body.id, body.name), now).await {
                    Ok(added) => return answer(StatusCode::CREATED, &added),
                    Err(error) => Err(error),
                },
                Err(error) => return bad(&error.to_string()),
            },
            ([], _) => return not_with("GET, HEAD, POST"),
            ([id], &Method::GET | &Method::HEAD) => people.view(id, now).await,
            ([id], &Method::DELETE) => {
                let removed = people.remove(id, now).await;
                inner.keys_changed(id).await;
                removed.map(|()| json!({ "removed": true }))
            }
            ([_], _) => return not_with("GET, HEAD, DELETE"),
            ([id, "rotate"], &Method::POST) => people.rotate(keys, id, now).await,
            ([id, "revoke"], &Method::POST) => {
                let revoked = people.revoke(id, now).await;
                // Whatever came of it: an answer of the store may be lost.
                inner.keys_changed(id).await;
                revoked
            }
            ([_, "rotate" | "revoke"], _) => return not_with("POST"),
            _ => return nothing_here(),
        };
        match outcome {
            Ok(view) => answer(StatusCode::OK, &view),
            Err(error) => {
                let (status, kind) = match &error {
                    PersonError::Exists => (StatusCode::CONFLICT, "exists"),
                    PersonError::Unknown => (StatusCode::NOT_FOUND, "not-found"),
                    PersonError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
                };
                Problem::new(status, kind, error.to_string()).into_answer()
            }
        }
    }

    async fn service_agents(&self, method: &Method, words: &[&str], body: &[u8]) -> Answer {
        let (agents, now) = (&self.inner().agents, self.inner().now());
        let slug = match words.first().map(|slug| slug.parse::<ApiId>()) {
            Some(Err(_)) => return nothing_here(),
            Some(Ok(slug)) => Some(slug),
            None => None,
        };
        let read = || serde_json::from_slice::<Value>(body).ok().filter(Value::is_object);
        let outcome = match (slug, words.get(1).copied(), method) {
            (None, _, &Method::GET | &Method::HEAD) => match agents.all(now).await {
                Ok(all) => {
                    let mut views = Vec::new();
                    for agent in &all {
                        views.push(agents.whole(agent).await);
                    }
                    return answer(StatusCode::OK, &json!({ "agents": views }));
                }
                Err(error) => Err(error.into()),
            },
            (None, _, &Method::POST) => match read() {
                Some(body) => match agents.add(body, now).await {
                    Ok(agent) => return answer(StatusCode::CREATED, &self.with_key(&agent).await),
                    Err(error) => Err(error),
                },
                None => return bad("send a JSON object"),
            },
            (None, ..) => return not_with("GET, HEAD, POST"),
            (Some(slug), None, &Method::GET | &Method::HEAD) => match agents.get(slug.as_str(), now).await {
                Ok(Some(agent)) => Ok(agents.whole(&agent).await),
                Ok(None) => Err(AgentError::Unknown),
                Err(error) => Err(error.into()),
            },
            (Some(slug), None, &Method::PATCH) => match read() {
                Some(patch) => match agents.amend(&slug, (&patch, false), now).await {
                    Ok(agent) => Ok(agents.whole(&agent).await),
                    Err(error) => Err(error),
                },
                None => return bad("send a JSON object"),
            },
            (Some(slug), None, &Method::DELETE) => {
                agents.remove(&slug, now).await.map(|()| json!({ "removed": true }))
            }
            (Some(slug), Some("rotate"), &Method::POST) => {
                match agents.amend(&slug, (&Value::Null, true), now).await {
                    Ok(agent) => Ok(self.with_key(&agent).await),
                    Err(error) => Err(error),
                }
            }
            (Some(_), None, _) => return not_with("GET, HEAD, PATCH, DELETE"),
            (Some(_), Some("rotate"), _) => return not_with("POST"),
            _ => return nothing_here(),
        };
        outcome.map_or_else(|error| refused(&error), |view| answer(StatusCode::OK, &view))
    }

    /// An agent with the key that it is shown.
    async fn with_key(&self, agent: &super::agent::ServiceAgent) -> Value {
        let inner = self.inner();
        let mut view = inner.agents.whole(agent).await;
        if let Some(members) = view.as_object_mut()
            && agent.base_url.is_some()
        {
            let key = inner.keys.of_agent(agent.slug.as_str(), agent.key_version);
            members.insert("orchestrator_key".to_owned(), json!(key));
        }
        view
    }
}

fn refused(error: &AgentError) -> Answer {
    let (status, kind) = match error {
        AgentError::Exists => (StatusCode::CONFLICT, "exists"),
        AgentError::TooMany => (StatusCode::CONFLICT, "too-many"),
        AgentError::Unknown => (StatusCode::NOT_FOUND, "not-found"),
        AgentError::Malformed(_) => (StatusCode::BAD_REQUEST, "bad-request"),
        AgentError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
    };
    Problem::new(status, kind, error.to_string()).into_answer()
}

fn bad(why: &str) -> Answer {
    Problem::new(StatusCode::BAD_REQUEST, "bad-request", why).into_answer()
}
