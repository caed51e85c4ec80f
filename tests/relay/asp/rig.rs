//! A broker with agent sessions, and agents whose proofs are made by hand, so that they can be made wrongly.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tollwire_asp::{SigningKey, VerifyingKey};
use tollwire_testkit::feed::Message;
use tollwire_tests::broker::{self, Broker, BrokerSettings};
use tollwire_tests::http::{self, Answer};
use tollwire_tests::ws::{Socket, open};

/// The broker's key: RFC 8032's test 1.
const KEY: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";

const ADMIN: &str = "fedcba9876543210fedcba9876543210";

pub(super) const ALPHA: &str = "agent://acme.com/procurement/alpha";
pub(super) const BETA: &str = "agent://cloudprime.io/gpu/beta";
pub(super) const GAMMA: &str = "agent://elsewhere.org/gamma";

/// A running broker with three clients.
pub(super) struct Asp {
    pub(super) broker: Broker,
    secret: String,
    hash: String,
    file: (String, String),
}

/// The file of a broker with three clients.
fn settings(top: &str, more: &str, hash: &str, beta: &str) -> BrokerSettings {
    let client = |id: &str, agent: &str, org: &str, trust: &str, more: &str| {
        format!(
            "[[asp.client]]\nid = \"{id}\"\nsecret_hash = \"{hash}\"\nagent = \"{agent}\"\norg = \"{org}\"\ntrust = \"{trust}\"\n{more}\n"
        )
    };
    let seller =
        "name = \"Beta\"\ndescription = \"Sells GPUs\"\ncapabilities = [\"gpu.compute\", \"storage\"]";
    let clients = [
        client("oac_acme", ALPHA, "org_acme", "72.5", ""),
        client("oac_cloudprime", BETA, "org_cloudprime", beta, seller),
        client("oac_elsewhere", GAMMA, "org_elsewhere", "5", "capabilities = [\"gpu.compute\"]"),
    ];
    BrokerSettings {
        top: top.into(),
        admin: "token = \"file:admin-token\"".into(),
        apis: format!("[asp]\nsigning_key = \"file:asp-key\"\n{more}\n{}", clients.concat()),
        ..BrokerSettings::default()
    }
}

/// An agent: a client with a key and an access token.
pub(super) struct Agent {
    pub(super) key: SigningKey,
    pub(super) token: String,
    url: String,
}

pub(super) fn key() -> VerifyingKey {
    SigningKey::from_hex(KEY).unwrap().verifying_key()
}

pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// A compact JWS of these parts, signed by this key.
pub(super) fn jws(header: &Value, claims: &Value, key: &SigningKey) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = key.sign(signed.as_bytes());
    let signature = hex::decode(signature.strip_prefix("ed25519:").unwrap()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Header and claims of a good proof.
pub(super) fn proof_parts(key: &SigningKey, method: &str, url: &str, token: Option<&str>) -> (Value, Value) {
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": key.verifying_key().x()});
    let header = json!({"typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk});
    let mut claims = json!({"jti": hex::encode(random()), "htm": method, "htu": url, "iat": now()});
    if let Some(token) = token {
        claims["ath"] = json!(URL_SAFE_NO_PAD.encode(Sha256::digest(token)));
    }
    (header, claims)
}

pub(super) fn proof(key: &SigningKey, method: &str, url: &str, token: Option<&str>) -> String {
    let (header, claims) = proof_parts(key, method, url, token);
    jws(&header, &claims, key)
}

impl Asp {
    /// On an embedded store.
    pub(super) async fn start() -> Self {
        Self::with("store = \"file:./broker.db\"", "").await
    }

    /// With lines at the top, among them the store, and of `[asp]`.
    pub(super) async fn with(top: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (status, printed, _) = broker::run(&["asp", "secret"], folder.path()).await;
        assert!(status.success());
        let line =
            |name: &str| printed.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
        let (secret, hash) = (line("secret:"), line("secret_hash:"));
        let settings = settings(top, more, &hash, "91");
        let broker = Broker::start_with(&settings, &[("asp-key", KEY), ("admin-token", ADMIN)]).await;
        Self { broker, secret, hash, file: (top.to_owned(), more.to_owned()) }
    }

    /// Has the broker read its file again, in which beta is trusted this much.
    pub(super) async fn trust_beta(&self, trust: &str) {
        self.broker.reconfigure(&settings(&self.file.0, &self.file.1, &self.hash, trust));
        self.broker.signal("HUP").await;
    }

    /// Asks for an access token.
    pub(super) async fn ask_token(&self, client: &str, secret: &str, proof: &str) -> Answer {
        let form = format!("grant_type=client_credentials&client_id={client}&client_secret={secret}");
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("dpop", proof)];
        let url = self.broker.url("/oauth/token");
        http::try_send("POST".parse().unwrap(), &url, &headers, form.into_bytes()).await.unwrap()
    }

    /// An agent with a token: `acme` is alpha, `cloudprime` beta, `elsewhere` gamma.
    pub(super) async fn agent(&self, name: &str) -> Agent {
        let key = SigningKey::from_bytes(&random());
        let proof = proof(&key, "POST", &self.broker.url("/oauth/token"), None);
        let answer = self.ask_token(&format!("oac_{name}"), &self.secret, &proof).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let body = answer.json();
        assert_eq!((&body["token_type"], &body["scope"]), (&json!("DPoP"), &json!("asp")));
        Agent { key, token: body["access_token"].as_str().unwrap().to_owned(), url: self.broker.url("") }
    }

    /// What the operator asks below `/admin/asp/`.
    pub(super) async fn operate(&self, method: &str, path: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {ADMIN}");
        let url = self.broker.admin_url(&format!("/admin/asp/{path}"));
        let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(body).unwrap() };
        http::try_send(method.parse().unwrap(), &url, &[("authorization", &bearer)], body).await.unwrap()
    }

    pub(super) fn secret(&self) -> &str {
        &self.secret
    }

    /// Alpha, beta, and a session of theirs.
    pub(super) async fn pair(&self) -> (Agent, Agent, String) {
        let (alpha, beta) = (self.agent("acme").await, self.agent("cloudprime").await);
        let session = alpha.begin(&json!({"participants": [ALPHA, BETA]})).await;
        (alpha, beta, session)
    }
}

impl Agent {
    /// A request with token and proof.
    pub(super) async fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.send_with(method, path, &[], body).await
    }

    /// The same with more headers.
    pub(super) async fn send_with(
        &self,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: &Value,
    ) -> Answer {
        let (bearer, proof) = self.shown(method, path);
        let headers = [&[("authorization", bearer.as_str()), ("dpop", proof.as_str())], more].concat();
        let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(body).unwrap() };
        http::try_send(method.parse().unwrap(), &format!("{}{path}", self.url), &headers, body).await.unwrap()
    }

    /// What a request shows: token, and a fresh proof.
    pub(super) fn shown(&self, method: &str, path: &str) -> (String, String) {
        let bare = path.split('?').next().unwrap();
        let proof = proof(&self.key, method, &format!("{}{bare}", self.url), Some(&self.token));
        (format!("DPoP {}", self.token), proof)
    }

    /// Begins a session.
    pub(super) async fn begin(&self, body: &Value) -> String {
        let answer = self.send("POST", "/v1/asp/sessions", body).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["sessionId"].as_str().unwrap().to_owned()
    }

    /// All messages of a session, over HTTP.
    pub(super) async fn messages(&self, session: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut since = "0".to_owned();
        loop {
            let path = format!("/v1/asp/sessions/{session}/messages?limit=200&since_sequence={since}");
            let page = self.send("GET", &path, &Value::Null).await.json();
            all.extend(page["messages"].as_array().unwrap().iter().cloned());
            match page["nextCursor"].as_str() {
                Some(next) => next.clone_into(&mut since),
                None => return all,
            }
        }
    }

    pub(super) fn socket_path(session: &str) -> String {
        format!("/v1/asp/sessions/{session}/ws")
    }

    /// An `auth` frame with a fresh proof.
    pub(super) fn auth(&self, session: &str, last: Option<u64>) -> Value {
        let url = format!("{}{}", self.url, Self::socket_path(session));
        let proof = proof(&self.key, "GET", &url, Some(&self.token));
        let mut auth = json!({"type": "auth", "token": self.token, "dpopProof": proof});
        if let Some(last) = last {
            auth["lastSequence"] = json!(last);
        }
        auth
    }

    /// Opens a session's WebSocket and says nothing.
    pub(super) async fn open(&self, session: &str) -> Peer {
        let url = format!("{}{}", self.url.replacen("http", "ws", 1), Self::socket_path(session));
        Peer(open(&url, &[]).await.unwrap_or_else(|refused| panic!("{refused:?}")))
    }

    /// Connects; also the `auth_ok`.
    pub(super) async fn connect(&self, session: &str, last: Option<u64>) -> (Peer, Value) {
        let mut peer = self.open(session).await;
        peer.send(&self.auth(session, last)).await;
        let ok = peer.heard("auth_ok").await;
        assert_eq!(ok["sessionId"], session);
        (peer, ok)
    }
}

