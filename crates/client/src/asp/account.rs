//! An agent at a broker: its access token, and sessions over HTTP.

use super::Config;
use super::token::{Token, Tokens};
use crate::Error;
use crate::endpoint::Endpoint;
use crate::http_client::{Answer, HttpClient};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use rustls::ClientConfig;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;
use tollwire_asp::{AgentUri, Performative, SessionId, State};

/// The longest page of messages, in bytes.
const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

const SESSIONS: &str = "/v1/asp/sessions";

/// An agent at a broker. Cheap to clone; clones share one access token.
#[derive(Clone)]
pub struct Account(Arc<Shared>);

struct Shared {
    config: Config,
    http: HttpClient,
    tls: Arc<ClientConfig>,
    tokens: Tokens,
}

/// Where a session stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct View {
    /// Its name.
    pub session_id: SessionId,
    /// Where it stands.
    pub state: State,
    /// Who takes part; the first began it.
    pub participants: Vec<AgentUri>,
    /// The number of its last message.
    pub last_sequence: u64,
}

/// What is asked of the broker.
struct Ask<'a> {
    method: Method,
    path: &'a str,
    body: String,
    /// Makes it the same one if it is sent again.
    key: Option<&'a str>,
}

impl Account {
    /// An agent with these credentials. Contacts nobody yet.
    pub fn new(config: Config) -> Result<Self, Error> {
        Endpoint::http(&config.base_url, config.allow_plain)?;
        let mut settings = crate::Config::new([]);
        settings.roots_pem.clone_from(&config.roots_pem);
        settings.connect_wait = config.connect_wait;
        let http = HttpClient::new(&settings)?.reading(PAGE_BYTES_MAX);
        let tls = Arc::new(crate::tls::config(config.roots_pem.as_deref())?);
        Ok(Self(Arc::new(Shared { config, http, tls, tokens: Tokens::default() })))
    }

    pub(super) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(super) fn tls(&self) -> &Arc<ClientConfig> {
        &self.0.tls
    }

    /// An access token that is good for a while.
    pub(super) async fn token(&self) -> Result<Token, Error> {
        self.0.tokens.get(&self.0.config, &self.0.http).await
    }

    /// Has the next request get another token.
    pub(super) async fn forget(&self, token: &Token) {
        self.0.tokens.forget(token).await;
    }

