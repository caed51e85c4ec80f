//! Each example runs as its reader would run it: a paid agent gets ticks, everybody else a refusal.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail loudly")]

#[path = "../../crates/middleware/tests/support/mod.rs"]
mod support;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use support::{Facilitator, PAYER, Served, open, refused};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio_tungstenite::client_async;

/// A facilitator as far as a provider sees it: it publishes keys and asks for payment.
async fn facilitator() -> (Served, Facilitator) {
    let published = Arc::new(Mutex::new(String::new()));
    let jwks = published.clone();
    let server = Served::start(service_fn(move |request: Request<Incoming>| {
        let (status, body) = match request.uri().path() {
            "/.well-known/jwks.json" => (200, jwks.lock().unwrap().clone()),
            "/feeds/ticks/session" => (402, "terms".to_owned()),
            _ => (404, String::new()),
        };
        let answer = Response::builder().status(status).body(Full::new(Bytes::from(body))).unwrap();
        async move { Ok::<_, Infallible>(answer) }
    }))
    .await;
    let keys = Facilitator::at(&server.url(""));
    published.lock().unwrap().clone_from(&keys.jwks);
    (server, keys)
}

/// The example as a process, and where it listens.
struct Example {
    _process: Child,
    output: Lines<BufReader<ChildStdout>>,
    address: SocketAddr,
}

impl Example {
    async fn start(name: &str, facilitator: &Served) -> Self {
        // Cargo puts examples beside the directory of the tests.
        let path = std::env::current_exe().unwrap().parent().unwrap().with_file_name("examples").join(name);
        assert!(path.exists(), "cargo test -p tollwire-examples builds {}", path.display());
        let mut process = Command::new(path)
            .env("FACILITATOR", facilitator.url(""))
            .env("LISTEN", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = output.next_line().await.unwrap().unwrap();
        let address = line.strip_prefix("listening on ").unwrap().parse().unwrap();
        Self { _process: process, output, address }
    }
}

async fn sells_ticks(name: &str) {
    let (server, keys) = facilitator().await;
    let mut example = Example::start(name, &server).await;

    let token = keys.stream_token("ticks", 1);
    let stream = TcpStream::connect(example.address).await.unwrap();
    let url = format!("ws://{}/stream?token={token}", example.address);
    let (mut socket, _) = client_async(url, stream).await.unwrap();
    for tick in 1..=3 {
        let text = socket.next().await.unwrap().unwrap().into_text().unwrap();
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["tick"], tick);
    }
    let line = example.output.next_line().await.unwrap().unwrap();
    assert_eq!(line, format!("{PAYER} opens ticks"));

    let bearer = format!("Bearer {token}");
    assert_eq!(open(example.address, "/stream", &[&bearer]).await, refused(401, "replayed"));
    assert_eq!(open(example.address, "/stream", &[]).await, refused(401, "missing"));

    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let pre_auth = format!("http://{}/feeds/ticks/session", example.address);
    let answer = client.get(pre_auth.parse().unwrap()).await.unwrap();
    assert_eq!(answer.status(), 402);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "terms");
}

#[tokio::test]
async fn provider_axum_sells_ticks() {
    sells_ticks("provider_axum").await;
}

#[tokio::test]
async fn provider_hyper_sells_ticks() {
    sells_ticks("provider_hyper").await;
}
