//! Whose signatures count: the facilitator's name, and its published keys.

use crate::endpoint::Endpoint;
use crate::http_client::{Answer, HttpClient, request};
use crate::{Config, Error, Session};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tollwire_session::KeySet;

/// Where every facilitator publishes its keys.
const ROUTE: &str = "/.well-known/jwks.json";

/// The shortest time between two requests for one facilitator's keys: an unknown key is no reason to ask all the time.
const AGAIN_AFTER: Duration = Duration::from_mins(1);

/// How long a stream waits for keys.
const WAIT: Duration = Duration::from_secs(5);

/// How many facilitators' keys are remembered.
const FACILITATORS_MAX: usize = 256;

/// The keys of the facilitators that a payer deals with, each set fetched once.
#[derive(Default)]
pub(crate) struct KeyRing(Mutex<HashMap<String, Arc<tokio::sync::Mutex<Fetched>>>>);

/// The keys of one facilitator.
#[derive(Default)]
struct Fetched {
    keys: KeySet,
    asked: Option<Instant>,
}

impl KeyRing {
    /// The keys of the facilitator that serves a session's streams; empty if they cannot be had.
    ///
    /// With `again` they are fetched anew, unless that was done within the last minute: a key may have been rotated.
    pub(crate) async fn get(&self, http: &HttpClient, session: &Session, again: bool) -> KeySet {
        let endpoint = session.route(ROUTE);
        let Some(fetched) = self.entry(&endpoint) else { return KeySet::default() };
        let mut fetched = fetched.lock().await;
        let fresh = match fetched.asked {
            Some(asked) => asked.elapsed() < AGAIN_AFTER || !(again || fetched.keys.is_empty()),
            None => false,
        };
        if !fresh {
            fetched.asked = Some(Instant::now());
            match fetch(http, &endpoint).await {
                Ok(keys) => fetched.keys = keys,
                Err(error) => tracing::warn!(%error, "cannot fetch the facilitator's keys"),
            }
        }
        fetched.keys.clone()
    }

    fn entry(&self, endpoint: &Endpoint) -> Option<Arc<tokio::sync::Mutex<Fetched>>> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= FACILITATORS_MAX && !entries.contains_key(endpoint.as_str()) {
            return None;
        }
        Some(Arc::clone(entries.entry(endpoint.as_str().to_owned()).or_default()))
    }
}

/// The keys that a facilitator publishes, such as `https://pay.example`.
pub async fn published_keys(facilitator: &str, config: &Config) -> Result<KeySet, Error> {
    let url = format!("{}{ROUTE}", facilitator.trim_end_matches('/'));
    fetch(&HttpClient::new(config)?, &Endpoint::http(&url, config.allow_plain)?).await
}

async fn fetch(http: &HttpClient, endpoint: &Endpoint) -> Result<KeySet, Error> {
    let request = request(Method::GET, endpoint, Bytes::new())?;
    let answer = timeout(WAIT, http.send(request)).await;
    let answer = answer.map_err(|_| Error::Unreachable("no answer in time".into()))??;
    if answer.status == StatusCode::OK { read(&answer) } else { Err(answer.refusal()) }
}

fn read(answer: &Answer) -> Result<KeySet, Error> {
    let text = std::str::from_utf8(&answer.body);
    let text = text.map_err(|_| Error::Protocol("a key set that is not UTF-8".into()))?;
    Ok(KeySet::from_jwks(text)?)
}

/// The name in a token's `iss`. The token came from the seller itself, which is all that vouches for it here.
pub(crate) fn issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        iss: String,
    }
    let payload = token.split('.').nth(1)?;
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    Some(claims.iss)
}
