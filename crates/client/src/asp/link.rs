//! One connection to a session after another.

use super::event::{Heard, read};
use super::progress::{Progress, Verdict};
use super::token::Token;
use super::{Account, Error, Event};
use crate::endpoint::Endpoint;
use crate::stream::connect::{Socket, open_at};
use futures_util::{SinkExt as _, StreamExt as _};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;
use tollwire_asp::{Code, SessionId};
use tollwire_x402::close::{CloseCode, Reconnect};

const PONG: &str = r#"{"type":"pong"}"#;

/// A connection that ended without a close.
const LOST: u16 = 1006;

/// How long until another token is asked for, if there was none.
const TOKEN_AGAIN: Duration = Duration::from_secs(5);

/// Something to say.
#[derive(Debug)]
pub(super) struct Word {
    pub(super) id: String,
    pub(super) frame: String,
}

/// What a connection needs, and what outlives it.
pub(super) struct Link {
    account: Account,
    target: Endpoint,
    path: String,
    progress: Progress,
}

/// A connection.
struct Live {
    socket: Socket,
    token: Token,
    /// When another token is to be shown.
    renew: Instant,
    /// Whether the broker has let it in.
    known: bool,
    /// What the broker said last, if the connection ends by it.
    why: Option<Code>,
    /// When something came last.
    heard: Instant,
    /// What is to be told; nothing more is read until it is.
    told: VecDeque<Event>,
}

/// What comes next on a connection.
enum Turn {
    Heard(Heard),
    Told,
    Said(Word),
    Renew,
    Passed,
    Ended(u16),
    Gone,
}

/// How a connection ended.
struct End {
    code: u16,
    known: bool,
    why: Option<Code>,
    token: Option<Token>,
}

impl Link {
    /// Checks what can be checked without connecting.
    pub(super) fn new(account: &Account, session: &SessionId, last: u64) -> Result<Self, Error> {
        let config = account.config();
        let path = format!("/v1/asp/sessions/{session}/ws");
        let target = Endpoint::http(&config.url(&path), config.allow_plain)?.websocket(config.allow_plain)?;
        Ok(Self { account: account.clone(), target, path, progress: Progress::behind(last) })
    }

    /// Connects again and again, until the broker says to stay away or the owner is gone.
    pub(super) async fn run(mut self, mut words: mpsc::Receiver<Word>, events: mpsc::Sender<Event>) {
        let config = self.account.config().clone();
        let mut backoff = config.backoff.clone();
        let mut refused = false;
        loop {
            let end = match timeout(config.connect_wait, self.connect()).await {
                Ok(Ok(live)) => match self.serve(live, &mut words, &events).await {
                    Some(end) => end,
                    None => return,
                },
                Ok(Err(code)) => End { code, known: false, why: None, token: None },
                Err(_) => End { code: LOST, known: false, why: None, token: None },
            };
            if end.known {
                backoff.reset();
                refused = false;
            }
            let mut stays_away = stays_away(end.code);
            if let Some(token) = end.token.filter(|_| end.code == CloseCode::Unauthorized.code()) {
                // Another token will do, unless that was refused as well.
                self.account.forget(&token).await;
                stays_away = std::mem::replace(&mut refused, true);
            }
            if stays_away {
                drop(events.send(Event::Ended { code: end.code, why: end.why }).await);
                return;
            }
            tracing::debug!(code = end.code, "the connection to the session ended: another is made");
            let pause = Instant::now() + backoff.next((config.jitter.0)());
            tokio::select! {
                () = sleep_until(pause) => {}
                () = events.closed() => return,
            }
        }
    }

    /// A connection that has shown its token and a fresh proof; or the code that says whether to try again.
    async fn connect(&self) -> Result<Live, u16> {
        let config = self.account.config();
        let token = self.account.token().await.map_err(|error| match error {
            crate::Error::Status { status: 400 | 401 | 403, .. } => CloseCode::Unauthorized.code(),
            error => {
                tracing::debug!(%error, "no access token");
                CloseCode::TryAgainLater.code()
            }
        })?;
        let opened = open_at(self.account.tls(), &self.target, None, config.message_bytes_max).await;
        let socket = opened.map_err(|failure| {
            tracing::debug!(?failure, "no connection to the session");
            CloseCode::TryAgainLater.code()
        })?;
        let (renew, heard, told) = (token.until, Instant::now(), VecDeque::new());
        let mut live = Live { socket, token, renew, known: false, why: None, heard, told };
        let auth = self.auth(&live.token).map_err(|_| CloseCode::TryAgainLater.code())?;
        live.write(auth, config.silence_max).await?;
        Ok(live)
    }

