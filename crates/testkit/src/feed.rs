//! A sample WebSocket upstream that behaves, or misbehaves in one chosen way.

mod handshake;
mod serve;

use crate::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use tokio_tungstenite::tungstenite::Message;

/// What the feed does with everyone who connects.
#[derive(Debug, Clone)]
pub enum Mode {
    /// Sends `{"tick":1}`, `{"tick":2}`, ... at this interval, the first at once.
    Ticks(Duration),
    /// Sends binary messages of so many bytes, one after each interval, the first at once. The interval may be changed
    /// while it runs.
    Blocks(watch::Receiver<Duration>, usize),
    /// Sends every message back.
    Echo,
    /// Sends these messages, then closes with this code and reason; without one it stays and listens.
    Script(Vec<Message>, Option<(u16, String)>),
    /// Upgrades, then never says a word.
    Silent,
    /// Answers the upgrade with this HTTP status.
    RefuseUpgrade(u16),
    /// Answers 101 with a `Sec-WebSocket-Accept` that does not match the request's key.
    WrongAcceptKey,
    /// Reads the request and never answers.
    NeverAnswer,
    /// Reads the request and closes the connection.
    HangUp,
    /// Upgrades and closes at once, with this code.
    CloseAtOnce(u16),
    /// Upgrades and drops the connection without a close frame.
    DropAtOnce,
}

/// A request the feed has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRequest {
    /// Path and query, as they came.
    pub target: String,
    /// Headers in order, names in lower case.
    pub headers: Vec<(String, String)>,
}

impl SeenRequest {
    /// The first value of a header; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Counters and requests, shared with the connections.
#[derive(Debug)]
struct Shared {
    requests: Mutex<Vec<SeenRequest>>,
    counts: watch::Sender<Counts>,
}

/// How many connections there were and are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Requests read so far.
    pub requests: usize,
    /// WebSockets open now.
    pub open: usize,
    /// WebSockets that have ended.
    pub ended: usize,
}

/// A running feed; dropping it closes everything.
#[derive(Debug)]
pub struct SampleFeed {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

impl SampleFeed {
    /// Starts on a free port.
    pub async fn start(mode: Mode) -> Result<Self, Error> {
        let what = "opening a sample feed";
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::io(what))?;
        let address = listener.local_addr().map_err(Error::io(what))?;
        let (mode, current) = watch::channel(mode);
        let (counts, _) = watch::channel(Counts::default());
        let shared = Arc::new(Shared { requests: Mutex::default(), counts });
        let mut server = JoinSet::new();
        server.spawn(serve::accept(listener, current, Arc::clone(&shared)));
        Ok(Self { address, mode, shared, _server: server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, such as `ws://127.0.0.1:4711/stream`; `path` starts with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    /// Changes what happens to later connections.
    pub fn set_mode(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Requests seen so far, oldest first.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Connections so far.
    pub fn counts(&self) -> Counts {
        *self.shared.counts.borrow()
    }

    /// Waits until the counters satisfy `wanted`.
    pub async fn wait_for(
        &self,
        wanted: impl FnMut(&Counts) -> bool,
        within: Duration,
    ) -> Result<Counts, Error> {
        let mut counts = self.shared.counts.subscribe();
        match tokio::time::timeout(within, counts.wait_for(wanted)).await {
            Ok(Ok(reached)) => Ok(*reached),
            Ok(Err(_)) | Err(_) => Err(Error::Timeout {
                what: "connections at the sample feed".into(),
                within,
                output: format!("{:?}", self.counts()),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