    /// Asks with a token, and with another if that one is not good any more.
    async fn ask(&self, ask: &Ask<'_>) -> Result<Bytes, Error> {
        let token = self.token().await?;
        let answer = self.ask_with(ask, &token).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return read(&answer);
        }
        self.forget(&token).await;
        read(&self.ask_with(ask, &self.token().await?).await?)
    }

    /// Sent again, with another proof, where the broker may answer otherwise in a moment.
    async fn ask_with(&self, ask: &Ask<'_>, token: &Token) -> Result<Answer, Error> {
        self.0.http.send_until(|| self.request(ask, token), |answer| !answer.is_temporary()).await
    }

    fn request(&self, ask: &Ask<'_>, token: &Token) -> Result<Request<Full<Bytes>>, Error> {
        let config = &self.0.config;
        let mut shown = HeaderValue::try_from(format!("DPoP {}", token.text))
            .map_err(|_| protocol("a token that cannot stand in a header"))?;
        shown.set_sensitive(true);
        let bare = ask.path.split('?').next().unwrap_or_default();
        let mut request = Request::builder()
            .method(&ask.method)
            .uri(config.url(ask.path))
            .header(AUTHORIZATION, shown)
            .header("dpop", config.proof(ask.method.as_str(), bare, Some(&token.text))?)
            .header(CONTENT_TYPE, "application/asp+json");
        if let Some(key) = ask.key {
            request = request.header("idempotency-key", key);
        }
        request
            .body(Full::new(Bytes::from(ask.body.clone())))
            .map_err(|_| Error::Url("it cannot be asked for"))
    }

    /// The first frame of a connection of one's own to a session's WebSocket, behind message `last`: token and a fresh proof.
    pub async fn auth_frame(&self, session: &SessionId, last: u64) -> Result<String, Error> {
        self.auth(&format!("{SESSIONS}/{session}/ws"), &self.token().await?, last)
    }

    pub(super) fn auth(&self, path: &str, token: &Token, last: u64) -> Result<String, Error> {
        let proof = self.0.config.proof("GET", path, Some(&token.text))?;
        Ok(json!({ "type": "auth", "token": *token.text, "dpopProof": proof, "lastSequence": last })
            .to_string())
    }

    /// Begins a session of this agent and these.
    pub async fn begin(&self, participants: &[AgentUri]) -> Result<SessionId, Error> {
        let body = json!({ "participants": participants }).to_string();
        let begun = self.ask(&Ask { method: Method::POST, path: SESSIONS, body, key: None }).await?;
        serde_json::from_slice::<View>(&begun).map(|view| view.session_id).map_err(|_| protocol("no session"))
    }

    /// Where a session stands.
    pub async fn view(&self, session: &SessionId) -> Result<View, Error> {
        let path = format!("{SESSIONS}/{session}");
        let view = self.ask(&Ask::get(&path)).await?;
        serde_json::from_slice(&view).map_err(|_| protocol("no session"))
    }

    /// Says something without a connection; its number.
    pub async fn say(
        &self,
        session: &SessionId,
        performative: Performative,
        body: &Value,
    ) -> Result<u64, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Said {
            sequence_number: u64,
        }
        let (path, key) = (format!("{SESSIONS}/{session}/messages"), random_id()?);
        let body = json!({ "performative": performative, "content": { "body": body } }).to_string();
        let said = self.ask(&Ask { method: Method::POST, path: &path, body, key: Some(&key) }).await?;
        serde_json::from_slice::<Said>(&said)
            .map(|said| said.sequence_number)
            .map_err(|_| protocol("no sequenceNumber"))
    }

    /// The whole session, its messages in the bytes in which they are kept, in the form that [`tollwire_asp::Transcript`] reads
    /// and `relay-broker asp verify` verifies.
    pub async fn transcript(&self, session: &SessionId) -> Result<String, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Page<'a> {
            #[serde(borrow)]
            head: &'a RawValue,
            #[serde(borrow)]
            keys: &'a RawValue,
            #[serde(borrow)]
            messages: Vec<&'a RawValue>,
            next_cursor: Option<String>,
        }
        let (mut all, mut since) = (String::new(), "0".to_owned());
        loop {
            let path = format!("{SESSIONS}/{session}/messages?limit=200&since_sequence={since}");
            let bytes = self.ask(&Ask::get(&path)).await?;
            let page: Page<'_> =
                serde_json::from_slice(&bytes).map_err(|_| protocol("no page of messages"))?;
            for message in &page.messages {
                if !all.is_empty() {
                    all.push(',');
                }
                all.push_str(message.get());
            }
            let Some(next) = page.next_cursor.filter(|_| !page.messages.is_empty()) else {
                let (head, keys) = (page.head, page.keys);
                return Ok(format!(
                    r#"{{"sessionId":"{session}","head":{head},"keys":{keys},"messages":[{all}]}}"#
                ));
            };
            since = next;
        }
    }
}

impl<'a> Ask<'a> {
    fn get(path: &'a str) -> Self {
        Self { method: Method::GET, path, body: String::new(), key: None }
    }
}

/// An id that nobody else uses.
pub(super) fn random_id() -> Result<String, Error> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| Error::Random)?;
    Ok(hex::encode(random))
}

pub(super) fn protocol(why: &str) -> Error {
    Error::Protocol(why.to_owned())
}

/// The body of a good answer.
pub(super) fn read(answer: &Answer) -> Result<Bytes, Error> {
    #[derive(Deserialize)]
    struct Problem {
        code: Option<String>,
        error: Option<String>,
    }
    if answer.status.is_success() {
        return Ok(answer.body.clone());
    }
    let problem: Option<Problem> = serde_json::from_slice(&answer.body).ok();
    let problem = problem.and_then(|problem| problem.code.or(problem.error));
    let plain =
        |word: &String| word.len() <= 64 && word.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
    Err(Error::Status { status: answer.status.as_u16(), problem: problem.filter(plain) })
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("config", &self.0.config).finish_non_exhaustive()
    }
}