/// A connection.
pub(super) struct Peer(pub(super) Socket);

impl Peer {
    pub(super) async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text.to_owned())).await;
    }

    pub(super) async fn send(&mut self, frame: &Value) {
        self.say(&frame.to_string()).await;
    }

    /// The next frame, as text; heartbeats are answered and passed over.
    pub(super) async fn text(&mut self) -> String {
        loop {
            match self.0.next().await {
                Message::Text(text) if text.starts_with(r#"{"type":"heartbeat""#) => {
                    self.say(r#"{ "type": "pong" }"#).await;
                }
                Message::Text(text) => return text.to_string(),
                other => panic!("not a text frame: {other:?}"),
            }
        }
    }

    pub(super) async fn frame(&mut self) -> Value {
        let text = self.text().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The next frame, which must be of this type.
    pub(super) async fn heard(&mut self, kind: &str) -> Value {
        let frame = self.frame().await;
        assert_eq!(frame["type"], kind, "{frame}");
        frame
    }

    /// The next frame, which must be an error of this code.
    pub(super) async fn error(&mut self, code: &str) -> Value {
        let frame = self.heard("error").await;
        assert_eq!(frame["code"], code, "{frame}");
        frame
    }

    /// Says something that is taken, and changes the state if `state` says so; its number.
    pub(super) async fn speak(&mut self, performative: &str, body: Value, state: Option<&str>) -> u64 {
        self.send(&say(performative, body)).await;
        let ack = self.heard("ack").await;
        if let Some(state) = state {
            assert_eq!(self.heard("session_state").await["state"], state);
        }
        ack["sequenceNumber"].as_u64().unwrap()
    }

    /// The next frame, which must be a message of this number; its envelope.
    pub(super) async fn message(&mut self, number: u64) -> Value {
        let frame = self.heard("message").await;
        assert_eq!(frame["envelope"]["sequenceNumber"], number, "{frame}");
        frame["envelope"].clone()
    }

    /// Whether nothing comes for a while but heartbeats.
    pub(super) async fn is_silent(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.text()).await.is_err()
    }

    /// The code it ends with.
    pub(super) async fn ended(&mut self) -> u16 {
        self.0.ended_within(Duration::from_secs(20)).await.code
    }
}

/// A `send` frame.
#[allow(clippy::needless_pass_by_value, reason = "bodies are written where they are said")]
pub(super) fn say(performative: &str, body: Value) -> Value {
    json!({"type": "send", "envelope": {"performative": performative, "content": {"body": body}}})
}

pub(super) fn proposal(id: &str, kind: &str) -> Value {
    json!({"proposalId": id, "type": kind, "subject": "GPU compute procurement", "terms": {"gpuType": "A100"}})
}

pub(super) fn commitment(id: &str) -> Value {
    json!({
        "commitmentId": id, "terms": {"obligations": [], "penalties": {}}, "deadline": "2099-01-01T00:00:00Z",
        "escrow": {"amount": "4", "currency": "USDC", "releaseCondition": "delivery"}
    })
}

/// Brings a session to CONVERSING; three messages.
pub(super) async fn introduce(alpha: &mut Peer, beta: &mut Peer) {
    alpha.speak("PROPOSE", proposal("inv", "session-invitation"), Some("INVITED")).await;
    beta.message(1).await;
    beta.heard("session_state").await;
    beta.speak("ACCEPT", json!({"referenceId": "inv"}), Some("INTRODUCED")).await;
    alpha.message(2).await;
    alpha.heard("session_state").await;
    alpha.speak("INFORM", json!({}), Some("CONVERSING")).await;
    beta.message(3).await;
    beta.heard("session_state").await;
}
