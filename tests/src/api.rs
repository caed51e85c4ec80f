//! Somebody's plain HTTP API: it knows nothing of brokers, and tells what it was asked.

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A request it has seen, whole.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: Method,
    /// Path and query, as they came.
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// A running API; dropping it closes everything.
#[derive(Debug)]
pub struct Api {
    address: SocketAddr,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    seen: Mutex<Vec<Seen>>,
    count: watch::Sender<usize>,
    released: watch::Sender<bool>,
    dropped: watch::Sender<usize>,
}

/// Counts requests that were given up before they were answered.
struct Unanswered<'a>(&'a Shared, bool);

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.dropped.send_modify(|count| *count += 1);
        }
    }
}

type Answer = Response<BoxBody<Bytes, Infallible>>;

impl Api {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// `/echo` gives back body and content type; `/slow?N` answers after N milliseconds; `/held` when it is released;
    /// `/bytes?N` and `/chunks?N` send N bytes of text, with and without a length; `/events` sends a part, and
    /// the rest when it is released; `/status?N` has that status;
    /// `/moved` redirects; `/headers` answers with headers of every kind; `/hangup` closes the connection; `/shop`
    /// wants to be paid.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            seen: Mutex::default(),
            count: watch::Sender::new(0),
            released: watch::Sender::new(false),
            dropped: watch::Sender::new(0),
        });
        let mut server = JoinSet::new();
        let known = Arc::clone(&shared);
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let shared = Arc::clone(&known);
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&shared), request));
                    drop(http1::Builder::new().serve_connection(TokioIo::new(socket), service).await);
                });
            }
        });
        Self { address, shared, _server: server }
    }

    /// Its URL.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What it was asked so far, oldest first.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Waits until it was asked so often.
    pub async fn asked(&self, times: usize) {
        let mut count = self.shared.count.subscribe();
        let waiting = count.wait_for(|count| *count >= times);
        tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("not asked in time").unwrap();
    }

    /// Waits until so many requests were given up by who asked.
    pub async fn given_up(&self, times: usize) {
        let mut count = self.shared.dropped.subscribe();
        let waiting = count.wait_for(|count| *count >= times);
        tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("not given up in time").unwrap();
    }

    /// Lets `/held` answer.
    pub fn release(&self) {
        self.shared.released.send_replace(true);
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answer, std::io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let target = head.uri.path_and_query().map_or("", |target| target.as_str()).to_owned();
    let seen = Seen { method: head.method, target, headers: head.headers, body };
    shared.seen.lock().unwrap().push(seen.clone());
    shared.count.send_modify(|count| *count += 1);
    let mut unanswered = Unanswered(&shared, false);
    let answer = route(&shared, &seen).await;
    unanswered.1 = true;
    answer
}

async fn route(shared: &Shared, seen: &Seen) -> Result<Answer, std::io::Error> {
    let (path, query) = seen.target.split_once('?').unwrap_or((&seen.target, ""));
    let number = || query.parse::<usize>().unwrap();
    let plain = || Response::builder().header("content-type", "text/plain");
    Ok(match path {
        "/echo" => {
            let mut echo = Response::builder();
            if let Some(content_type) = seen.headers.get("content-type") {
                echo = echo.header("content-type", content_type);
            }
            echo.body(full(seen.body.clone())).unwrap()
        }
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(number().try_into().unwrap())).await;
            json(200, &format!("{{\"slow\":{query}}}"))
        }
        "/held" => {
            shared.released.subscribe().wait_for(|released| *released).await.unwrap();
            json(200, r#"{"held":true}"#)
        }
        "/bytes" => plain().body(full(vec![b'x'; number()])).unwrap(),
        "/chunks" => {
            let mut left = number();
            let chunks = std::iter::from_fn(move || {
                let next = left.min(16 * 1024);
                left -= next;
                (next > 0).then(|| Ok(Frame::data(Bytes::from(vec![b'x'; next]))))
            });
            plain().body(BoxBody::new(StreamBody::new(stream::iter(chunks)))).unwrap()
        }
        "/events" => {
            let parts: [&[u8]; 3] = [b"data: 1\n\n\xE2\x82", b"\xAC", b" \xFF"];
            let released = shared.released.subscribe();
            let events = stream::unfold(0, move |next| {
                let (part, mut released) = (parts.get(next).copied(), released.clone());
                async move {
                    let part = part?;
                    if next > 0 {
                        released.wait_for(|released| *released).await.unwrap();
                    }
                    Some((Ok(Frame::data(Bytes::from_static(part))), next + 1))
                }
            });
            let answer = Response::builder().header("content-type", "text/event-stream");
            answer.body(BoxBody::new(StreamBody::new(Box::pin(events)))).unwrap()
        }
        "/status" => json(query.parse().unwrap(), r#"{"status":true}"#),
        "/moved" => {
            Response::builder().status(302).header("location", "http://127.0.0.1:1/").body(full("")).unwrap()
        }
        "/headers" => Response::builder()
            .header("x-own", "1")
            .header("set-cookie", "secret=1")
            .header("x-forwarded-for", "10.0.0.1")
            .header("retry-after", "7")
            .body(full(&b"\x00\xFF\x80"[..]))
            .unwrap(),
        "/hangup" => return Err(std::io::Error::other("hung up")),
        "/shop" => shop(&seen.headers),
        _ => json(404, r#"{"error":"no such path"}"#),
    })
}

/// What this API wants to be paid, as a header of version 2 and a body of version 1.
pub const REQUIRED_V2: &str =
    r#"{"x402Version":2,"resource":{"url":"http://x/shop"},"accepts":[{"amount":"1.0e2"}]}"#;
/// The body beside it.
pub const REQUIRED_V1: &str = r#"{"x402Version":1,"error":"pay","accepts":[]}"#;

fn shop(headers: &HeaderMap) -> Answer {
    let encoded = |text: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(text)
    };
    if headers.contains_key("payment-signature") || headers.contains_key("x-payment") {
        return Response::builder()
            .header("content-type", "application/json")
            .header("payment-response", encoded(r#"{"success":true,"transaction":"0x1"}"#))
            .body(full(r#"{"sold":1.0}"#))
            .unwrap();
    }
    Response::builder()
        .status(402)
        .header("content-type", "application/json")
        .header("payment-required", encoded(REQUIRED_V2))
        .body(full(REQUIRED_V1))
        .unwrap()
}

fn json(status: u16, body: &str) -> Answer {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(full(body.to_owned()))
        .unwrap()
}

fn full(body: impl Into<Bytes>) -> BoxBody<Bytes, Infallible> {
    BoxBody::new(Full::new(body.into()))
}
