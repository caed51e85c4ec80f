//! Agent sessions over HTTP: tokens, keys, sessions and their messages.

use super::error::Failed;
use super::gatekeeper::Guest;
use super::hear::ID_BYTES_MAX;
use super::inner::Inner;
use super::record::{Session, unpack};
use super::speak::Words;
use super::start::Asp;
use super::store::Head;
use crate::http::{Answer, Problem, json as answer, of_type};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, StatusCode, request::Parts};
use serde::Deserialize;
use serde_json::{Value, json};
use tollwire_asp::{AgentUri, Code, Draft, Machine, Performative, SessionId, TrustScore};
use tollwire_session::dpop::ALGORITHMS;

/// Messages of one page, unless another number is asked for, and at most.
const PAGE: usize = 50;
const PAGE_MAX: usize = 200;

/// Bytes of one page.
const PAGE_BYTES: usize = 1024 * 1024;

/// Below it stand sessions.
pub(crate) const SESSIONS: &str = "/v1/asp/sessions";
/// Where access tokens are had.
pub(crate) const TOKEN: &str = "/oauth/token";
/// Where the signing key is published.
pub(crate) const KEYS: &str = "/.well-known/asp-keys.json";

/// Whether a path is ours.
pub(crate) fn is_ours(path: &str) -> bool {
    path == TOKEN
        || path == KEYS
        || path.strip_prefix(SESSIONS).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The session whose WebSocket a path is; `None` for other paths.
pub(crate) fn socket_of(path: &str) -> Option<Result<SessionId, ()>> {
    let id = path.strip_prefix(SESSIONS)?.strip_prefix('/')?.strip_suffix("/ws")?;
    Some(id.parse().map_err(|_| ()))
}

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
            (_, _, Some(body)) => return inner.sessions(head, body).await,
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

    async fn sessions(&self, head: &Parts, body: &[u8]) -> Answer {
        let path = head.uri.path();
        let words: Vec<&str> = path.strip_prefix(SESSIONS).unwrap_or_default().split('/').skip(1).collect();
        let allowed = match words.as_slice() {
            [] => "POST",
            [_] => "GET, HEAD, DELETE",
            [_, "messages"] => "GET, HEAD, POST",
            _ => return crate::http::nothing_here(),
        };
        let method = if head.method == Method::HEAD { "GET" } else { head.method.as_str() };
        if !allowed.split(", ").any(|known| known == head.method.as_str()) {
            return not_with(allowed);
        }
        let guest = match self.guest(&head.headers, head.method.as_str(), path).await {
            Ok(guest) => guest,
            Err(failed) => return refused(&failed),
        };
        let outcome = match (words.as_slice(), method) {
            ([], _) => self.begin(&guest, body).await,
            ([id, rest @ ..], method) => match id.parse::<SessionId>() {
                Err(_) => Err(Failed::new(Code::SessionNotFound, "there is no such session")),
                Ok(id) => match (rest, method) {
                    ([], "GET") => self.view(&id, &guest).await,
                    ([], _) => self.close(&id, &guest).await,
                    (_, "GET") => self.page(&id, &guest, head.uri.query().unwrap_or_default()).await,
                    _ => self.post(&id, &guest, &head.headers, body).await,
                },
            },
        };
        outcome.unwrap_or_else(|failed| refused(&failed))
    }

    /// Who asks: `Authorization: DPoP TOKEN` and `DPoP: PROOF`.
    async fn guest(&self, headers: &HeaderMap, method: &str, path: &str) -> Result<Guest, Failed> {
        let required =
            || Failed::new(Code::AuthRequired, "Authorization: DPoP TOKEN and one DPoP header are needed");
        let shown = one(headers, "authorization").and_then(|value| value.split_once(' '));
        let (scheme, token) = shown.ok_or_else(required)?;
        let proof =
            one(headers, "dpop").filter(|_| scheme.eq_ignore_ascii_case("dpop")).ok_or_else(required)?;
        self.gate.admit((token.trim(), proof), (method, &self.url(path)), self.now()).await
    }

    async fn begin(&self, guest: &Guest, body: &[u8]) -> Result<Answer, Failed> {
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

    fn shown(&self, id: &SessionId, head: &Head, session: &Session) -> Value {
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

    async fn view(&self, id: &SessionId, guest: &Guest) -> Result<Answer, Failed> {
        let (head, session) = self.session(id, &guest.client.agent).await?;
        Ok(answer(StatusCode::OK, &self.shown(id, &head, &session)))
    }

    /// Says CLOSE in its caller's name.
    async fn close(&self, id: &SessionId, guest: &Guest) -> Result<Answer, Failed> {
        let draft = Draft::read(r#"{"performative":"CLOSE","content":{"body":{}}}"#)?;
        self.say(id, guest, None, &draft).await?;
        self.view(id, guest).await
    }

    async fn post(
        &self,
        id: &SessionId,
        guest: &Guest,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Answer, Failed> {
        let key = idempotency_key(headers)?;
        let text = std::str::from_utf8(body)
            .map_err(|_| Failed::new(Code::SchemaViolation, "the body is no text"))?;
        let spoken = self.say(id, guest, key, &Draft::read(text)?).await?;
        Ok(answer(
            StatusCode::CREATED,
            &json!({ "messageId": spoken.message, "sequenceNumber": spoken.sequence, "sessionId": id }),
        ))
    }

    async fn say(
        &self,
        id: &SessionId,
        guest: &Guest,
        key: Option<&str>,
        draft: &Draft,
    ) -> Result<super::speak::Spoken, Failed> {
        let room = self.rooms.get(id);
        // Who takes part is looked up afresh: the room's last head may be another's.
        self.session(id, &guest.client.agent).await?;
        let words = Words { id: key, draft, proof: draft.proof.as_deref() };
        self.speak(id, room.as_deref(), guest, words).await
    }

    /// Messages after `since_sequence`, in the bytes in which they are kept.
    async fn page(&self, id: &SessionId, guest: &Guest, query: &str) -> Result<Answer, Failed> {
        let (mut since, mut limit) = (0_u64, PAGE);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let number = || Failed::new(Code::SchemaViolation, format!("{name} is a whole number"));
            match &*name {
                "since_sequence" | "cursor" => since = value.parse().map_err(|_| number())?,
                "limit" => limit = value.parse::<usize>().map_err(|_| number())?.clamp(1, PAGE_MAX),
                _ => {}
            }
        }
        let (head, _) = self.session(id, &guest.client.agent).await?;
        let mut page = self.sessions.read(id, since, PAGE_BYTES).await?;
        // What was said since then is not of this head.
        page.retain(|(sequence, _)| *sequence <= head.seq);
        page.truncate(limit);
        let last = page.last().map_or(since, |(sequence, _)| *sequence);
        let messages: Vec<&str> = page.iter().filter_map(|(_, bytes)| Some(unpack(bytes)?.1)).collect();
        let more = if last < head.seq { format!(r#","nextCursor":"{last}""#) } else { String::new() };
        let key = self.key.verifying_key();
        let body = format!(
            r#"{{"sessionId":"{id}","firstSequence":{},"lastSequence":{},"head":{{"sequenceNumber":{},"hash":"{}"}},"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{}"}}]{more},"messages":[{}]}}"#,
            head.first,
            head.seq,
            head.seq,
            head.hash,
            key.x(),
            messages.join(",")
        );
        Ok(of_type(StatusCode::OK, "application/asp+json", body))
    }
}

/// The one value of a header.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// What a message is known by when it is sent again. One that cannot be kept is refused: whoever gives it relies on it.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Failed> {
    const NAME: &str = "idempotency-key";
    if !headers.contains_key(NAME) {
        return Ok(None);
    }
    let key = one(headers, NAME).filter(|key| (1..=ID_BYTES_MAX).contains(&key.len()));
    let wrong =
        || Failed::new(Code::SchemaViolation, "Idempotency-Key stands once and is 1 to 128 bytes long");
    key.map(Some).ok_or_else(wrong)
}

/// `Authorization: Basic`.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, credentials) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let credentials = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (id, secret) = credentials.split_once(':')?;
    scheme.eq_ignore_ascii_case("basic").then(|| (id.to_owned(), secret.to_owned()))
}

fn not_with(allow: &'static str) -> Answer {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "this path takes other methods")
        .header(http::header::ALLOW, allow)
        .into_answer()
}

/// A problem with its code as HTTP bindings write it.
fn refused(failed: &Failed) -> Answer {
    let (status, code) = match failed.code {
        Code::AuthRequired => (StatusCode::UNAUTHORIZED, "AUTH_REQUIRED"),
        Code::AuthFailed => (StatusCode::UNAUTHORIZED, "AUTH_INVALID"),
        Code::TokenExpired => (StatusCode::UNAUTHORIZED, "TOKEN_EXPIRED"),
        Code::DpopInvalid => (StatusCode::UNAUTHORIZED, "DPOP_INVALID"),
        Code::DpopReplayed => (StatusCode::UNAUTHORIZED, "DPOP_REPLAYED"),
        Code::Forbidden => (StatusCode::FORBIDDEN, "FORBIDDEN"),
        Code::ForbiddenPerformative => (StatusCode::FORBIDDEN, "FORBIDDEN_PERFORMATIVE"),
        Code::InsufficientTrustScore => (StatusCode::FORBIDDEN, "INSUFFICIENT_TRUST_SCORE"),
        Code::SessionNotFound => (StatusCode::NOT_FOUND, "SESSION_NOT_FOUND"),
        Code::PayloadTooLarge => (StatusCode::BAD_REQUEST, "PAYLOAD_TOO_LARGE"),
        Code::UnsupportedVersion => (StatusCode::UNPROCESSABLE_ENTITY, "UNSUPPORTED_VERSION"),
        Code::InvalidStateTransition => (StatusCode::CONFLICT, "INVALID_STATE_TRANSITION"),
        Code::SessionClosed => (StatusCode::CONFLICT, "SESSION_CLOSED"),
        Code::HashChainError => (StatusCode::CONFLICT, "HASH_CHAIN_ERROR"),
        Code::IdempotencyConflict => (StatusCode::CONFLICT, "IDEMPOTENCY_CONFLICT"),
        Code::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED"),
        Code::InternalError => (StatusCode::SERVICE_UNAVAILABLE, "INTERNAL_ERROR"),
        _ => (StatusCode::UNPROCESSABLE_ENTITY, "VALIDATION_ERROR"),
    };
    let problem = Problem::new(status, failed.code.as_str(), failed.why.clone()).with("code", json!(code));
    let mut answer = problem.into_answer();
    if status == StatusCode::UNAUTHORIZED
        && let Ok(challenge) = format!("DPoP algs=\"{ALGORITHMS}\"").parse()
    {
        answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    answer
}
