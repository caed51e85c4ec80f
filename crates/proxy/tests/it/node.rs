//! A node under test: a proxy behind a hyper server, on a ledger in memory.

use bytes::Bytes;
use http::header::{HeaderValue, RETRY_AFTER};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tollwire_ledger::BoxFuture;
use tollwire_ledger::memory::MemoryLedger;
use tollwire_ledger::model::{Intent, Landing, Session};
use tollwire_ledger::{Clock, Command, Ledger, Outcome, SystemClock, Timestamp};
use tollwire_proxy::{Admission, FeedRoute, InBand, OpenError, Proxy, ProxyConfig};
use tollwire_session::Issuer;
use tollwire_wire::Transport;
use tollwire_x402::{SessionId, Unit, Usdc};

/// Real time, and what a test adds to it.
#[derive(Default)]
pub(crate) struct TestClock(AtomicU64);

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().after(Duration::from_millis(self.0.load(Ordering::SeqCst)))
    }
}

pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    pub(crate) proxy: Proxy,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) route: Arc<Mutex<FeedRoute>>,
    _server: JoinSet<()>,
}

/// A route to this upstream.
pub(crate) fn route(upstream: &str) -> FeedRoute {
    FeedRoute::new("ticks".parse().unwrap(), upstream.parse().unwrap())
}

/// Bounds for tests: dials are short.
pub(crate) fn config() -> ProxyConfig {
    let mut config = ProxyConfig::default();
    config.upstream_dial = Duration::from_millis(1500);
    config
}

impl Node {
    /// A node with a ledger of its own and the bounds for tests.
    pub(crate) async fn start(route: FeedRoute) -> Self {
        Self::on_new_ledger(route, config()).await
    }

    pub(crate) async fn on_new_ledger(route: FeedRoute, config: ProxyConfig) -> Self {
        let clock = Arc::new(TestClock::default());
        let ledger = Arc::new(MemoryLedger::new(clock.clone()));
        Self::on(ledger, clock, route, config, None).await
    }

    pub(crate) async fn on(
        ledger: Arc<dyn Ledger>,
        clock: Arc<TestClock>,
        route: FeedRoute,
        config: ProxyConfig,
        issuer: Option<Arc<Issuer>>,
    ) -> Self {
        route.check().unwrap();
        let proxy = Proxy::new(ledger.clone(), issuer, clock.clone(), config).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let route = Arc::new(Mutex::new(route));
        let mut server = JoinSet::new();
        server.spawn(accept(listener, Transport::from, proxy.clone(), Arc::clone(&route)));
        Self { address, proxy, ledger, clock, route, _server: server }
    }

