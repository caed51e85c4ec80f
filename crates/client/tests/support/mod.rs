//! A seller of one feed: a real HTTP server that checks payments by their signatures and serves real WebSockets.
//! It can be told to misbehave.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helpers may fail loudly")]

mod answers;
mod control;
mod stream;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tollwire_client::{Budget, Config, Payer, Wallet};
use tollwire_session::{Algorithm, SigningKey};
use tollwire_x402::Network;

pub(crate) use control::Line;

/// The time of all tests.
pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const PAY_TO: &str = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C";
pub(crate) const EXHAUSTED: &str = "Session balance exhausted. Re-authorize via x402 to continue.";

/// What goes wrong next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The payment is taken and its answer lost.
    LoseAnswer,
    /// The payment is taken; the answer is 503 with this `Retry-After`.
    Pending,
    /// The payment is taken; the answer is 402 with `settlement_pending`.
    PendingAs402,
    /// The payment is refused, with a reason.
    Refuse,
    /// The payment is answered like no payment at all.
    Ignore,
}

/// What goes wrong with the next upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upgrade {
    /// The unit is taken and the 101 lost.
    Lose,
    /// Other streams hold the last units.
    HeldElsewhere,
    /// The token is too old.
    Expired,
    /// Overloaded.
    Busy,
    /// The upstream does not answer.
    Upstream,
}

#[allow(clippy::struct_excessive_bools, reason = "each is a way in which the facilitator can fail")]
pub(crate) struct State {
    pub(crate) base: String,
    pub(crate) pay_to: String,
    pub(crate) amounts: Vec<u64>,
    pub(crate) faults: VecDeque<Fault>,
    pub(crate) upgrades: VecDeque<Upgrade>,
    /// Messages sent before a stream is closed.
    pub(crate) messages: usize,
    /// The close code of every stream; 0: send back what comes, and never close.
    pub(crate) close: u16,
    /// Whether a session without units is upgraded and closed, not refused.
    pub(crate) close_exhausted: bool,
    /// By payment identity: session, and the claim that collects it.
    pub(crate) sold: HashMap<String, (String, String)>,
    /// Units left by session.
    pub(crate) units: HashMap<String, u64>,
    /// Streams opened, by id: each takes a unit once.
    pub(crate) streams: HashSet<String>,
    /// The last bill.
    pub(crate) bill: Value,
    pub(crate) paid_requests: usize,
    /// What signs control messages and receipts.
    pub(crate) key: SigningKey,
    /// Which key the key set has.
    pub(crate) published: SigningKey,
    pub(crate) keys_fetched: usize,
    /// Whether sessions can be topped up over HTTP, and how often they were asked to be.
    pub(crate) top_up: bool,
    pub(crate) top_up_requests: usize,
    /// What is said on a stream with `?control=v1`, before its close.
    pub(crate) lines: Vec<Line>,
    /// The price of a unit that bills state, in atomic units.
    pub(crate) price: u64,
    /// Whether sessions are bound to the DPoP key that paid.
    pub(crate) binds: bool,
    /// Proofs seen: each works once.
    pub(crate) proofs: HashSet<String>,
    /// Thumbprints by session.
    pub(crate) bound: HashMap<String, String>,
    /// Whether a wallet can sign in, and the session it gets.
    pub(crate) signs_in: Option<String>,
    /// Payments do not collect anything any more.
    pub(crate) forgets: bool,
}

impl State {
    fn new(base: String) -> Self {
        let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
        Self {
            base,
            pay_to: PAY_TO.into(),
            amounts: vec![10_000_000, 100_000, 10_000],
            faults: VecDeque::new(),
            upgrades: VecDeque::new(),
            messages: 2,
            close: 4008,
            close_exhausted: false,
            sold: HashMap::new(),
            units: HashMap::new(),
            streams: HashSet::new(),
            bill: Value::Null,
            paid_requests: 0,
            published: key.clone(),
            key,
            keys_fetched: 0,
            top_up: false,
            top_up_requests: 0,
            lines: Vec::new(),
            price: 10_000,
            binds: false,
            proofs: HashSet::new(),
            bound: HashMap::new(),
            signs_in: None,
            forgets: false,
        }
    }
}

/// The seller.
#[derive(Clone)]
pub(crate) struct Seller(Arc<Mutex<State>>);

pub(crate) type Answer = Result<Response<Full<Bytes>>, std::io::Error>;

impl Seller {
    pub(crate) async fn start() -> Self {
        Self::serve(None).await
    }

    pub(crate) async fn serve(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let base = if tls.is_some() {
            format!("https://localhost:{port}")
        } else {
            format!("http://127.0.0.1:{port}")
        };
        let seller = Self(Arc::new(Mutex::new(State::new(base))));
        let server = seller.clone();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (seller, tls) = (server.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => seller.connection(TokioIo::new(tcp)).await,
                        Some(tls) => seller.connection(TokioIo::new(accept(&tls, tcp).await)).await,
                    }
                });
            }
        });
        seller
    }

    async fn connection<I>(self, io: I)
    where
        I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let service = service_fn(move |request| {
            let seller = self.clone();
            async move { seller.route(request) }
        });
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(io, service);
        // An error is a connection we cut on purpose.
        let _ = connection.with_upgrades().await;
    }

    fn route(&self, request: Request<Incoming>) -> Answer {
        match request.uri().path() {
            "/feeds/ticks/session" => answers::session(self, &request),
            "/feeds/ticks/ws" => stream::upgrade(self, request),
            "/session/top-up" => answers::top_up(self, &request),
            "/.well-known/jwks.json" => Ok(answers::keys(&mut self.state())),
            path => panic!("no such path: {path}"),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/feeds/ticks/session", self.state().base)
    }
}

async fn accept(tls: &TlsAcceptor, tcp: TcpStream) -> tokio_rustls::server::TlsStream<TcpStream> {
    tls.accept(tcp).await.unwrap()
}

/// A payer with $0.10 per payment and $0.25 in all.
pub(crate) fn payer() -> Payer {
    payer_with(config())
}

pub(crate) fn payer_with(config: Config) -> Payer {
    let wallet = Wallet::evm(&"11".repeat(32)).unwrap();
    let budget = Budget::new("0.10".parse().unwrap(), "0.25".parse().unwrap());
    Payer::with_clock(wallet, budget, config, || NOW).unwrap()
}

pub(crate) fn config() -> Config {
    let mut config = Config::new([Network::BASE_SEPOLIA]);
    config.tries = 3;
    config
}

/// One offer.
pub(crate) fn offer(amount: u64, pay_to: &str) -> Value {
    json!({
        "scheme": "exact", "network": "eip155:84532", "amount": amount.to_string(), "payTo": pay_to,
        "asset": "0x036CbD53842c5426634e7929541eC2318f3dCF7e", "maxTimeoutSeconds": 60,
        "extra": {"name": "USDC", "version": "2"},
    })
}