    /// The frame that says who this is.
    fn auth(&self, token: &Token) -> Result<String, crate::Error> {
        self.account.auth(&self.path, token, self.progress.last())
    }

    /// One connection, to its end; `None` if its owner is gone.
    async fn serve(
        &mut self,
        mut live: Live,
        words: &mut mpsc::Receiver<Word>,
        events: &mpsc::Sender<Event>,
    ) -> Option<End> {
        loop {
            let outcome = match self.turn(&mut live, words, events).await {
                Turn::Heard(heard) => self.heard(&mut live, heard).await,
                Turn::Said(Word { id, frame }) => {
                    self.progress.says(id, frame.clone());
                    // Before it is let in, what is said waits.
                    if live.known { self.write(&mut live, frame).await } else { Ok(()) }
                }
                Turn::Renew => self.renew(&mut live).await,
                Turn::Told => {
                    // While nobody listened nothing was read: that was no silence of the broker's.
                    live.heard = Instant::now();
                    Ok(())
                }
                Turn::Passed => Ok(()),
                Turn::Ended(code) => Err(code),
                Turn::Gone => return None,
            };
            if let Err(code) = outcome {
                let Live { known, why, token, .. } = live;
                return Some(End { code, known, why, token: Some(token) });
            }
        }
    }

    async fn turn(
        &self,
        live: &mut Live,
        words: &mut mpsc::Receiver<Word>,
        events: &mpsc::Sender<Event>,
    ) -> Turn {
        let config = self.account.config();
        let until = live.heard + config.silence_max;
        tokio::select! {
            room = events.reserve(), if !live.told.is_empty() => match (room, live.told.pop_front()) {
                (Ok(room), Some(event)) => {
                    room.send(event);
                    Turn::Told
                }
                _ => Turn::Gone,
            },
            message = timeout_at(until, live.socket.next()), if live.told.is_empty() => {
                live.heard = Instant::now();
                match message {
                    Ok(Some(Ok(Message::Text(text)))) => Turn::Heard(read(&text)),
                    Ok(Some(Ok(Message::Close(frame)))) => {
                        Turn::Ended(frame.map_or(LOST, |frame| frame.code.into()))
                    }
                    Ok(Some(Ok(_))) => Turn::Passed,
                    Ok(Some(Err(_)) | None) | Err(_) => Turn::Ended(LOST),
                }
            }
            word = words.recv(), if self.progress.unanswered() < config.unanswered_max.max(1) => {
                word.map_or(Turn::Gone, Turn::Said)
            }
            () = sleep_until(live.renew), if live.known => Turn::Renew,
        }
    }

    async fn heard(&mut self, live: &mut Live, heard: Heard) -> Result<(), u16> {
        let event = match heard {
            Heard::Event(event) => event,
            Heard::Heartbeat => return self.write(live, PONG.to_owned()).await,
            Heard::Why(code) => {
                live.why = Some(code);
                return Ok(());
            }
            Heard::Nothing => return Ok(()),
            Heard::Unreadable => return Err(CloseCode::ProtocolError.code()),
        };
        match self.progress.note(&event) {
            Verdict::Tell => {}
            Verdict::Pass => return Ok(()),
            Verdict::Again => return Err(LOST),
        }
        let begins = matches!(event, Event::Connected { .. }) && !std::mem::replace(&mut live.known, true);
        live.told.push_back(event);
        if begins {
            for frame in self.progress.again() {
                live.write(frame, self.account.config().silence_max).await?;
            }
        }
        Ok(())
    }

    /// Shows another token, so that the connection outlives the one that it was opened with.
    async fn renew(&self, live: &mut Live) -> Result<(), u16> {
        match self.account.token().await.and_then(|token| Ok((self.auth(&token)?, token))) {
            Ok((auth, token)) => {
                (live.renew, live.token) = (token.until, token);
                self.write(live, auth).await
            }
            Err(error) => {
                tracing::debug!(%error, "no other access token yet");
                live.renew = Instant::now() + TOKEN_AGAIN;
                Ok(())
            }
        }
    }

    async fn write(&self, live: &mut Live, frame: String) -> Result<(), u16> {
        live.write(frame, self.account.config().silence_max).await
    }
}

impl Live {
    async fn write(&mut self, frame: String, within: Duration) -> Result<(), u16> {
        match timeout(within, self.socket.send(Message::text(frame))).await {
            // What the broker said before it went may still be there to be read; the end comes after it.
            Ok(Ok(()) | Err(_)) => Ok(()),
            Err(_) => Err(LOST),
        }
    }
}

fn stays_away(code: u16) -> bool {
    CloseCode::ALL.iter().any(|known| known.code() == code && known.reconnect() == Reconnect::No)
}
