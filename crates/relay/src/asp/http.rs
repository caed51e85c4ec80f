//! Agent sessions over HTTP: tokens, keys, sessions and their messages.

mod discovery;
mod messages;
mod problem;
mod sessions;

pub(super) use problem::refused;

use super::error::Failed;
use super::gatekeeper::Guest;
use super::inner::Inner;
use super::start::Asp;
use crate::http::{Answer, json as answer, not_with};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode, request::Parts};
use serde_json::json;
use tollwire_asp::{Code, SessionId};

/// Below it stand sessions.
const SESSIONS: &str = "/v1/asp/sessions";
/// Where access tokens are had.
const TOKEN: &str = "/oauth/token";
/// Where the signing key is published.
const KEYS: &str = "/.well-known/asp-keys.json";
/// Where agents are found by what they can do.
const DISCOVER: &str = "/v1/asp/discover";
/// Below it stand agents.
const AGENTS: &str = "/v1/asp/agents/";

/// What a path of ours is, beside tokens and keys. Ids and names are as they stand in the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route<'a> {
    Sessions,
    Session(&'a str),
    Messages(&'a str),
    Message(&'a str, &'a str),
    Discover,
    Card(&'a str),
}

impl<'a> Route<'a> {
    fn of(path: &'a str) -> Option<Self> {
        if path == DISCOVER {
            return Some(Self::Discover);
        }
        if let Some(rest) = path.strip_prefix(AGENTS) {
            return rest.strip_suffix("/card").map(Self::Card);
        }
        let rest = path.strip_prefix(SESSIONS)?;
        if rest.is_empty() {
            return Some(Self::Sessions);
        }
        let mut words = rest.strip_prefix('/')?.split('/');
        let id = words.next()?;
        match (words.next(), words.next(), words.next()) {
            (None, ..) => Some(Self::Session(id)),
            (Some("messages"), None, _) => Some(Self::Messages(id)),
            (Some("messages"), Some(name), None) => Some(Self::Message(id, name)),
            _ => None,
        }
    }

    const fn allowed(self) -> &'static str {
        match self {
            Self::Sessions => "POST",
            Self::Session(_) => "GET, HEAD, DELETE",
            Self::Messages(_) => "GET, HEAD, POST",
            Self::Message(..) | Self::Discover | Self::Card(_) => "GET, HEAD",
        }
    }
}

/// Whether a path is ours.
pub(crate) fn is_ours(path: &str) -> bool {
    path == TOKEN
        || path == KEYS
        || path == DISCOVER
        || path.starts_with(AGENTS)
        || path.strip_prefix(SESSIONS).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The session whose WebSocket a path is; `None` for other paths.
pub(crate) fn socket_of(path: &str) -> Option<Result<SessionId, ()>> {
    below(path, "/ws")
}

/// The session whose events a path is; `None` for other paths.
pub(crate) fn events_of(path: &str) -> Option<Result<SessionId, ()>> {
    below(path, "/events")
}

fn below(path: &str, end: &str) -> Option<Result<SessionId, ()>> {
    let id = path.strip_prefix(SESSIONS)?.strip_prefix('/')?.strip_suffix(end)?;
    Some(id.parse().map_err(|_| ()))
}

impl Asp {
    /// The longest body of a request, in bytes.
    pub(crate) fn body_bytes_max(&self) -> usize {
        self.inner().limits.frame_bytes_max
    }

    /// Answers a request to one of our paths. `body` has been read whole, or was too long.
    pub(crate) async fn answer(&self, head: &Parts, body: Option<&[u8]>) -> Answer {
        let inner = self.inner();
        let path = head.uri.path();
        let outcome = match (path, &head.method, body) {
            (_, _, None) => Err(Failed::new(Code::PayloadTooLarge, "the body is too long, or came too late")),
            (KEYS, &Method::GET | &Method::HEAD, _) => Ok(self.keys()),
            (TOKEN, &Method::POST, Some(body)) => return inner.token(&head.headers, body).await,
            (KEYS, ..) => return not_with("GET, HEAD"),
            (TOKEN, ..) => return not_with("POST"),
            (_, _, Some(body)) => return inner.companion(head, body).await,
        };
        outcome.unwrap_or_else(|failed| refused(&failed))
    }

    fn keys(&self) -> Answer {
        let key = self.verifying_key();
        let jwk = json!({
            "kty": "OKP", "crv": "Ed25519", "x": key.x(), "kid": key.thumbprint(), "use": "sig", "alg": "EdDSA",
            "hex": key.to_string(),
        });
        answer(StatusCode::OK, &json!({ "keys": [jwk] }))
    }
}

impl Inner {
    /// `POST /oauth/token`, by RFC 6749 section 4.4 and RFC 9449 section 5.
    async fn token(&self, headers: &HeaderMap, body: &[u8]) -> Answer {
        let oauth = |status, error: &str, why: &str| {
            answer(status, &json!({ "error": error, "error_description": why }))
        };
        let bad = |error: &str, why: &str| oauth(StatusCode::BAD_REQUEST, error, why);
        let form: Vec<(String, String)> = url::form_urlencoded::parse(body).into_owned().collect();
        let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        if field("grant_type").as_deref() != Some("client_credentials") {
            return bad("unsupported_grant_type", "grant_type is client_credentials");
        }
        let named = basic(headers).or_else(|| Some((field("client_id")?, field("client_secret")?)));
        let Some((id, secret)) = named else {
            return bad("invalid_request", "client_id and client_secret are needed");
        };
        let Some(proof) = one(headers, "dpop") else {
            return bad("invalid_dpop_proof", "one DPoP header is needed");
        };
        let issued = self
            .gate
            .issue((&id, &secret), (proof, &self.url(TOKEN)), self.limits.token_ttl, self.now())
            .await;
        match issued {
            Ok(token) => answer(
                StatusCode::OK,
                &json!({
                    "access_token": token, "token_type": "DPoP", "expires_in": self.limits.token_ttl.as_secs(), "scope": "asp",
                }),
            ),
            Err(failed) => match failed.code {
                Code::AuthFailed => oauth(StatusCode::UNAUTHORIZED, "invalid_client", &failed.why),
                Code::InternalError => {
                    oauth(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", &failed.why)
                }
                _ => bad("invalid_dpop_proof", &failed.why),
            },
        }
    }

    async fn companion(&self, head: &Parts, body: &[u8]) -> Answer {
        let path = head.uri.path();
        let Some(route) = Route::of(path) else { return crate::http::nothing_here() };
        let method = if head.method == Method::HEAD { "GET" } else { head.method.as_str() };
        let allowed = route.allowed();
        if !allowed.split(", ").any(|known| known == head.method.as_str()) {
            return not_with(allowed);
        }
        let outcome = match self.guest(&head.headers, head.method.as_str(), path).await {
            Ok(guest) => self.routed(route, method, &guest, head, body).await,
            Err(failed) => Err(failed),
        };
        outcome.unwrap_or_else(|failed| refused(&failed))
    }

    async fn routed(
        &self,
        route: Route<'_>,
        method: &str,
        guest: &Guest,
        head: &Parts,
        body: &[u8],
    ) -> Result<Answer, Failed> {
        let query = head.uri.query().unwrap_or_default();
        let session = |id: &str| {
            id.parse::<SessionId>()
                .map_err(|_| Failed::new(Code::SessionNotFound, "there is no such session"))
        };
        if method != "GET" {
            self.turns.take(&guest.id, self.now())?;
        }
        match (route, method) {
            (Route::Sessions, _) => self.begin(guest, body).await,
            (Route::Session(id), "GET") => self.view(&session(id)?, guest).await,
            (Route::Session(id), _) => self.close(&session(id)?, guest).await,
            (Route::Messages(id), "GET") => self.page(&session(id)?, guest, query).await,
            (Route::Messages(id), _) => self.post(&session(id)?, guest, &head.headers, body).await,
            (Route::Message(id, name), _) => self.message(&session(id)?, guest, name).await,
            (Route::Discover, _) => self.discover(query),
            (Route::Card(name), _) => Ok(self.card(name)),
        }
    }

    /// Who asks: `Authorization: DPoP TOKEN` and `DPoP: PROOF`.
    pub(super) async fn guest(&self, headers: &HeaderMap, method: &str, path: &str) -> Result<Guest, Failed> {
        let required =
            || Failed::new(Code::AuthRequired, "Authorization: DPoP TOKEN and one DPoP header are needed");
        let shown = one(headers, "authorization").and_then(|value| value.split_once(' '));
        let (scheme, token) = shown.ok_or_else(required)?;
        let proof =
            one(headers, "dpop").filter(|_| scheme.eq_ignore_ascii_case("dpop")).ok_or_else(required)?;
        self.gate.admit((token.trim(), proof), (method, &self.url(path)), self.now()).await
    }
}

/// The one value of a header.
pub(super) fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// `Authorization: Basic`.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, credentials) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let credentials = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (id, secret) = credentials.split_once(':')?;
    scheme.eq_ignore_ascii_case("basic").then(|| (id.to_owned(), secret.to_owned()))
}
