//! The service on a socket, and a WebSocket agent.

use crate::support::{World, feed_to};
use futures_util::StreamExt as _;
use http::{HeaderMap, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tollwire_gate::Feed;
use tollwire_gate::http::GateService;
use tollwire_testkit::feed::{Mode, SampleFeed};
use tollwire_wire::Transport;
use tower_service::Service as _;

/// A world whose feed `ticks` is live, behind a socket.
pub(crate) struct Served {
    pub(crate) world: World,
    pub(crate) upstream: SampleFeed,
    address: SocketAddr,
    _server: JoinSet<()>,
}

/// What an upgrade came to.
pub(crate) enum Upgrade {
    Open(Box<WebSocketStream<TcpStream>>, HeaderMap),
    Refused(StatusCode, HeaderMap, Value),
}

impl Served {
    pub(crate) async fn start(mode: Mode) -> Self {
        Self::with(mode, |_| {}).await
    }

    pub(crate) async fn with(mode: Mode, adjust: impl FnOnce(&mut Feed)) -> Self {
        Self::of(World::new(), mode, adjust).await
    }

    pub(crate) async fn of(world: World, mode: Mode, adjust: impl FnOnce(&mut Feed)) -> Self {
        let upstream = SampleFeed::start(mode).await.unwrap();
        let id = "ticks".parse().unwrap();
        world.gate.feeds().remove(&id).unwrap();
        let mut feed = feed_to("ticks", &upstream.url("/stream"));
        adjust(&mut feed);
        world.gate.feeds().add(feed, tollwire_gate::feed::Origin::Configuration).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = GateService::new(world.gate.clone());
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let service = service.clone();
                connections.spawn(async move {
                    let service = hyper::service::service_fn(move |request| service.clone().call(request));
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(Transport::Tcp(stream)), service)
                        .with_upgrades()
                        .await
                        .ok();
                });
            }
        });
        Self { world, upstream, address, _server: server }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Opens a WebSocket at a path with further headers.
    pub(crate) async fn open(&self, path: &str, headers: &[(&str, &str)]) -> Upgrade {
        let mut request = format!("ws://{}{path}", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().append(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        let stream = TcpStream::connect(self.address).await.unwrap();
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, answer)) => Upgrade::Open(Box::new(socket), answer.headers().clone()),
            Err(Error::Http(answer)) => {
                let body = answer.body().clone().unwrap_or_default();
                let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
                Upgrade::Refused(answer.status(), answer.headers().clone(), json)
            }
            Err(other) => panic!("{other}"),
        }
    }

    pub(crate) async fn open_with(&self, token: &str) -> Upgrade {
        self.open("/feeds/ticks/ws", &[("authorization", &format!("Bearer {token}"))]).await
    }

    pub(crate) async fn remaining(&self, token: &str) -> u64 {
        let gate = &self.world.gate;
        gate.session_view(&gate.check_token(token).unwrap()).await.unwrap().units_remaining
    }
}

impl Upgrade {
    #[track_caller]
    pub(crate) fn opened(self) -> (WebSocketStream<TcpStream>, HeaderMap) {
        match self {
            Self::Open(socket, headers) => (*socket, headers),
            Self::Refused(status, headers, body) => panic!("refused: {status} {headers:?} {body}"),
        }
    }

    #[track_caller]
    pub(crate) fn refused(self) -> (u16, HeaderMap, Value) {
        match self {
            Self::Open(..) => panic!("opened"),
            Self::Refused(status, headers, body) => (status.as_u16(), headers, body),
        }
    }
}

/// The next text message.
pub(crate) async fn next_text(socket: &mut WebSocketStream<TcpStream>) -> String {
    let next = tokio::time::timeout(Duration::from_secs(10), socket.next()).await.unwrap();
    next.unwrap().unwrap().into_text().unwrap().to_string()
}

/// The close frame that ends a socket, after whatever came before it.
pub(crate) async fn closed(mut socket: WebSocketStream<TcpStream>) -> (u16, String) {
    loop {
        let next = tokio::time::timeout(Duration::from_secs(10), socket.next()).await.unwrap();
        match next.unwrap().unwrap() {
            Message::Close(Some(frame)) => return (frame.code.into(), frame.reason.to_string()),
            Message::Close(None) => panic!("a close without a code"),
            _ => {}
        }
    }
}
