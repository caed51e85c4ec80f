//! Providers made with the SDKs of other languages, behind a real facilitator: Express, FastAPI and `net/http` accept its
//! streams and refuse everything forged. The programs are the SDKs' own examples.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use futures_util::future::join_all;
use serde_json::Value;
use std::time::Duration;
use tokio::process::Command;
use tollwire_session::dpop::{DpopKey, Request};
use tollwire_session::{Algorithm, Issuer, SigningKey, StreamClaims};
use tollwire_testkit::process::{Process, free_port};
use tollwire_testkit::tools;
use tollwire_tests::agent::{Agent, fresh_nonce, now};
use tollwire_tests::facilitator::Facilitator;
use tollwire_tests::http::get;
use tollwire_tests::settings::{Feed, Settings};
use tollwire_tests::world::online;
use tollwire_tests::ws;

const PATIENCE: Duration = Duration::from_secs(60);

/// Ten streams, in atomic USDC.
const TEN: u64 = 100_000;

/// A provider's program.
#[derive(Debug, Clone, Copy)]
enum Provider {
    Express,
    FastApi,
    NetHttp,
}

impl Provider {
    fn command(self) -> Command {
        match self {
            Self::Express => {
                let mut node = Command::new("node");
                node.arg(tools::sdk_typescript().unwrap().join("examples/provider-express.mjs"));
                node
            }
            Self::FastApi => {
                let folder = tools::workspace().join("sdks/python");
                let mut python = Command::new(tools::sdk_python().unwrap());
                python.arg("-B").arg(folder.join("examples/provider_fastapi.py"));
                python.env("PYTHONPATH", folder.join("src"));
                python
            }
            Self::NetHttp => Command::new(tools::sdk_go_provider().unwrap()),
        }
    }
}

/// A facilitator that sells the feed of a provider.
struct World {
    facilitator: Facilitator,
    provider: Process,
    port: u16,
}

impl World {
    /// `accept` is `stream` or `session`.
    async fn start(provider: Provider, accept: &str) -> Self {
        let port = free_port().unwrap();
        let feed = Feed {
            more: "upstream_auth = \"stream-token\"",
            ..Feed::ticks(format!("ws://127.0.0.1:{port}/stream"))
        };
        let facilitator = Facilitator::start(Settings::dev(vec![feed])).await;
        let mut command = provider.command();
        command.env("FACILITATOR", facilitator.url("")).env("LISTEN", format!("127.0.0.1:{port}"));
        command.env("ACCEPT", accept);
        let mut provider = Process::spawn(command).unwrap();
        provider.wait_for_line("listening on ", PATIENCE).await.unwrap();
        Self { facilitator, provider, port }
    }

    /// Buys at the provider's own door.
    async fn buys(&self, agent: &Agent) -> Value {
        let bought = agent.buy(&format!("http://127.0.0.1:{}/feeds/ticks/session", self.port), TEN).await;
        assert_eq!(bought.status, 200, "{bought:?}");
        assert_eq!(bought.header("cache-control"), Some("private, no-store"));
        bought.json()
    }

    /// Opens the feed at the provider itself; the name of the refusal if it is refused.
    async fn direct(&self, token: &str) -> Result<ws::Socket, (u16, String)> {
        let bearer = format!("Bearer {token}");
        let opened = ws::open(&self.url(), &[("authorization", &bearer)]).await;
        opened.map_err(|refused| (refused.status.as_u16(), code(&refused.body)))
    }

    fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/stream", self.port)
    }

    /// What the facilitator itself signs with.
    fn issuer(&self) -> Issuer {
        self.issuer_by(self.key())
    }

    fn issuer_by(&self, key: SigningKey) -> Issuer {
        Issuer::new(key, self.facilitator.url(""), self.facilitator.url(""))
    }

    fn key(&self) -> SigningKey {
        let pem = std::fs::read_to_string(self.facilitator.folder().join("session-key.pem")).unwrap();
        SigningKey::from_pem(&pem).unwrap()
    }

    /// The claims of a good stream token that nobody used.
    fn claims(&self) -> StreamClaims {
        StreamClaims {
            iss: self.facilitator.url(""),
            aud: "ticks".to_owned(),
            sub: Agent::new().address(),
            jti: "7d444840-9dc0-4acd-b245-5ffdce74fad2".parse().unwrap(),
            stream: hex::encode(&fresh_nonce()[..16]).parse().unwrap(),
            fence: 1,
            feed: "ticks".parse().unwrap(),
            iat: now(),
            exp: now() + 60,
        }
    }
}

fn code(body: &str) -> String {
    let problem: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
    problem["code"].as_str().unwrap().to_owned()
}

async fn reads_ticks(socket: &mut ws::Socket) {
    for tick in 1..=3 {
        let text = socket.next().await.into_text().unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["tick"], tick);
    }
}

