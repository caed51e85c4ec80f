//! `/admin/apps`, `/admin/agents`, `/admin/queues`, `/admin/sessions`, `/admin/audit`.

use super::answer::{Answer, Problem, json, not_with, of_type};
use crate::bridge::{AgentBody, AgentId, AppBody, AppId, Bridge, Party, RegistrationError};
use http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json as value};

/// The most entries of the audit log that are asked for by `newest`.
const NEWEST_MAX: u64 = 500;

/// Answers an operator's request below `/admin/`. `body` has been read whole.
pub(super) async fn serve(
    bridge: &Bridge,
    method: &Method,
    (path, query): (&str, Option<&str>),
    body: &[u8],
) -> Answer {
    let mut words = path.split('/');
    let all = (words.next().unwrap_or_default(), words.next(), words.next(), words.next());
    let (kind, id, verb) = match all {
        ("audit", None, None, None) => return audit(bridge, method, query).await,
        ("sessions", None, None, None) if matches!(*method, Method::GET | Method::HEAD) => {
            let listed = bridge.sessions().await.map_err(RegistrationError::Store);
            return answered(StatusCode::OK, listed);
        }
        ("queues", None, None, None) if matches!(*method, Method::GET | Method::HEAD) => {
            let listed = bridge.queues().await.map_err(RegistrationError::Store);
            return answered(StatusCode::OK, listed);
        }
        ("sessions" | "queues", None, None, None) => return not_with("GET, HEAD"),
        (kind, id, verb, None) => (kind, id, verb),
        _ => return super::nothing_here(),
    };
    let party = match (kind, id) {
        ("apps" | "agents", None) => return list(bridge, kind, method, body).await,
        ("apps", Some(id)) => id.parse::<AppId>().ok().map(Party::App),
        ("agents", Some(id)) => id.parse::<AgentId>().ok().map(Party::Agent),
        _ => None,
    };
    let Some(party) = party else { return super::nothing_here() };
    match (verb, method) {
        (None, &Method::GET | &Method::HEAD) => match bridge.view(&party) {
            Some(view) => json(StatusCode::OK, &view),
            None => refused(&RegistrationError::Unknown),
        },
        (None, &Method::PATCH) => amend(bridge, party, body).await,
        (None, &Method::DELETE) => match bridge.remove(&party).await {
            Ok(()) => json(StatusCode::OK, &value!({ "removed": true })),
            Err(error) => refused(&error),
        },
        (None, _) => not_with("GET, HEAD, PATCH, DELETE"),
        (Some("rotate"), &Method::POST) => answered(StatusCode::OK, bridge.rotate(&party).await),
        (Some("revoke"), &Method::POST) => answered(StatusCode::OK, bridge.revoke(&party).await),
        (Some("rotate" | "revoke"), _) => not_with("POST"),
        _ => super::nothing_here(),
    }
}

async fn list(bridge: &Bridge, kind: &str, method: &Method, body: &[u8]) -> Answer {
    let of_apps = kind == "apps";
    match *method {
        Method::GET | Method::HEAD if of_apps => json(StatusCode::OK, &value!({ "apps": bridge.apps() })),
        Method::GET | Method::HEAD => json(StatusCode::OK, &value!({ "agents": bridge.agents() })),
        Method::POST if of_apps => match read::<AppBody>(body).map(|mut body| (body.id.take(), body)) {
            Ok((Some(id), body)) => answered(StatusCode::CREATED, bridge.add_app(id, body).await),
            Ok((None, _)) => bad("id: it needs one"),
            Err(answer) => *answer,
        },
        Method::POST => match read::<AgentBody>(body).map(|mut body| (body.id.take(), body)) {
            Ok((Some(id), body)) => answered(StatusCode::CREATED, bridge.add_agent(id, body).await),
            Ok((None, _)) => bad("id: it needs one"),
            Err(answer) => *answer,
        },
        _ => not_with("GET, HEAD, POST"),
    }
}

async fn amend(bridge: &Bridge, party: Party, body: &[u8]) -> Answer {
    let outcome = match party {
        Party::App(id) => match read::<AppBody>(body) {
            Ok(body) if body.id.is_some() => return bad("id: it cannot be changed"),
            Ok(body) => bridge.amend_app(id, body).await,
            Err(answer) => return *answer,
        },
        Party::Agent(id) => match read::<AgentBody>(body) {
            Ok(body) if body.id.is_some() => return bad("id: it cannot be changed"),
            Ok(body) => bridge.amend_agent(id, body).await,
            Err(answer) => return *answer,
        },
    };
    answered(StatusCode::OK, outcome)
}

async fn audit(bridge: &Bridge, method: &Method, query: Option<&str>) -> Answer {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return not_with("GET, HEAD");
    }
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let number = |wanted: &str| {
        pairs.clone().find(|(name, _)| name == wanted).map(|(_, number)| number.parse::<u64>()).transpose()
    };
    let (Ok(after), Ok(newest)) = (number("after"), number("newest")) else {
        return bad("after, newest: whole numbers");
    };
    let read = match newest {
        None => bridge.audit(after.unwrap_or(0)).await,
        Some(count) if (1..=NEWEST_MAX).contains(&count) && after.is_none() => {
            bridge.audit_newest(count).await
        }
        Some(_) => return bad("newest: 1 to 500, without after"),
    };
    match read {
        Ok(lines) => of_type(StatusCode::OK, "application/jsonl", lines),
        Err(error) => refused(&RegistrationError::Store(error)),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Box<Answer>> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| Box::new(bad(&error.to_string())))
}

fn answered(status: StatusCode, outcome: Result<Value, RegistrationError>) -> Answer {
    match outcome {
        Ok(view) => json(status, &view),
        Err(error) => refused(&error),
    }
}

fn refused(error: &RegistrationError) -> Answer {
    let (status, kind) = match error {
        RegistrationError::Exists => (StatusCode::CONFLICT, "exists"),
        RegistrationError::InFile => (StatusCode::CONFLICT, "in-file"),
        RegistrationError::Unknown => (StatusCode::NOT_FOUND, "not-found"),
        RegistrationError::Store(_) | RegistrationError::Token(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
        }
    };
    Problem::new(status, kind, error.to_string()).into_answer()
}

fn bad(why: &str) -> Answer {
    Problem::new(StatusCode::BAD_REQUEST, "bad-request", why).into_answer()
}
