//! `/admin/apis`: APIs that come, change and go while the broker runs.

use super::answer::{Answer, Problem, json, not_with};
use crate::call::{Registry, RegistryError};
use http::{Method, StatusCode};
use serde_json::{Value, json as value};
use tollwire_x402::ApiId;

/// Answers an operator's request below `/admin/apis`: `id` is what stands after it. `body` has been read whole.
pub(super) async fn serve(registry: &Registry, method: &Method, id: Option<&str>, body: &[u8]) -> Answer {
    let outcome = match (id.map(str::parse::<ApiId>), method) {
        (None, &Method::GET | &Method::HEAD) => {
            return json(StatusCode::OK, &value!({ "apis": registry.list() }));
        }
        (None, &Method::POST) => match read(body) {
            Ok(body) => registry.add(body).await.map(|api| json(StatusCode::CREATED, &api)),
            Err(answer) => return *answer,
        },
        (None, _) => return not_with("GET, HEAD, POST"),
        (Some(Err(_)), _) => return super::nothing_here(),
        (Some(Ok(id)), &Method::GET | &Method::HEAD) => {
            let found = registry.list().into_iter().find(|api| api["id"] == id.as_str());
            found.map(|api| json(StatusCode::OK, &api)).ok_or(RegistryError::Unknown)
        }
        (Some(Ok(id)), &Method::PATCH) => match read(body) {
            Ok(body) => registry.amend(&id, &body).await.map(|api| json(StatusCode::OK, &api)),
            Err(answer) => return *answer,
        },
        (Some(Ok(id)), &Method::DELETE) => {
            registry.remove(&id).await.map(|()| json(StatusCode::OK, &value!({ "removed": true })))
        }
        (Some(Ok(_)), _) => return not_with("GET, HEAD, PATCH, DELETE"),
    };
    outcome.unwrap_or_else(|error| refused(&error))
}

fn read(body: &[u8]) -> Result<Value, Box<Answer>> {
    serde_json::from_slice(body).ok().filter(Value::is_object).ok_or_else(|| {
        Box::new(Problem::new(StatusCode::BAD_REQUEST, "bad-request", "send a JSON object").into_answer())
    })
}

fn refused(error: &RegistryError) -> Answer {
    let (status, kind) = match error {
        RegistryError::Unknown => (StatusCode::NOT_FOUND, "unknown-api"),
        RegistryError::Configured(_) => (StatusCode::CONFLICT, "configured"),
        RegistryError::Exists(_) => (StatusCode::CONFLICT, "exists"),
        RegistryError::Malformed(_) | RegistryError::Api(_) => (StatusCode::BAD_REQUEST, "bad-request"),
        RegistryError::TooMany => (StatusCode::CONFLICT, "too-many"),
        RegistryError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "store-unavailable"),
    };
    Problem::new(status, kind, error.to_string()).into_answer()
}
