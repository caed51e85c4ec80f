//! The one socket: opened when it is needed, shared by all calls, given up when it is lost.

use super::call::{Answered, ApiCall, Means};
use super::frame;
use crate::Error;
use crate::endpoint::Endpoint;
use crate::payer::Payer;
use crate::stream::connect::{Failure, Socket, open};
use futures_util::{SinkExt as _, StreamExt as _};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

/// Where the socket is opened.
const PATH: &str = "/api/ws/relay";

/// Calls that wait to be written.
const QUEUE: usize = 64;

/// How long a broker that could not be reached is left alone: calls go over HTTP meanwhile.
const LEFT_ALONE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Why there is no answer over the socket.
pub(super) enum NoAnswer {
    /// Nothing has left.
    NotSent,
    /// It may have left, and the socket is lost.
    Lost,
    /// It cannot be sent, whichever way.
    Never(Error),
}

/// The socket of a client.
pub(super) struct Lines {
    target: Endpoint,
    ids: AtomicU64,
    state: Mutex<State>,
    open: std::sync::Mutex<Option<mpsc::Sender<Asked>>>,
}

#[derive(Default)]
struct State {
    /// Until when the broker is left alone, and how often in a row it could not be reached.
    until: Option<Instant>,
    failures: u32,
}

struct Asked {
    id: u64,
    text: String,
    reply: oneshot::Sender<Result<Answered, Error>>,
}

impl Lines {
    pub(super) fn to(base: &Endpoint, allow_plain: bool) -> Result<Self, Error> {
        let target = base.below(PATH)?.websocket(allow_plain)?;
        Ok(Self {
            target,
            ids: AtomicU64::new(1),
            state: Mutex::default(),
            open: std::sync::Mutex::default(),
        })
    }

    /// Asks over the socket, opening it if there is none.
    pub(super) async fn ask(
        &self,
        payer: &Payer,
        call: &ApiCall,
        means: Means<'_>,
    ) -> Result<Answered, NoAnswer> {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let text = frame::envelope(id, call, means).map_err(NoAnswer::Never)?;
        let line = self.line(payer).await?;
        let (reply, answer) = oneshot::channel();
        line.send(Asked { id, text, reply }).await.map_err(|_| NoAnswer::NotSent)?;
        answer.await.map_err(|_| NoAnswer::Lost)?.map_err(NoAnswer::Never)
    }

    /// Lets the socket go once its calls are answered.
    pub(super) fn close(&self) {
        *self.open() = None;
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Option<mpsc::Sender<Asked>>> {
        self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn living(&self) -> Option<mpsc::Sender<Asked>> {
        self.open().clone().filter(|line| !line.is_closed())
    }

    async fn line(&self, payer: &Payer) -> Result<mpsc::Sender<Asked>, NoAnswer> {
        if let Some(line) = self.living() {
            return Ok(line);
        }
        // One opens it, the others wait for that.
        let mut state = self.state.lock().await;
        if let Some(line) = self.living() {
            return Ok(line);
        }
        if state.until.is_some_and(|until| Instant::now() < until) {
            return Err(NoAnswer::NotSent);
        }
        match open(payer, &self.target).await {
            Ok(socket) => {
                *state = State::default();
                let (line, asked) = mpsc::channel(QUEUE);
                tokio::spawn(serve(socket, asked));
                *self.open() = Some(line.clone());
                Ok(line)
            }
            Err(failure) => {
                if let Failure::Fatal(error) = &failure {
                    tracing::debug!(%error, "the broker's socket cannot be used");
                }
                let pause =
                    LEFT_ALONE.0.saturating_mul(1_u32.checked_shl(state.failures).unwrap_or(u32::MAX));
                state.failures = state.failures.saturating_add(1);
                state.until = Some(Instant::now() + pause.min(LEFT_ALONE.1));
                Err(NoAnswer::NotSent)
            }
        }
    }
}

/// Writes calls, hands out answers, until the socket is lost or nobody calls any more.
async fn serve(socket: Socket, mut asked: mpsc::Receiver<Asked>) {
    let (mut to, mut from) = socket.split();
    let mut waiting: HashMap<u64, oneshot::Sender<Result<Answered, Error>>> = HashMap::new();
    let mut calling = true;
    while calling || !waiting.is_empty() {
        tokio::select! {
            next = asked.recv(), if calling => match next {
                Some(Asked { id, text, reply }) => {
                    waiting.insert(id, reply);
                    if to.send(Message::text(text)).await.is_err() {
                        return;
                    }
                }
                None => calling = false,
            },
            frame = from.next() => match frame {
                Some(Ok(Message::Text(text))) => {
                    let answer = frame::read(text.as_str());
                    if let Some((reply, answer)) = answer.and_then(|(id, answer)| Some((waiting.remove(&id)?, answer))) {
                        // Whoever has waited long enough collects otherwise.
                        let _gone = reply.send(answer);
                    }
                }
                // Pings are answered by reading on.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(_) | Err(_)) | None => return,
            },
        }
        waiting.retain(|_, reply| !reply.is_closed());
    }
    drop(to.close().await);
}
