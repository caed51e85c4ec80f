//! A paid stream that pays on.

mod connect;
mod handshake;
mod message;
mod open;

pub use message::{Closed, Event, Message};

use crate::{Error, Payer, Session};
use connect::Socket;
use futures_util::{SinkExt as _, StreamExt as _};
use std::fmt;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, protocol::CloseFrame};
use tollwire_x402::Usdc;
use tollwire_x402::close;

/// How long the other side may take to finish closing.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// One feed's stream, over as many sessions as the budget allows.
pub struct StreamClient {
    payer: Payer,
    /// Where sessions are bought.
    url: String,
    session: Session,
    socket: Option<Socket>,
    /// The session has no unit left, as far as the server has told.
    exhausted: bool,
    /// Sessions bought since the last message was received.
    unserved: u32,
    closed: Option<Closed>,
    heard: Instant,
}

impl StreamClient {
    /// Buys a session at an address such as `https://pay.example/feeds/ticks/session`, and opens a stream.
    pub async fn open(payer: Payer, url: &str) -> Result<Self, Error> {
        let session = payer.buy(url).await?;
        Self::resume(payer, url, session).await
    }

    /// Opens a stream of a session that was bought at `url`.
    pub async fn resume(payer: Payer, url: &str, session: Session) -> Result<Self, Error> {
        let mut client = Self {
            payer,
            url: url.to_owned(),
            session,
            socket: None,
            exhausted: false,
            unserved: 1,
            closed: None,
            heard: Instant::now(),
        };
        client.connect().await?;
        Ok(client)
    }

    /// The session in use.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// How the stream ended, once [`StreamClient::next`] has answered `None`.
    pub fn closed(&self) -> Option<&Closed> {
        self.closed.as_ref()
    }

    /// The next thing that happens; `None` after a close that payment cannot cure.
    ///
    /// After [`Event::Exhausted`] the next call buys another session within the budget and reconnects, and answers
    /// [`Event::Renewed`]. Dropping the future loses neither a message nor a payment.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        if self.closed.is_some() {
            return Ok(None);
        }
        let Some(socket) = &mut self.socket else {
            let paid = self.connect().await?;
            return Ok(Some(Event::Renewed { paid }));
        };
        let config = self.payer.config();
        loop {
            let received = match timeout(config.ping_every, socket.next()).await {
                Ok(received) => received,
                Err(_) if self.heard.elapsed() >= config.silence_max => {
                    return Err(self.lost("silent for too long"));
                }
                Err(_) => {
                    let ping = socket.send(tungstenite::Message::Ping(bytes::Bytes::new()));
                    match timeout(config.ping_every, ping).await {
                        Ok(Ok(())) => continue,
                        Ok(Err(error)) => return Err(self.lost(&error.to_string())),
                        Err(_) => return Err(self.lost("the other side does not read")),
                    }
                }
            };
            self.heard = Instant::now();
            let message = match received {
                Some(Ok(tungstenite::Message::Text(text))) => Message::Text(text.as_str().to_owned()),
                Some(Ok(tungstenite::Message::Binary(bytes))) => Message::Binary(bytes),
                Some(Ok(tungstenite::Message::Close(frame))) => return Ok(self.ended(frame).await),
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Err(self.lost(&error.to_string())),
                None => return Err(self.lost("ended without a close frame")),
            };
            self.unserved = 0;
            return Ok(Some(Event::Message(message)));
        }
    }

    /// Sends a message.
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        if message.len() > self.payer.config().message_bytes_max {
            return Err(Error::Protocol("the message is longer than message_bytes_max".into()));
        }
        let Some(socket) = &mut self.socket else { return Err(Error::Closed) };
        let sent = socket.send(message.into_frame()).await;
        sent.map_err(|error| self.lost(&error.to_string()))
    }

    /// Opens a new stream after the last was lost or closed; it costs a unit, and another session if none is left.
    /// Answers what was paid.
    pub async fn reconnect(&mut self) -> Result<Usdc, Error> {
        self.socket = None;
        self.closed = None;
        self.connect().await
    }

    /// Closes the stream, normally.
    pub async fn close(mut self) -> Result<(), Error> {
        let Some(mut socket) = self.socket.take() else { return Ok(()) };
        let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        let goodbye = async {
            socket.close(Some(frame)).await?;
            while let Some(message) = socket.next().await {
                message?;
            }
            Ok::<_, tungstenite::Error>(())
        };
        match timeout(CLOSE_WAIT, goodbye).await {
            Ok(Ok(())) | Err(_) => Ok(()),
            Ok(Err(error)) => Err(Error::Lost(error.to_string())),
        }
    }

    /// The other side has closed: answer, and see whether paying cures it.
    async fn ended(&mut self, frame: Option<CloseFrame>) -> Option<Event> {
        let (code, reason) = frame
            .map_or((1005, String::new()), |frame| (frame.code.into(), frame.reason.as_str().to_owned()));
        if let Some(mut socket) = self.socket.take() {
            // Reading on is what sends our own close frame.
            let _ = timeout(CLOSE_WAIT, async { while let Some(Ok(_)) = socket.next().await {} }).await;
        }
        if code == close::CloseCode::Exhausted.code() {
            self.exhausted = true;
            return Some(Event::Exhausted { reason });
        }
        self.closed = Some(Closed { code, reason });
        None
    }

    fn lost(&mut self, why: &str) -> Error {
        self.socket = None;
        self.closed = Some(Closed { code: 1006, reason: String::new() });
        Error::Lost(why.to_owned())
    }
}

impl fmt::Debug for StreamClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamClient")
            .field("session", &self.session)
            .field("connected", &self.socket.is_some())
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}
