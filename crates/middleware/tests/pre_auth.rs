//! The provider's own pre-auth route, and the online check, against a facilitator that is scripted at the HTTP level.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail loudly")]

mod support;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use support::{Facilitator, Served};
use tokio::sync::{Notify, mpsc};
use tollwire_middleware::{Error, OnlineCheck, PreAuthLayer};
use tower_layer::Layer as _;

const SOLD: &str = r#"{"token":"a.b.c","token_type":"Bearer","expires_at":"2027-01-16T08:00:00Z",
    "ws_url":"wss://pay.example/feeds/ticks/ws","session":{"jti":"7d444840-9dc0-4acd-b245-5ffdce74fad2",
    "feed":"ticks","unit":"stream","units_remaining":10,"deposited":"$10.00","chain":"base"}}"#;

/// Status, headers, body.
type Answer = (u16, Vec<(&'static str, &'static str)>, String);

/// What the facilitator answers, and the request lines and headers it saw.
#[derive(Clone)]
struct Script {
    answer: Arc<Mutex<Answer>>,
    seen: Arc<Mutex<Vec<(Method, String, HeaderMap)>>>,
}

impl Script {
    fn new() -> Self {
        Self { answer: Arc::new(Mutex::new((500, vec![], String::new()))), seen: Arc::default() }
    }

    fn answers(&self, status: u16, headers: &[(&'static str, &'static str)], body: &str) {
        *self.answer.lock().unwrap() = (status, headers.to_vec(), body.to_owned());
    }

    fn last(&self) -> (Method, String, HeaderMap) {
        self.seen.lock().unwrap().last().cloned().unwrap()
    }

    async fn serve(&self) -> Served {
        let this = self.clone();
        Served::start(service_fn(move |request: Request<Incoming>| {
            let (head, _) = request.into_parts();
            this.seen.lock().unwrap().push((head.method, head.uri.to_string(), head.headers));
            let (status, headers, body) = this.answer.lock().unwrap().clone();
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            ready(Ok::<_, Infallible>(response.body(Full::new(Bytes::from(body))).unwrap()))
        }))
        .await
    }
}

/// What lies behind the layer.
#[derive(Clone)]
struct Inner;

impl tower_service::Service<Request<Incoming>> for Inner {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Incoming>) -> Self::Future {
        ready(Ok(Response::new(Full::from("inner"))))
    }
}

async fn provider(layer: PreAuthLayer) -> Served {
    Served::start(TowerToHyperService::new(layer.layer(Inner))).await
}

fn layer(facilitator: &Served) -> PreAuthLayer {
    PreAuthLayer::new(&facilitator.url(""), "ticks".parse().unwrap(), "0xabc").unwrap()
}

async fn request(
    server: &Served,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, HeaderMap, String) {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut request = Request::builder().method(method).uri(server.url(path));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = client.request(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
}

async fn get(server: &Served, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, String) {
    request(server, Method::GET, path, headers).await
}

#[tokio::test]
async fn only_the_payment_travels() {
    let script = Script::new();
    let facilitator = script.serve().await;
    let provider = provider(layer(&facilitator)).await;
    let answer = [
        ("payment-required", "terms"),
        ("access-control-expose-headers", "PAYMENT-REQUIRED"),
        ("cache-control", "no-store"),
        ("content-type", "application/json"),
        ("www-authenticate", "Bearer"),
        ("retry-after", "7"),
        ("set-cookie", "facilitator=1"),
        ("server", "facilitator"),
        ("x-secret", "1"),
    ];
    script.answers(402, &answer, "{\"x402Version\":1}");
    let (status, headers, body) = get(
        &provider,
        "/feeds/ticks/session?token=secret&a=1",
        &[
            ("PAYMENT-SIGNATURE", "v2"),
            ("X-PAYMENT", "v1"),
            ("Tollwire-Claim", "claim"),
            ("SIGN-IN-WITH-X", "siwx"),
            ("Accept", "application/json"),
            ("Authorization", "Bearer secret"),
            ("Cookie", "provider=secret"),
            ("X-Forwarded-For", "10.0.0.1"),
            ("Forwarded", "for=10.0.0.1"),
            ("Transfer-Encoding", "chunked"),
        ],
    )
    .await;
    assert_eq!((status, body.as_str()), (StatusCode::PAYMENT_REQUIRED, "{\"x402Version\":1}"));
    for (name, value) in &answer[..6] {
        assert_eq!(headers[*name], value, "{name}");
    }
    for name in ["set-cookie", "server", "x-secret"] {
        assert!(!headers.contains_key(name), "{name}");
    }

    let (method, uri, seen) = script.last();
    assert_eq!((method, uri.as_str()), (Method::GET, "/feeds/ticks/session"));
    let mut names: Vec<&str> = seen.keys().map(hyper::header::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["accept", "host", "payment-signature", "sign-in-with-x", "tollwire-claim", "x-payment"]
    );
}

#[tokio::test]
async fn repeated_payment_headers_stay_repeated() {
    let script = Script::new();
    let facilitator = script.serve().await;
    let provider = provider(layer(&facilitator)).await;
    script.answers(400, &[], "");
    let twice = [("payment-signature", "a"), ("payment-signature", "b")];
    assert_eq!(get(&provider, "/feeds/ticks/session", &twice).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(script.last().2.get_all("payment-signature").iter().count(), 2);
}

#[tokio::test]
async fn other_requests_go_on() {
    let script = Script::new();
    let facilitator = script.serve().await;
    let server = provider(layer(&facilitator)).await;
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/feeds/orders/session"),
        (Method::GET, "/feeds/ticks/session/"),
        (Method::POST, "/feeds/ticks/session"),
        (Method::OPTIONS, "/feeds/ticks/session"),
    ] {
        let (status, _, body) = request(&server, method, path, &[]).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, "inner"), "{path}");
    }
    assert!(script.seen.lock().unwrap().is_empty());
    let server = provider(layer(&facilitator).route("/pay")).await;
    script.answers(402, &[], "pay");
    assert_eq!(get(&server, "/feeds/ticks/session", &[]).await.2, "inner");
    assert_eq!(get(&server, "/pay", &[]).await.2, "pay");
}

