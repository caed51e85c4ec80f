//! A proxy in front of a node's JSON-RPC: counts what is asked, and answers as badly as it is told to.

use super::canned::Canned;
use super::rpc;
use crate::Error;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The largest request that is read, in bytes.
const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What happens to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It never reaches the node, and the connection is closed.
    Lost,
    /// It reaches the node; the answer is dropped and the connection closed.
    Unanswered,
    /// It does not reach the node; each call is answered with this error's text.
    Refused(String),
    /// It does not reach the node, which takes one call at a time: one error for all of them.
    NoBatches,
    /// It reaches the node this much later.
    Late(Duration),
    /// Transaction counts are answered as they were so many transactions ago.
    StaleCounts(u64),
}

/// Decides what happens to a request that makes calls of these methods.
pub type Script = Box<dyn FnMut(&[String]) -> Option<Fault> + Send>;

/// A running proxy; dropping it closes everything.
pub struct RpcProxy {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    _server: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    script: Option<Script>,
    delay: Duration,
    requests: u64,
    calls: BTreeMap<String, u64>,
    canned: Option<Canned>,
}

/// What was asked since the last count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// HTTP requests.
    pub requests: u64,
    /// Calls by method; one request may make several.
    pub calls: BTreeMap<String, u64>,
}

impl Counted {
    /// All calls together.
    pub fn total(&self) -> u64 {
        self.calls.values().sum()
    }
}

impl RpcProxy {
    /// Forwards a free port to the node at `target`, faithfully at first.
    pub async fn start(target: SocketAddr) -> Result<Self, Error> {
        let what = "opening a proxy";
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::io(what))?;
        let address = listener.local_addr().map_err(Error::io(what))?;
        let shared = Arc::new(Mutex::new(Shared::default()));
        let mut server = JoinSet::new();
        server.spawn(accept(listener, target, Arc::clone(&shared)));
        Ok(Self { address, shared, _server: server })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How long every request waits before it goes on.
    pub fn delay(&self, delay: Duration) {
        lock(&self.shared).delay = delay;
    }

    /// What happens to the requests from now on.
    pub fn script(&self, script: impl FnMut(&[String]) -> Option<Fault> + Send + 'static) {
        lock(&self.shared).script = Some(Box::new(script));
    }

    /// From now on the node is asked one question of each kind, and all others of the kind are answered as that one was.
    pub fn can(&self) {
        lock(&self.shared).canned = Some(Canned::default());
    }

    /// Nothing bad happens any more.
    pub fn heal(&self) {
        lock(&self.shared).script = None;
    }

    /// What was asked since this was called last.
    pub fn count(&self) -> Counted {
        let mut shared = lock(&self.shared);
        Counted { requests: std::mem::take(&mut shared.requests), calls: std::mem::take(&mut shared.calls) }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, target: SocketAddr, shared: Arc<Mutex<Shared>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(serve(stream, target, Arc::clone(&shared)));
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// One connection, request after request; it ends where the script or the peer ends it.
async fn serve(stream: TcpStream, target: SocketAddr, shared: Arc<Mutex<Shared>>) {
    let mut stream = BufReader::new(stream);
    while let Some(body) = read_request(&mut stream).await {
        let Ok(asked) = serde_json::from_slice::<Value>(&body) else { return };
        let methods = methods(&asked);
        let (delay, fault) = note(&shared, &methods);
        tokio::time::sleep(delay).await;
        let kept = lock(&shared).canned.as_ref().and_then(|canned| canned.answer(&asked));
        let answer = if let Some(kept) = kept {
            kept
        } else {
            let Some(told) = answer(&asked, fault, target).await else { return };
            if let Some(canned) = &mut lock(&shared).canned {
                canned.keep(&asked, &told);
            }
            told
        };
        let text = answer.to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            text.len()
        );
        // In one piece: a head by itself would wait for the peer's delayed acknowledgement before its body left.
        if stream.get_mut().write_all((head + &text).as_bytes()).await.is_err() {
            return;
        }
    }
}

fn methods(asked: &Value) -> Vec<String> {
    let one = |call: &Value| call.get("method").and_then(Value::as_str).map(str::to_owned);
    match asked {
        Value::Array(calls) => calls.iter().filter_map(one).collect(),
        call => one(call).into_iter().collect(),
    }
}

fn note(shared: &Mutex<Shared>, methods: &[String]) -> (Duration, Option<Fault>) {
    let mut shared = lock(shared);
    shared.requests = shared.requests.saturating_add(1);
    for method in methods {
        let count = shared.calls.entry(method.clone()).or_default();
        *count = count.saturating_add(1);
    }
    let fault = shared.script.as_mut().and_then(|script| script(methods));
    (shared.delay, fault)
}

/// `None` closes the connection.
async fn answer(asked: &Value, fault: Option<Fault>, target: SocketAddr) -> Option<Value> {
    let mut stale = 0;
    let mut unanswered = false;
    match fault {
        None => {}
        Some(Fault::Lost) => return None,
        Some(Fault::Unanswered) => unanswered = true,
        Some(Fault::Refused(text)) => return Some(each(asked, |call| refusal(call, &text))),
        Some(Fault::NoBatches) => return Some(refusal(&json!({}), "batch requests are not served")),
        Some(Fault::Late(delay)) => tokio::time::sleep(delay).await,
        Some(Fault::StaleCounts(by)) => stale = by,
    }
    let mut told = rpc::forward(target, &asked.to_string()).await?;
    if unanswered {
        return None;
    }
    if stale > 0 {
        age(asked, &mut told, stale);
    }
    Some(told)
}

fn each(asked: &Value, answer: impl Fn(&Value) -> Value) -> Value {
    match asked {
        Value::Array(calls) => calls.iter().map(answer).collect(),
        call => answer(call),
    }
}

fn refusal(call: &Value, text: &str) -> Value {
    let id = call.get("id").cloned().unwrap_or_default();
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32000, "message": text } })
}

/// Makes transaction counts in an answer older.
fn age(asked: &Value, told: &mut Value, by: u64) {
    let (asked, told) = match (asked, told) {
        (Value::Array(asked), Value::Array(told)) => (asked.iter().collect(), told.iter_mut().collect()),
        (asked, told) => (vec![asked], vec![told]),
    };
    for (call, answer) in asked.into_iter().zip(told) {
        let counts = call.get("method").and_then(Value::as_str) == Some("eth_getTransactionCount");
        if let Some(result) = answer.get_mut("result").filter(|_| counts)
            && let Ok(count) = rpc::quantity("eth_getTransactionCount", result)
        {
            *result = Value::String(format!("{:#x}", count.saturating_sub(by)));
        }
    }
}

/// The body of the next request; `None` at the end of the connection.
async fn read_request(stream: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut length = 0_usize;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok().filter(|length| *length <= REQUEST_BYTES_MAX)?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(body)
}
