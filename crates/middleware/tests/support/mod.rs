//! Real tokens, a real server, a real WebSocket: shared by the embedding tests of the three middleware crates.
#![allow(dead_code, reason = "each test uses its part")]
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail loudly")]

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use hyper::service::Service;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::{self, Message, client::IntoClientRequest as _, protocol::Role};
use tokio_tungstenite::{WebSocketStream, client_async};
use tollwire_session::{Algorithm, Claims, Issuer, KeySet, SigningKey, StreamClaims};

pub(crate) const URL: &str = "https://pay.example";
pub(crate) const PAYER: &str = "0x857b06519e91e3a54538791bdbb0e22373e36b66";

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The facilitator's half that matters here: it issues tokens and publishes keys.
pub(crate) struct Facilitator {
    pub(crate) issuer: Issuer,
    pub(crate) jwks: String,
}

impl Facilitator {
    pub(crate) fn new() -> Self {
        Self::at(URL)
    }

    pub(crate) fn at(url: &str) -> Self {
        let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
        let jwks = KeySet::default().with(&key).jwks_json().unwrap();
        Self { issuer: Issuer::new(key, url.into(), url.into()), jwks }
    }

    pub(crate) fn session_claims(feed: &str) -> Claims {
        Claims {
            iss: URL.into(),
            aud: URL.into(),
            sub: PAYER.into(),
            jti: "7d444840-9dc0-4acd-b245-5ffdce74fad2".parse().unwrap(),
            feed: feed.parse().unwrap(),
            deposited: "$10.00".into(),
            streams_remaining: 10,
            unit: "stream".parse().unwrap(),
            network: "eip155:8453".parse().unwrap(),
            chain: "base".into(),
            iat: now(),
            nbf: now(),
            exp: now() + 3_600,
            generation: 0,
            jkt: None,
        }
    }

    pub(crate) fn session_token(&self, feed: &str) -> String {
        self.issuer.issue(&Self::session_claims(feed)).unwrap()
    }

    pub(crate) fn stream_token(&self, feed: &str, fence: u64) -> String {
        let claims = StreamClaims {
            iss: self.issuer.issuer().into(),
            aud: feed.into(),
            sub: PAYER.into(),
            jti: "7d444840-9dc0-4acd-b245-5ffdce74fad2".parse().unwrap(),
            stream: "0123456789abcdef".parse().unwrap(),
            fence,
            feed: feed.parse().unwrap(),
            iat: now(),
            exp: now() + 60,
        };
        self.issuer.issue_stream(&claims).unwrap()
    }
}

/// A server on loopback; it ends with this value.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Served {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Serves each connection with a clone of the service, by hyper, with upgrades.
    pub(crate) async fn start<S, B>(service: S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send + 'static,
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let service = service.clone();
                connections.spawn(async move {
                    let http = hyper::server::conn::http1::Builder::new();
                    let _ = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
                });
            }
        });
        Self { address, _tasks: tasks }
    }
}

/// Completes the WebSocket handshake and sends one text, then the peer's own messages back.
pub(crate) fn greet<B>(mut request: Request<B>, text: String) -> Response<Full<Bytes>> {
    let key = request.headers()[SEC_WEBSOCKET_KEY].clone();
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes())).unwrap();
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let io = TokioIo::new(upgrade.await.unwrap());
        let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
        socket.send(Message::text(text)).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() {
                socket.send(message).await.unwrap();
            }
        }
    });
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
    response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
    response
}

/// What came of a WebSocket handshake.
#[derive(Debug, PartialEq)]
pub(crate) enum Opened {
    /// It stands, and this was the first text.
    Greeted(String),
    /// It was refused by status, the problem's `code`, and the headers' `link` or `www-authenticate`.
    Refused(u16, String, Option<String>),
}

/// Opens a WebSocket as an agent does; if it stands, an echo must come back.
pub(crate) async fn open(server: SocketAddr, path: &str, authorization: &[&str]) -> Opened {
    let mut request = format!("ws://{server}{path}").into_client_request().unwrap();
    for value in authorization {
        request.headers_mut().append("authorization", HeaderValue::from_str(value).unwrap());
    }
    let stream = TcpStream::connect(server).await.unwrap();
    match client_async(request, stream).await {
        Ok((mut socket, _)) => {
            let first = socket.next().await.unwrap().unwrap().into_text().unwrap().to_string();
            socket.send(Message::text("echo")).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("echo"));
            socket.close(None).await.unwrap();
            Opened::Greeted(first)
        }
        Err(tungstenite::Error::Http(response)) => {
            let (head, body) = response.into_parts();
            assert_eq!(head.headers["content-type"], "application/problem+json");
            assert_eq!(head.headers["cache-control"], "no-store");
            let problem: serde_json::Value = serde_json::from_slice(&body.unwrap()).unwrap();
            assert_eq!(problem["status"], head.status.as_u16());
            let hint = head.headers.get("link").or_else(|| head.headers.get("www-authenticate"));
            let hint = hint.map(|value| value.to_str().unwrap().to_owned());
            Opened::Refused(head.status.as_u16(), problem["code"].as_str().unwrap().to_owned(), hint)
        }
        Err(error) => Opened::Refused(0, error.to_string(), None),
    }
}