/// An agent pays at the provider's door and streams through the proxy; units fall; the provider heard of both, and its log
/// has no token.
async fn sells(provider: Provider) {
    let mut world = World::start(provider, "stream").await;
    let agent = Agent::new();
    let bought = world.buys(&agent).await;
    let (token, ws_url) = (bought["token"].as_str().unwrap(), bought["ws_url"].as_str().unwrap());
    let jti = bought["session"]["jti"].as_str().unwrap();
    world.provider.wait_for_line(&format!("sold {jti} for $0.10"), PATIENCE).await.unwrap();
    for left in [9, 8] {
        let mut socket = ws::open(&format!("{ws_url}?token={token}"), &[]).await.unwrap();
        reads_ticks(&mut socket).await;
        socket.close().await;
        let status = online(&world.facilitator, token).await;
        assert_eq!(status["units_remaining"], left, "{status}");
    }
    world.provider.wait_for_line(&format!("{} opens ticks", agent.address()), PATIENCE).await.unwrap();
    // What was paid for through the proxy opens nothing beside it.
    assert_eq!(world.direct(token).await.err(), Some((401, "type".to_owned())));
    let log = world.provider.lines().join("\n");
    assert!(!log.contains(token) && !log.contains("eyJ"), "{log}");
}

/// Tokens by the facilitator's own key admit once; everything else is refused with its reason.
async fn refuses(provider: Provider) {
    let world = World::start(provider, "stream").await;
    let (issuer, good) = (world.issuer(), world.claims());
    let token = issuer.issue_stream(&good).unwrap();
    reads_ticks(&mut world.direct(&token).await.unwrap_or_else(|refused| panic!("{refused:?}"))).await;

    let old = StreamClaims { iat: now() - 120, exp: now() - 60, ..world.claims() };
    let early = StreamClaims { iat: now() + 90, exp: now() + 120, ..world.claims() };
    let foreign = StreamClaims { aud: "orders".into(), feed: "orders".parse().unwrap(), ..world.claims() };
    let confused = StreamClaims { feed: "orders".parse().unwrap(), aud: "orders".into(), ..world.claims() };
    let elsewhere = Issuer::new(world.key(), "https://evil.example".into(), "https://evil.example".into());
    let theirs = StreamClaims { iss: "https://evil.example".into(), ..world.claims() };
    let stranger = world.issuer_by(SigningKey::generate(Algorithm::EdDsa).unwrap());
    let es256 = world.issuer_by(SigningKey::generate(Algorithm::Es256).unwrap());
    let signed = |issuer: &Issuer, claims: &StreamClaims| issuer.issue_stream(claims).unwrap();
    let fresh = signed(&issuer, &world.claims());
    let (rest, signature) = fresh.rsplit_once('.').unwrap();
    let (header, _) = rest.split_once('.').unwrap();
    let (_, other) = token.split_once('.').unwrap();
    for (what, forged, status, reason) in [
        ("used", token.clone(), 401, "replayed"),
        ("expired", signed(&issuer, &old), 403, "expired"),
        ("early", signed(&issuer, &early), 403, "not_yet_valid"),
        ("foreign", signed(&issuer, &foreign), 401, "audience"),
        ("confused", signed(&issuer, &confused), 401, "audience"),
        ("of another issuer", signed(&elsewhere, &theirs), 401, "issuer"),
        ("by a stranger's key", signed(&stranger, &world.claims()), 401, "unknown_key"),
        ("by a stranger's ES256 key", signed(&es256, &world.claims()), 401, "unknown_key"),
        (
            "with another's signature",
            format!("{rest}.{}", token.rsplit_once('.').unwrap().1),
            401,
            "signature",
        ),
        (
            "with another's payload",
            format!("{header}.{}.{signature}", other.split_once('.').unwrap().0),
            401,
            "signature",
        ),
        ("unsigned", format!("{rest}."), 401, "signature"),
        ("cut short", rest.to_owned(), 401, "malformed"),
    ] {
        assert_eq!(world.direct(&forged).await.err(), Some((status, reason.to_owned())), "{what}");
    }
    let (url, bearer) = (format!("{}?token={fresh}", world.url()), format!("Bearer {fresh}"));
    let ambiguous = ws::open(&url, &[("authorization", &bearer)]).await.err().unwrap();
    assert_eq!((ambiguous.status.as_u16(), code(&ambiguous.body)), (400, "ambiguous".to_owned()));
    assert!(world.direct(&fresh).await.is_ok(), "what was refused as ambiguous is not used up");
    let none = ws::open(&world.url(), &[]).await.err().unwrap();
    assert_eq!((none.status.as_u16(), code(&none.body)), (401, "missing".to_owned()));
    every_vector_is_refused(&world).await;
}

