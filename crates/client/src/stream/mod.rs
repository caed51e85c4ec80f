//! A paid stream that pays on.

pub(crate) mod connect;
mod event;
mod handshake;
mod in_band;
mod message;
mod open;
mod turn;

pub use event::Event;
pub use message::{Closed, Message};

use crate::control::Seen;
use crate::{Error, Payer, Receipt, Session};
use connect::Socket;
use futures_util::{SinkExt as _, StreamExt as _};
use in_band::{Errand, Pending};
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, protocol::CloseFrame};
use tollwire_session::KeySet;
use tollwire_x402::{StreamId, Usdc};

/// How long the other side may take to finish closing.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// How many receipts a stream keeps; the oldest go first.
const RECEIPTS_MAX: usize = 1_024;

/// One feed's stream, over as many sessions as the budget allows.
pub struct StreamClient {
    payer: Payer,
    /// Where sessions are bought.
    url: String,
    session: Session,
    socket: Option<Socket>,
    /// The stream's id, and since when it is not known to be open; a lost connection is replaced under the same id.
    id: StreamId,
    lost_at: Option<Instant>,
    /// Whose control messages count.
    keys: KeySet,
    seen: Seen,
    /// A text that was received and not yet looked at.
    inbox: Option<tungstenite::Utf8Bytes>,
    /// Receipts that came and were not yet verified.
    unverified: VecDeque<String>,
    /// A control message that waits to be sent.
    outbox: Option<tungstenite::Message>,
    /// A payment sent within the stream whose answer is awaited.
    pending: Option<Pending>,
    /// A top-up over HTTP while frames keep flowing.
    errand: Option<Errand>,
    /// What has happened and was not told yet.
    events: VecDeque<Event>,
    receipts: VecDeque<Receipt>,
    /// The session has no unit left, as far as the server has told.
    exhausted: bool,
    /// Payments made since the last message was received.
    unserved: u32,
    /// Connections lost since then.
    lost: u32,
    spent: Usdc,
    closed: Option<Closed>,
    heard: Instant,
}

impl StreamClient {
    /// Buys a session at an address such as `https://pay.example/feeds/ticks/session`, and opens a stream.
    pub async fn open(payer: Payer, url: &str) -> Result<Self, Error> {
        let session = payer.buy(url).await?;
        let paid = session.paid;
        Self::start(payer, url, session, paid).await
    }

    /// Opens a stream of a session that was bought at `url`.
    pub async fn resume(payer: Payer, url: &str, session: Session) -> Result<Self, Error> {
        Self::start(payer, url, session, Usdc::ZERO).await
    }

    async fn start(payer: Payer, url: &str, session: Session, paid: Usdc) -> Result<Self, Error> {
        let mut client = Self {
            payer,
            url: url.to_owned(),
            session,
            socket: None,
            id: open::new_stream_id()?,
            lost_at: None,
            keys: KeySet::default(),
            seen: Seen::default(),
            inbox: None,
            unverified: VecDeque::new(),
            outbox: None,
            pending: None,
            errand: None,
            events: VecDeque::new(),
            receipts: VecDeque::new(),
            exhausted: false,
            unserved: 1,
            lost: 0,
            spent: paid,
            closed: None,
            heard: Instant::now(),
        };
        let more = client.connect().await?;
        let paid = paid.checked_add(more).unwrap_or(Usdc::MAX);
        if client.socket.is_some() {
            let (session, units) = (client.session.jti.clone(), client.session.units_remaining);
            client.events.push_front(Event::Opened { session, units, paid });
        }
        Ok(client)
    }

    /// The session in use. Keep [`Session::to_saved`] of it to go on after a restart.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Units left when the facilitator last said so.
    pub fn units(&self) -> u64 {
        self.session.units_remaining
    }

    /// What was paid for this stream, its first session included if it was opened with one.
    pub fn spent(&self) -> Usdc {
        self.spent
    }

    /// The usage receipts that came so far, verified, oldest first; the last 1,024.
    pub fn receipts(&self) -> impl Iterator<Item = &Receipt> {
        self.receipts.iter()
    }

    /// How the stream ended, once [`StreamClient::next`] has answered [`Event::Closed`].
    pub fn closed(&self) -> Option<&Closed> {
        self.closed.as_ref()
    }

    /// Sends a message. One that begins like a control message (`{"type":"x402/`) would not reach the feed, and is
    /// refused.
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        if message.len() > self.payer.config().message_bytes_max {
            return Err(Error::Protocol("the message is longer than message_bytes_max".into()));
        }
        if message.is_control() {
            return Err(Error::Protocol(
                "messages that begin like control messages are not for feeds".into(),
            ));
        }
        let Some(socket) = &mut self.socket else { return Err(Error::Closed) };
        let sent = socket.send(message.into_frame()).await;
        sent.map_err(|error| self.broken(&error.to_string()))
    }

    /// Opens a new stream after the last was lost or closed; it costs a unit, and a payment if none is left. Answers
    /// what was paid.
    pub async fn reconnect(&mut self) -> Result<Usdc, Error> {
        self.socket = None;
        self.closed = None;
        self.connect().await
    }

    /// Closes the stream, normally. Control messages that come before the end are still taken, so that the last
    /// receipt is among [`StreamClient::receipts`]. A payment whose answer does not come any more is collected by the
    /// session's next top-up.
    pub async fn close(&mut self) -> Result<(), Error> {
        let Some(mut socket) = self.socket.take() else { return Ok(()) };
        let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        let goodbye = async {
            socket.close(Some(frame)).await?;
            while let Some(message) = socket.next().await {
                if let tungstenite::Message::Text(text) = message? {
                    self.inbox = Some(text);
                    self.digest().await;
                }
            }
            Ok::<_, tungstenite::Error>(())
        };
        match timeout(CLOSE_WAIT, goodbye).await {
            Ok(Ok(())) | Err(_) => Ok(()),
            Ok(Err(error)) => Err(Error::Lost(error.to_string())),
        }
    }

    /// What has happened and was not told yet, messages included: after [`StreamClient::close`], what came before the
    /// end.
    pub fn take_events(&mut self) -> Vec<Event> {
        self.events.drain(..).collect()
    }

    /// The connection is gone, and nobody knows how far the other side came.
    fn broken(&mut self, why: &str) -> Error {
        self.socket = None;
        self.lost_at = Some(Instant::now());
        self.closed = Some(Closed { code: 1006, reason: String::new() });
        Error::Lost(why.to_owned())
    }

    /// A message of the feed's.
    fn served(&mut self, message: Message) {
        (self.unserved, self.lost) = (0, 0);
        self.events.push_back(Event::Message(message));
    }

    fn paid(&mut self, amount: Usdc) {
        self.spent = self.spent.checked_add(amount).unwrap_or(Usdc::MAX);
        self.unserved = self.unserved.saturating_add(1);
    }

    fn keep(&mut self, receipt: Receipt) {
        self.session.units_remaining = receipt.claims().remaining;
        if self.receipts.len() >= RECEIPTS_MAX {
            self.receipts.pop_front();
        }
        self.receipts.push_back(receipt.clone());
        self.events.push_back(Event::Receipt(receipt));
    }
}

impl fmt::Debug for StreamClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamClient")
            .field("session", &self.session)
            .field("connected", &self.socket.is_some())
            .field("spent", &self.spent)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}
