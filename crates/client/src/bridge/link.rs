//! One connection after another.

use super::{Config, Error};
use crate::endpoint::Endpoint;
use crate::stream::connect::{Failure, Socket, open_at};
use futures_util::{SinkExt as _, StreamExt as _};
use http::StatusCode;
use rustls::ClientConfig;
use std::ops::ControlFlow;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tollwire_x402::close::{CloseCode, Reconnect};

/// What a new connection proves itself with.
pub(crate) enum Renewed {
    /// The same as ever.
    Same,
    /// This.
    With(String),
    /// That cannot be had now.
    Later,
    /// It will not be had any more: the end, by this code.
    Never(u16),
}

/// What a side of the bridge makes of its frames.
pub(crate) trait Side: Send + 'static {
    /// What its owner asks for.
    type Command: Send;
    /// What its owner is told.
    type Event: Send;

    /// What the next connection proves itself with.
    fn renew(&mut self) -> impl Future<Output = Renewed> + Send {
        std::future::ready(Renewed::Same)
    }

    /// Frames to send on a new connection, in order.
    fn opened(&mut self) -> Vec<String>;

    /// The frame of a command.
    fn asked(&mut self, command: Self::Command) -> String;

    /// What a frame means: an answer of our own, and what to tell.
    fn heard(&mut self, text: &str) -> (Option<String>, Option<Self::Event>);

    /// That a connection is open.
    fn connected() -> Self::Event;

    /// The end, by this code.
    fn ended(code: u16) -> Self::Event;
}

/// How to connect.
pub(crate) struct Link {
    config: Config,
    target: Endpoint,
    tls: Arc<ClientConfig>,
}

impl Link {
    /// Checks what can be checked without connecting.
    pub(crate) fn new(config: Config) -> Result<Self, Error> {
        let target = Endpoint::ws(&config.url, config.allow_plain).map_err(|error| match error {
            crate::Error::Url(why) => Error::Url(why),
            _ => Error::Url("it cannot be used"),
        })?;
        let tls = crate::tls::config(config.roots_pem.as_deref());
        let tls = tls.map_err(|error| Error::Tls(error.to_string()))?;
        Ok(Self { config, target, tls: Arc::new(tls) })
    }

    /// Connects again and again, until the broker says to stay away or the owner is gone.
    pub(crate) async fn run<S: Side>(
        mut self,
        mut side: S,
        mut commands: mpsc::Receiver<S::Command>,
        events: mpsc::Sender<S::Event>,
    ) {
        loop {
            let renewed = match timeout(self.config.connect_wait, side.renew()).await {
                Ok(Renewed::Never(code)) => {
                    drop(events.send(S::ended(code)).await);
                    return;
                }
                Ok(Renewed::With(token)) => {
                    self.config.token = token.into();
                    true
                }
                Ok(Renewed::Same) => true,
                Ok(Renewed::Later) | Err(_) => false,
            };
            if !renewed {
                let random = (self.config.jitter.0)();
                sleep(self.config.backoff.next(random)).await;
                continue;
            }
            let code = match timeout(self.config.connect_wait, self.open()).await {
                Ok(Ok(socket)) => {
                    self.config.backoff.reset();
                    if events.send(S::connected()).await.is_err() {
                        return;
                    }
                    match self.serve(socket, &mut side, &mut commands, &events).await {
                        ControlFlow::Continue(code) => code,
                        ControlFlow::Break(()) => return,
                    }
                }
                Ok(Err(Failure::Refused(refused))) if refused.status == StatusCode::UNAUTHORIZED => {
                    CloseCode::Unauthorized.code()
                }
                Ok(Err(_)) | Err(_) => CloseCode::TryAgainLater.code(),
            };
            let known = CloseCode::ALL.iter().find(|known| known.code() == code);
            if known.is_some_and(|known| known.reconnect() == Reconnect::No) {
                drop(events.send(S::ended(code)).await);
                return;
            }
            tracing::debug!(code, "the connection to the bridge ended: another is made");
            let random = (self.config.jitter.0)();
            sleep(self.config.backoff.next(random)).await;
        }
    }

    async fn open(&self) -> Result<Socket, Failure> {
        open_at(&self.tls, &self.target, Some(&self.config.token), self.config.message_bytes_max).await
    }

    /// One connection, to its end: by which code, or by its owner.
    async fn serve<S: Side>(
        &self,
        mut socket: Socket,
        side: &mut S,
        commands: &mut mpsc::Receiver<S::Command>,
        events: &mpsc::Sender<S::Event>,
    ) -> ControlFlow<(), u16> {
        const LOST: ControlFlow<(), u16> = ControlFlow::Continue(1006);
        for frame in side.opened() {
            if socket.send(Message::text(frame)).await.is_err() {
                return LOST;
            }
        }
        let mut beat = interval(self.config.ping_every);
        let mut last = Instant::now();
        loop {
            let mut out = Vec::new();
            tokio::select! {
                message = socket.next() => {
                    last = Instant::now();
                    match message {
                        Some(Ok(Message::Text(text))) => {
                            let (answer, event) = side.heard(&text);
                            out.extend(answer.map(Message::text));
                            if let Some(event) = event && events.send(event).await.is_err() {
                                return ControlFlow::Break(());
                            }
                        }
                        Some(Ok(Message::Close(frame))) => {
                            return ControlFlow::Continue(frame.map_or(1005, |frame| frame.code.into()));
                        }
                        Some(Ok(_)) => {}
                        Some(Err(_)) | None => return LOST,
                    }
                }
                command = commands.recv() => {
                    let Some(command) = command else {
                        drop(timeout(self.config.connect_wait, socket.close(None)).await);
                        return ControlFlow::Break(());
                    };
                    out.push(Message::text(side.asked(command)));
                }
                _ = beat.tick() => {
                    if last.elapsed() > self.config.ping_every.saturating_mul(3) {
                        return LOST;
                    }
                    out.push(Message::Ping(Bytes::new()));
                }
            }
            for message in out {
                if socket.send(message).await.is_err() {
                    return LOST;
                }
            }
        }
    }
}
