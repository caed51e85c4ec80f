//! The listener over real sockets.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tollwire_ops::listener::{Limits, Listener, ProxyTrust};
use tower_service::Service;

type Answer = Response<Full<Bytes>>;

/// Answers every request with its client's address, after an optional wait.
#[derive(Clone)]
struct WhoAmI(Duration);

impl Service<Request<Incoming>> for WhoAmI {
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let wait = self.0;
        Box::pin(async move {
            tokio::time::sleep(wait).await;
            let client = request.extensions().get::<IpAddr>().map(ToString::to_string).unwrap_or_default();
            Ok(Response::new(Full::new(Bytes::from(client))))
        })
    }
}

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

async fn start(limits: Limits, trust: &[&str], wait: Duration, grace: Duration) -> Running {
    let trust = ProxyTrust::new(trust.iter().map(|range| range.parse().unwrap()).collect());
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), limits).await.unwrap().trusting(trust);
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let task = tokio::spawn(listener.serve(WhoAmI(wait), stop.clone(), grace));
    Running { address, stop, task }
}

async fn exchange(address: SocketAddr, text: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    drop(socket.read_to_string(&mut answer).await);
    answer
}

const GRACE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_request_is_answered_with_its_client_known() {
    let server = start(Limits::default(), &["127.0.0.1"], Duration::ZERO, GRACE).await;
    let direct = exchange(server.address, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(direct.starts_with("HTTP/1.1 200") && direct.ends_with("127.0.0.1"), "{direct}");
    let text = "GET / HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 9.9.9.9\r\nconnection: close\r\n\r\n";
    let proxied = exchange(server.address, text).await;
    assert!(proxied.ends_with("9.9.9.9"), "{proxied}");
}

#[tokio::test]
async fn a_half_sent_head_is_closed_after_its_time() {
    let limits = Limits { header_read: Duration::from_millis(300), ..Limits::default() };
    let server = start(limits, &[], Duration::ZERO, GRACE).await;
    let begun = Instant::now();
    let answer = exchange(server.address, "GET / HTTP/1.1\r\nhost: x\r\n").await;
    assert!(begun.elapsed() >= Duration::from_millis(250), "closed too early: {answer}");
    assert!(begun.elapsed() < Duration::from_secs(5), "still open");
}

#[tokio::test]
async fn an_oversized_head_and_too_many_headers_are_refused() {
    let limits = Limits { header_bytes_max: 16 * 1024, headers_max: 20, ..Limits::default() };
    let server = start(limits, &[], Duration::ZERO, GRACE).await;
    let long = format!("GET / HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "a".repeat(64 * 1024));
    assert!(exchange(server.address, &long).await.starts_with("HTTP/1.1 431"));
    let many: String =
        (0..40).fold("GET / HTTP/1.1\r\nhost: x\r\n".into(), |head, n| format!("{head}x-{n}: 1\r\n"));
    assert!(exchange(server.address, &format!("{many}\r\n")).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn stopping_finishes_what_was_asked_and_accepts_no_more() {
    let server = start(Limits::default(), &[], Duration::from_millis(400), GRACE).await;
    let text = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    let asked = tokio::spawn(exchange(server.address, text));
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop.cancel();
    let answer = asked.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.task.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err(), "the socket is closed");
}

#[tokio::test]
async fn the_connection_cap_holds() {
    let limits = Limits { connections_max: 1, ..Limits::default() };
    let server = start(limits, &[], Duration::ZERO, GRACE).await;
    let first = TcpStream::connect(server.address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let refused = exchange(server.address, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(refused, "");
    drop(first);
    for _ in 0..100 {
        let answer = exchange(server.address, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        if answer.starts_with("HTTP/1.1 200") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the place did not return");
}