/// None of the shared vectors is by this facilitator.
async fn every_vector_is_refused(world: &World) {
    let text = std::fs::read_to_string(tools::workspace().join("tests/vectors/tokens.json")).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    let visible = |token: &&str| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    let tokens: Vec<&str> = file["vectors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|vector| vector["token"].as_str().unwrap())
        .filter(visible)
        .collect();
    assert!(tokens.len() > 350);
    for some in tokens.chunks(16) {
        for (token, opened) in some.iter().zip(join_all(some.iter().map(|token| world.direct(token))).await) {
            let (status, _) = opened.err().unwrap_or_else(|| panic!("accepted: {token}"));
            assert_eq!(status, 401, "{token}");
        }
    }
}

/// A provider that agents reach directly.
async fn admits_agents(provider: Provider) {
    let world = World::start(provider, "session").await;
    let none = ws::open(&world.url(), &[]).await.err().unwrap();
    assert_eq!((none.status.as_u16(), code(&none.body)), (402, "payment_required".to_owned()));
    let sold_at = world.facilitator.url("/feeds/ticks/session");
    assert_eq!(none.headers["link"], format!("<{sold_at}>; rel=\"payment\"").as_str());
    let bought = world.buys(&Agent::new()).await;
    let token = bought["token"].as_str().unwrap();
    for _ in 0..2 {
        reads_ticks(&mut world.direct(token).await.unwrap_or_else(|refused| panic!("{refused:?}"))).await;
    }
    let stream = world.issuer().issue_stream(&world.claims()).unwrap();
    assert_eq!(world.direct(&stream).await.err(), Some((401, "type".to_owned())));
}

/// The same provider, and an agent that binds what it buys to its key.
async fn admits_key_holders(provider: Provider) {
    let world = World::start(provider, "session").await;
    let key = DpopKey::generate(Algorithm::Es256).unwrap();
    let fresh = || hex::encode(fresh_nonce());
    let session = world.facilitator.url("/feeds/ticks/session");
    let payment = Agent::new().payment(&session, TEN).await;
    let proof = key.prove(&Request::new("GET", &session), now(), &fresh()).unwrap();
    let bought = get(&session, &[(payment.header, &payment.value), ("dpop", &proof)]).await.json();
    assert_eq!(bought["token_type"], "DPoP", "{bought}");
    let token = bought["token"].as_str().unwrap();
    let url = world.url();
    let prove =
        |key: &DpopKey| key.prove(&Request::new("GET", &url).with_token(token), now(), &fresh()).unwrap();
    let by_key = format!("DPoP {token}");
    let open = async |proof: &str| {
        let opened = ws::open(&url, &[("authorization", &by_key), ("dpop", proof)]).await;
        opened.map_err(|refused| (refused.status.as_u16(), code(&refused.body)))
    };
    let proof = prove(&key);
    reads_ticks(&mut open(&proof).await.unwrap_or_else(|refused| panic!("{refused:?}"))).await;
    let refused = |reason: &str| Some((401, reason.to_owned()));
    assert_eq!(open(&proof).await.err(), refused("proof_replayed"));
    let thief = DpopKey::generate(Algorithm::EdDsa).unwrap();
    assert_eq!(open(&prove(&thief)).await.err(), refused("proof_binding"));
    assert_eq!(world.direct(token).await.err(), refused("proof_required"));
    assert!(open(&prove(&key)).await.is_ok());
}

#[tokio::test]
async fn an_express_provider_sells() {
    sells(Provider::Express).await;
}

#[tokio::test]
async fn a_fastapi_provider_sells() {
    sells(Provider::FastApi).await;
}

#[tokio::test]
async fn a_net_http_provider_sells() {
    sells(Provider::NetHttp).await;
}

#[tokio::test]
async fn an_express_provider_refuses_what_is_forged() {
    refuses(Provider::Express).await;
}

#[tokio::test]
async fn a_fastapi_provider_refuses_what_is_forged() {
    refuses(Provider::FastApi).await;
}

#[tokio::test]
async fn a_net_http_provider_refuses_what_is_forged() {
    refuses(Provider::NetHttp).await;
}

#[tokio::test]
async fn an_express_provider_admits_agents() {
    admits_agents(Provider::Express).await;
}

#[tokio::test]
async fn a_fastapi_provider_admits_agents() {
    admits_agents(Provider::FastApi).await;
}

#[tokio::test]
async fn a_net_http_provider_admits_agents() {
    admits_agents(Provider::NetHttp).await;
}

#[tokio::test]
async fn an_express_provider_admits_key_holders() {
    admits_key_holders(Provider::Express).await;
}

#[tokio::test]
async fn a_fastapi_provider_admits_key_holders() {
    admits_key_holders(Provider::FastApi).await;
}

#[tokio::test]
async fn a_net_http_provider_admits_key_holders() {
    admits_key_holders(Provider::NetHttp).await;
}
