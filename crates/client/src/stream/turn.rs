//! One turn of a stream after another, until something happens that is worth telling.

use super::in_band::Outcome;
use super::message::{Closed, Message};
use super::{CLOSE_WAIT, Event, StreamClient};
use crate::Error;
use crate::config::PayOn;
use futures_util::{SinkExt as _, StreamExt as _};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message as Frame};
use tollwire_x402::close::CloseCode;

/// What woke a stream.
enum Woken {
    Frame(Option<Result<Frame, tungstenite::Error>>),
    Errand(Box<Outcome>),
    Sent(Result<(), tungstenite::Error>),
    /// Nothing has come for a while.
    Quiet,
}

impl StreamClient {
    /// The next thing that happens. [`Event::Closed`] comes once, after a close that payment cannot cure; after it,
    /// `None`.
    ///
    /// After [`Event::Exhausted`] the next call pays within the budget and reconnects, and answers
    /// [`Event::Renewed`]. Dropping the future loses neither a message nor a payment.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            self.digest().await;
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            if self.closed.is_some() {
                return Ok(None);
            }
            if self.socket.is_none() {
                let paid = self.connect().await?;
                if self.closed.is_none() {
                    self.events.push_back(Event::Renewed { paid });
                }
                continue;
            }
            self.look_after_pending();
            match self.wake().await {
                Woken::Frame(Some(Ok(Frame::Close(frame)))) => self.ended(frame).await,
                Woken::Frame(frame) => self.take(frame)?,
                Woken::Errand(outcome) => self.errand_done(*outcome),
                Woken::Sent(Ok(())) => {}
                Woken::Sent(Err(error)) => self.loss(&error.to_string())?,
                Woken::Quiet => self.quiet().await?,
            }
        }
    }

    /// Waits for a frame, an errand's end, or the time to ping. Whatever is dropped here half done is taken up by the
    /// next call.
    async fn wake(&mut self) -> Woken {
        let config = self.payer.config();
        let pause = self.pending.as_ref().map_or(config.ping_every, |pending| {
            pending.deadline.saturating_duration_since(Instant::now()).min(config.ping_every)
        });
        let Some(socket) = &mut self.socket else { return Woken::Quiet };
        if let Some(frame) = &self.outbox {
            let fed = timeout(config.ping_every, socket.feed(frame.clone())).await;
            if let Ok(fed) = fed {
                // No await between the sending and this.
                self.outbox = None;
                return Woken::Sent(fed);
            }
            return Woken::Quiet;
        }
        let errand = async {
            match &mut self.errand {
                Some(errand) => errand.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            outcome = errand => Woken::Errand(Box::new(outcome)),
            received = timeout(pause, read(socket)) => match received {
                Ok(frame) => Woken::Frame(frame),
                Err(_) => Woken::Quiet,
            },
        }
    }

    fn take(&mut self, frame: Option<Result<Frame, tungstenite::Error>>) -> Result<(), Error> {
        self.heard = Instant::now();
        match frame {
            Some(Ok(Frame::Text(text))) => self.inbox = Some(text),
            Some(Ok(Frame::Binary(bytes))) => self.served(Message::Binary(bytes)),
            Some(Ok(_)) => {}
            Some(Err(error)) => return self.loss(&error.to_string()),
            None => return self.loss("ended without a close frame"),
        }
        Ok(())
    }

    async fn quiet(&mut self) -> Result<(), Error> {
        let (ping_every, silence_max) = {
            let config = self.payer.config();
            (config.ping_every, config.silence_max)
        };
        let silent = self.heard.elapsed();
        if silent >= silence_max {
            return self.loss("silent for too long");
        }
        if silent < ping_every {
            return Ok(());
        }
        let Some(socket) = &mut self.socket else { return Ok(()) };
        match timeout(ping_every, socket.send(Frame::Ping(bytes::Bytes::new()))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => self.loss(&error.to_string()),
            Err(_) => self.loss("the other side does not read"),
        }
    }

    /// The other side has closed: answer, and see whether paying cures it.
    async fn ended(&mut self, frame: Option<CloseFrame>) {
        let (code, reason) = frame
            .map_or((1005, String::new()), |frame| (frame.code.into(), frame.reason.as_str().to_owned()));
        let socket = self.socket.take();
        if code == CloseCode::Exhausted.code() {
            self.exhausted = true;
            self.session.units_remaining = 0;
            self.events.push_back(Event::Exhausted { reason: reason.clone() });
        }
        if code != CloseCode::Exhausted.code() || self.payer.config().pay_on == PayOn::Never {
            self.end(Closed { code, reason });
        }
        if let Some(mut socket) = socket {
            // Reading on is what sends our own close frame.
            let _ = timeout(CLOSE_WAIT, async { while let Some(Ok(_)) = socket.next().await {} }).await;
        }
    }

    pub(super) fn end(&mut self, closed: Closed) {
        self.closed = Some(closed.clone());
        self.events.push_back(Event::Closed(closed));
    }

    /// The connection is gone: another may be opened, as the configuration has it.
    fn loss(&mut self, why: &str) -> Result<(), Error> {
        let error = self.broken(why);
        if self.lost >= self.payer.config().reconnects_max {
            return Err(error);
        }
        self.lost = self.lost.saturating_add(1);
        self.closed = None;
        self.events.push_back(Event::Reconnecting { why: why.to_owned() });
        Ok(())
    }
}

/// The next frame. What was fed to the socket before is flushed on the way.
async fn read(socket: &mut super::connect::Socket) -> Option<Result<Frame, tungstenite::Error>> {
    if let Err(error) = socket.flush().await {
        return Some(Err(error));
    }
    socket.next().await
}

/// How long a lost connection can be replaced under the same stream id; facilitators allow 30 s.
pub(super) const SAME_ID_FOR: Duration = Duration::from_secs(25);
