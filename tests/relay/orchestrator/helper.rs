//! Somebody's service agent: a plain HTTP server that tells what it was asked, and works, fails or waits as it is told.

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A running agent; dropping it closes everything.
pub(super) struct Helper {
    address: SocketAddr,
    state: Arc<State>,
    _server: JoinSet<()>,
}

struct State {
    healthy: AtomicBool,
    fails: AtomicBool,
    /// What it wants for `count`, as a 402 says it, and whether it wants that again once it is paid.
    quote: Mutex<Option<(Value, bool)>>,
    checks: AtomicUsize,
    held: watch::Sender<bool>,
    invoked: Mutex<Vec<(HeaderMap, Value)>>,
    count: watch::Sender<usize>,
}

impl Helper {
    /// Starts on a free port of 127.0.0.1. `summarize` costs 0.05, `count` nothing.
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            healthy: AtomicBool::new(true),
            fails: AtomicBool::new(false),
            quote: Mutex::default(),
            checks: AtomicUsize::new(0),
            held: watch::Sender::new(false),
            invoked: Mutex::default(),
            count: watch::Sender::new(0),
        });
        let mut server = JoinSet::new();
        let known = Arc::clone(&state);
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let state = Arc::clone(&known);
                let service = service_fn(move |request| answer(Arc::clone(&state), request));
                connections.spawn(async move {
                    drop(http1::Builder::new().serve_connection(TokioIo::new(socket), service).await);
                });
            }
        });
        Self { address, state, _server: server }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn is_healthy(&self, healthy: bool) {
        self.state.healthy.store(healthy, Ordering::SeqCst);
    }

    pub(super) fn fails(&self, fails: bool) {
        self.state.fails.store(fails, Ordering::SeqCst);
    }

    /// Answers an unpaid `count` with 402 and this; and a paid one too, if it is `greedy`.
    pub(super) fn wants(&self, required: Value, greedy: bool) {
        *self.state.quote.lock().unwrap() = Some((required, greedy));
    }

    /// How often it was asked how it is.
    pub(super) fn checks(&self) -> usize {
        self.state.checks.load(Ordering::SeqCst)
    }

    /// Whether it waits before it answers.
    pub(super) fn hold(&self, held: bool) {
        self.state.held.send_replace(held);
    }

    /// What it was asked to do, with which headers.
    pub(super) fn invoked(&self) -> Vec<(HeaderMap, Value)> {
        self.state.invoked.lock().unwrap().clone()
    }

    /// Waits until it was asked so often.
    pub(super) async fn asked(&self, times: usize) {
        let mut count = self.state.count.subscribe();
        let waited = tokio::time::timeout(Duration::from_secs(20), count.wait_for(|count| *count >= times));
        drop(waited.await.expect("the agent was not asked").unwrap());
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let (status, said) = match head.uri.path() {
        "/health" => {
            state.checks.fetch_add(1, Ordering::SeqCst);
            let healthy = state.healthy.load(Ordering::SeqCst);
            (StatusCode::OK, json!({ "status": if healthy { "ok" } else { "down" }, "ready": healthy }))
        }
        "/capabilities" => (
            StatusCode::OK,
            json!({ "message": "I work on documents", "actions": [
                { "name": "summarize", "description": "Summarize a 5,000-word document", "price": 0.05,
                  "input_schema": { "type": "object", "properties": { "url": { "type": "string" } } },
                  "output_schema": {} },
                { "name": "count", "description": "Count letters", "input_schema": {}, "output_schema": {} },
            ] }),
        ),
        "/invoke" => {
            let asked: Value = serde_json::from_slice(&body).unwrap();
            let command = asked["command"].as_str().unwrap().to_owned();
            let unpaid = asked["context"]["payment"].is_null();
            state.invoked.lock().unwrap().push((head.headers, asked));
            state.count.send_modify(|count| *count += 1);
            drop(state.held.subscribe().wait_for(|held| !held).await.unwrap());
            let quote = state.quote.lock().unwrap().clone().filter(|_| command == "count");
            if let Some((required, _)) = quote.filter(|(_, greedy)| *greedy || unpaid) {
                (StatusCode::PAYMENT_REQUIRED, required)
            } else if state.fails.load(Ordering::SeqCst) {
                (StatusCode::OK, json!({ "ok": false, "error": "it is unreadable", "error_code": "BAD" }))
            } else {
                (StatusCode::OK, json!({ "ok": true, "output": format!("{command}: done") }))
            }
        }
        _ => (StatusCode::NOT_FOUND, Value::Null),
    };
    let mut answer = Response::new(Full::new(Bytes::from(said.to_string())));
    *answer.status_mut() = status;
    Ok(answer)
}