#[tokio::test]
async fn each_sale_is_told_and_the_answer_does_not_wait() {
    let script = Script::new();
    let facilitator = script.serve().await;
    let (told, mut heard) = mpsc::channel(8);
    let go = Arc::new(Notify::new());
    let gate = go.clone();
    let layer = layer(&facilitator).on_session(move |purchase| {
        let (told, gate) = (told.clone(), gate.clone());
        async move {
            gate.notified().await;
            told.send(purchase).await.unwrap();
        }
    });
    let provider = provider(layer).await;
    script.answers(200, &[("payment-response", "settled")], SOLD);
    // The callback waits for a signal that comes only after the answer.
    let (status, headers, body) = get(&provider, "/feeds/ticks/session", &[("x-payment", "p")]).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, SOLD));
    assert_eq!(headers["payment-response"], "settled");
    assert_eq!(headers["cache-control"], "private, no-store", "though the facilitator forgot it");
    go.notify_one();
    let purchase = heard.recv().await.unwrap();
    assert_eq!(purchase.session.as_str(), "7d444840-9dc0-4acd-b245-5ffdce74fad2");
    assert_eq!((purchase.units_remaining, purchase.deposited.as_str()), (10, "$10.00"));
    assert_eq!((&*purchase.wallet, purchase.chain.as_str()), ("0xabc", "base"));

    // None of these is a sale of this feed.
    for (status, body) in [(402, SOLD), (503, SOLD), (200, "{}"), (200, &SOLD.replace("ticks\"", "orders\""))]
    {
        script.answers(status, &[], body);
        assert_eq!(get(&provider, "/feeds/ticks/session", &[]).await.0.as_u16(), status);
    }
    script.answers(200, &[], &SOLD.replace("\"units_remaining\":10", "\"units_remaining\":9"));
    get(&provider, "/feeds/ticks/session", &[]).await;
    go.notify_one();
    assert_eq!(heard.recv().await.unwrap().units_remaining, 9, "the next sale told is the next sale made");
}

#[tokio::test]
async fn a_facilitator_in_trouble_never_costs_a_payment() {
    let script = Script::new();
    let facilitator = script.serve().await;
    let provider = provider(layer(&facilitator)).await;
    let problem = |answer: (StatusCode, HeaderMap, String)| {
        assert_eq!(answer.0, StatusCode::BAD_GATEWAY);
        assert_eq!(answer.1["content-type"], "application/problem+json");
        assert_eq!(answer.1["retry-after"], "2");
        assert!(!answer.1.contains_key("payment-required"), "never a fresh 402");
    };
    script.answers(302, &[("location", "https://evil.example")], "");
    problem(get(&provider, "/feeds/ticks/session", &[("x-payment", "p")]).await);
    script.answers(200, &[], &"x".repeat(70_000));
    problem(get(&provider, "/feeds/ticks/session", &[("x-payment", "p")]).await);
    drop(facilitator);
    problem(get(&provider, "/feeds/ticks/session", &[("x-payment", "p")]).await);
}

#[tokio::test]
async fn settings_are_checked() {
    let feed = || "ticks".parse().unwrap();
    assert!(matches!(PreAuthLayer::new("pay.example", feed(), "0xabc"), Err(Error::Url(_))));
    for wallet in ["", "0x abc", &"0".repeat(129)] {
        assert!(matches!(PreAuthLayer::new("https://pay.example", feed(), wallet), Err(Error::Setting(_))));
    }
}

#[tokio::test]
async fn the_online_check_reads_what_the_facilitator_says() {
    let script = Script::new();
    let facilitator = script.serve().await;
    let check = OnlineCheck::new(&facilitator.url("/")).unwrap();
    let token = Facilitator::new().session_token("ticks");
    script.answers(
        200,
        &[],
        r#"{"active":true,"jti":"7d444840-9dc0-4acd-b245-5ffdce74fad2","feed":"ticks","units_remaining":7,
            "live_streams":2,"expires_at":"2027-01-16T08:00:00Z"}"#,
    );
    let status = check.check(&token).await.unwrap();
    assert!(status.active);
    assert_eq!((status.units_remaining, status.live_streams), (Some(7), Some(2)));
    let (_, uri, headers) = script.last();
    assert_eq!(uri, "/session");
    assert_eq!(headers["authorization"], format!("Bearer {token}").as_str());

    for status in [401, 403] {
        script.answers(status, &[], "{}");
        assert!(!check.check(&token).await.unwrap().active);
    }
    script.answers(503, &[], "{}");
    assert!(matches!(check.check(&token).await, Err(Error::Status(503))));
    script.answers(200, &[], "{}");
    assert!(matches!(check.check(&token).await, Err(Error::Answer(_))));
    assert!(matches!(check.check("a\nb").await, Err(Error::Setting(_))));
    drop(facilitator);
    assert!(matches!(check.check(&token).await, Err(Error::Unreachable(_))));
}