    /// The same proxy behind a server whose connections are what `wrap` makes of them.
    pub(crate) async fn serve_with<T, W>(&self, wrap: W) -> Self
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        W: Fn(TcpStream) -> T + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (proxy, route) = (self.proxy.clone(), Arc::clone(&self.route));
        let mut server = JoinSet::new();
        server.spawn(accept(listener, wrap, proxy.clone(), Arc::clone(&route)));
        let (ledger, clock) = (Arc::clone(&self.ledger), Arc::clone(&self.clock));
        Self { address, proxy, ledger, clock, route, _server: server }
    }

    /// A session with this many units, paid for by one payment.
    pub(crate) async fn fund(&self, units: u64) -> SessionId {
        fund(&*self.ledger, units).await
    }

    pub(crate) async fn session(&self, id: &SessionId) -> Session {
        self.ledger.session(id).await.unwrap().unwrap()
    }

    /// Waits until a session looks as wanted.
    pub(crate) async fn wait_for(
        &self,
        id: &SessionId,
        what: &str,
        wanted: impl Fn(&Session) -> bool,
    ) -> Session {
        let give_up = Instant::now() + Duration::from_secs(10);
        loop {
            let session = self.session(id).await;
            if wanted(&session) {
                return session;
            }
            assert!(Instant::now() < give_up, "{what}: {session:?}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until nothing of a session is held or live, and compares what is left and what was used.
    pub(crate) async fn settled(&self, id: &SessionId, remaining: u64, captured: u64) {
        let quiet = |session: &Session| session.holds.is_empty() && session.live.is_empty();
        let session = self.wait_for(id, "nothing held, nothing live", quiet).await;
        assert_eq!((session.remaining(), session.captured), (remaining, captured), "{session:?}");
    }
}

/// A session of `stream` units.
pub(crate) async fn fund(ledger: &dyn Ledger, units: u64) -> SessionId {
    fund_by(ledger, Unit::Stream, units).await
}

/// A session of units of this kind.
pub(crate) async fn fund_by(ledger: &dyn Ledger, unit: Unit, units: u64) -> SessionId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let n = NEXT.fetch_add(1, Ordering::SeqCst);
    let session: SessionId = format!("7d444840-9dc0-4acd-b245-{n:012}").parse().unwrap();
    let payment: tollwire_x402::PaymentId = format!("eip155:84532/0xaa/0xbb/0x{n:064x}").parse().unwrap();
    let intent = Intent {
        session: session.clone(),
        feed: "ticks".parse().unwrap(),
        unit,
        units,
        amount: Usdc::from_atomic(units * 10_000).unwrap(),
        tariff: 1,
        network: "eip155:84532".parse().unwrap(),
        chain: "dev".into(),
        asset: "0xaa".into(),
        payer: "0xbb".into(),
        pay_to: "0xcc".into(),
        quote: None,
        claim: None,
        valid_before: u64::MAX,
        payload: "{}".into(),
        balance_ttl_ms: 86_400_000,
        plain: false,
        top_up: false,
        jkt: None,
        provider: None,
    };
    let landing = Landing { tx: "0x1".into(), block: 1, gas: Usdc::from_atomic(0).unwrap() };
    let record = Command::Record { payment: payment.clone(), intent: Box::new(intent) };
    assert!(matches!(ledger.apply(record).await.unwrap(), Outcome::Done(_)));
    let credit = Command::Credit { payment, session: session.clone(), landing };
    assert!(matches!(ledger.apply(credit).await.unwrap(), Outcome::Done(_)));
    session
}

async fn accept<T, W>(listener: TcpListener, wrap: W, proxy: Proxy, route: Arc<Mutex<FeedRoute>>)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    W: Fn(TcpStream) -> T,
{
    let mut connections = JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        let (proxy, route) = (proxy.clone(), Arc::clone(&route));
        let service = service_fn(move |request| serve(proxy.clone(), route.lock().unwrap().clone(), request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(wrap(tcp)), service);
        connections.spawn(async move { drop(connection.with_upgrades().await) });
    }
}

/// What a gate does, without its checks: the token is the session's id.
async fn serve(
    proxy: Proxy,
    route: FeedRoute,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let parameter = |name: &str| {
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
    };
    if let Some(code) = parameter("turn-away") {
        assert_eq!(code, "4004");
        let answer = proxy.accept_and_close(request, tollwire_x402::close::CloseCode::SessionNotFound);
        return Ok(answer.unwrap());
    }
    let admission = Admission {
        session: parameter("token").unwrap().parse().unwrap(),
        payer: "0xbb".into(),
        stream: parameter("stream").map(|id| id.parse().unwrap()),
        control: parameter("control").map(|_| -> Arc<dyn InBand> { Arc::new(Silent) }),
    };
    let answer = proxy.open(request, admission, &route).await;
    Ok(answer.unwrap_or_else(|error| refusal(&error)))
}

/// A conversation in which we say nothing.
struct Silent;

impl InBand for Silent {
    fn heard(&self, _: String) -> BoxFuture<'_, Vec<String>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    fn malformed(&self, _: &'static str) -> BoxFuture<'_, Vec<String>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    fn low<'a>(&'a self, _: &'a Session) -> BoxFuture<'a, Option<String>> {
        Box::pin(std::future::ready(None))
    }

    fn parting<'a>(&'a self, _: &'a Session) -> BoxFuture<'a, Option<String>> {
        Box::pin(std::future::ready(None))
    }
}

fn refusal(error: &OpenError) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(error.kind()));
    *response.status_mut() = error.status();
    *response.headers_mut() = error.headers();
    if let Some(after) = error.retry_after() {
        let seconds = HeaderValue::from_str(&after.as_secs().max(1).to_string()).unwrap();
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    response
}