pub(crate) fn refused(status: u16, code: &str) -> Opened {
    let challenge = (status == 401).then(|| match code {
        "missing" => "Bearer".to_owned(),
        _ => "Bearer error=\"invalid_token\"".to_owned(),
    });
    Opened::Refused(status, code.to_owned(), challenge)
}

/// What every embedding must do with stream tokens; its handler greets with the payer and the path it sees.
pub(crate) async fn takes_stream_tokens_once(server: &Served, facilitator: &Facilitator) {
    let token = facilitator.stream_token("ticks", 1);
    let greeted = |path: &str| Opened::Greeted(format!("{PAYER} {path}"));
    let bearer = format!("Bearer {token}");
    assert_eq!(open(server.address, "/ws?depth=5", &[&bearer]).await, greeted("/ws?depth=5"));
    assert_eq!(open(server.address, "/ws", &[&bearer]).await, refused(401, "replayed"));
    let token = facilitator.stream_token("ticks", 2);
    assert_eq!(
        open(server.address, &format!("/ws?a=1&token={token}&b=2"), &[]).await,
        greeted("/ws?a=1&b=2")
    );
    let token = facilitator.stream_token("ticks", 3);
    let both = open(server.address, &format!("/ws?token={token}"), &[&format!("Bearer {token}")]).await;
    assert_eq!(both, refused(400, "ambiguous"));
    assert_eq!(open(server.address, "/ws", &[]).await, refused(401, "missing"));
    assert_eq!(open(server.address, "/ws", &["Bearer x"]).await, refused(401, "malformed"));
    let session = format!("Bearer {}", facilitator.session_token("ticks"));
    assert_eq!(open(server.address, "/ws", &[&session]).await, refused(401, "type"));
    let elsewhere = format!("Bearer {}", facilitator.stream_token("orders", 1));
    assert_eq!(open(server.address, "/ws", &[&elsewhere]).await, refused(401, "audience"));
    // Another facilitator's key under another name.
    let foreign = format!("Bearer {}", Facilitator::new().stream_token("ticks", 1));
    assert_eq!(open(server.address, "/ws", &[&foreign]).await, refused(401, "unknown_key"));
    // What was refused above was not used up.
    assert_eq!(open(server.address, &format!("/ws?token={token}"), &[]).await, greeted("/ws"));
}

/// What every embedding must do with session tokens.
pub(crate) async fn takes_session_tokens(server: &Served, facilitator: &Facilitator) {
    let bearer = format!("Bearer {}", facilitator.session_token("ticks"));
    for _ in 0..2 {
        assert_eq!(open(server.address, "/ws", &[&bearer]).await, Opened::Greeted(format!("{PAYER} /ws")));
    }
    let elsewhere = format!("Bearer {}", facilitator.session_token("orders"));
    assert_eq!(open(server.address, "/ws", &[&elsewhere]).await, refused(403, "wrong_feed"));
    let past =
        Claims { iat: now() - 90, nbf: now() - 90, exp: now() - 60, ..Facilitator::session_claims("ticks") };
    let past = format!("Bearer {}", facilitator.issuer.issue(&past).unwrap());
    assert_eq!(open(server.address, "/ws", &[&past]).await, refused(403, "expired"));
    let jkt = Some(facilitator.issuer.key().kid().to_owned());
    let bound = Claims { jkt, ..Facilitator::session_claims("ticks") };
    let bound = format!("Bearer {}", facilitator.issuer.issue(&bound).unwrap());
    let challenge = Some("DPoP error=\"invalid_token\", algs=\"EdDSA ES256\"".to_owned());
    let unproven = Opened::Refused(401, "proof_required".into(), challenge);
    assert_eq!(open(server.address, "/ws", &[&bound]).await, unproven);
    let stream = format!("Bearer {}", facilitator.stream_token("ticks", 1));
    assert_eq!(open(server.address, "/ws", &[&stream]).await, refused(401, "type"));
    let link = format!("<{URL}/feeds/ticks/session>; rel=\"payment\"");
    let unpaid = Opened::Refused(402, "payment_required".into(), Some(link));
    assert_eq!(open(server.address, "/ws", &[]).await, unpaid);
}
