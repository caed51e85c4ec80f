//! The life of one connection, from its 101 to its close.

use super::Outbox;
use super::closing::{self, Ending};
use super::strikes::Strikes;
use super::writing::write;
use crate::Limits;
use futures_util::StreamExt as _;
use futures_util::stream::SplitStream;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;
use tollwire_wire::Transport;
use tollwire_x402::close::CloseCode;

/// A WebSocket, over TCP or TLS. Boxed: every future that it is passed on through has a place for it, all its life.
pub(crate) type Socket = Box<WebSocketStream<Transport>>;

/// What a frame was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Something of the protocol, right or wrong.
    Spoken,
    /// Nothing that can be read; too much of it ends the connection.
    Malformed,
}

/// What is spoken on a connection. Answers go to the connection's [`Outbox`].
pub(crate) trait Protocol: Send + Sync {
    /// Takes a text frame. Must not wait: whatever takes time belongs in a task.
    fn heard(&self, text: &str) -> Heard;

    /// Takes a binary frame, as [`heard`](Self::heard) does; `None` where none are spoken.
    fn heard_bytes(&self, _bytes: &[u8]) -> Option<Heard> {
        None
    }

    /// Waits until another frame can be taken; until then none is read.
    fn ready(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// All that was written before this probe has arrived.
    fn arrived(&self, _probe: u64) {}

    /// Takes no new work from now on, and returns when what is under way is done.
    fn wind_down(&self) -> impl Future<Output = ()> + Send;
}

/// Serves a connection until it ends. `stop` asks for an end once work is done, `cut` for an end now.
pub(crate) async fn run<P: Protocol>(
    socket: Socket,
    protocol: &P,
    outbox: &Outbox,
    limits: &Limits,
    (stop, cut): (CancellationToken, CancellationToken),
) -> Ending {
    let (mut sink, mut stream) = socket.split();
    let unreadable = AtomicBool::new(false);
    let ending = {
        let mut reading = pin!(read(&mut stream, protocol, outbox, limits.heartbeat, &unreadable));
        let mut writing = pin!(write(&mut sink, outbox, limits.stall));
        let draining = async {
            stop.cancelled().await;
            tokio::select! {
                () = protocol.wind_down() => {}
                () = cut.cancelled() => {}
            }
            outbox.end(None, CloseCode::GoingAway);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            ending = &mut reading => ending,
            ending = &mut writing => ending,
            () = draining => Ending::Gone,
        }
    };
    let ending = match ending {
        Ending::Ours(code) if unreadable.into_inner() => Ending::Unreadable(code),
        ending => ending,
    };
    match sink.reunite(stream) {
        Ok(socket) => closing::close(socket, ending, limits.close_wait).await,
        Err(_) => ending, // two halves of one socket always fit
    }
}

/// Reads until the connection must end, and asks for pings meanwhile.
async fn read<P: Protocol>(
    stream: &mut SplitStream<Socket>,
    protocol: &P,
    outbox: &Outbox,
    heartbeat: Duration,
    unreadable: &AtomicBool,
) -> Ending {
    let mut last = Instant::now();
    let mut strikes = Strikes::new(last);
    let mut beat = interval_at(last + heartbeat, heartbeat);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            message = next(stream, protocol) => {
                last = Instant::now();
                match message {
                    Some(Ok(Message::Text(text))) => {
                        if protocol.heard(&text) == Heard::Malformed && strikes.strike(last) {
                            return end(stream, outbox, CloseCode::PolicyViolation).await;
                        }
                    }
                    Some(Ok(Message::Binary(bytes))) => match protocol.heard_bytes(&bytes) {
                        None => return end(stream, outbox, CloseCode::UnsupportedData).await,
                        Some(Heard::Malformed) if strikes.strike(last) => {
                            return end(stream, outbox, CloseCode::PolicyViolation).await;
                        }
                        Some(_) => {}
                    },
                    Some(Ok(Message::Pong(payload))) => {
                        if let Ok(probe) = <[u8; 8]>::try_from(payload.as_ref()) {
                            protocol.arrived(u64::from_be_bytes(probe));
                        }
                    }
                    Some(Ok(Message::Ping(_) | Message::Frame(_))) => {}
                    Some(Ok(Message::Close(frame))) => {
                        return Ending::Theirs(frame.map_or(1005, |frame| frame.code.into()));
                    }
                    Some(Err(error)) => {
                        let Ending::Unreadable(code) = broken(&error) else { return Ending::Gone };
                        // What was asked before is answered before the close: the writer ends the connection.
                        unreadable.store(true, Ordering::Release);
                        outbox.end(None, code);
                        std::future::pending::<()>().await;
                    }
                    None => return Ending::Gone,
                }
            }
            _ = beat.tick() => {
                if last.elapsed() >= heartbeat.saturating_mul(2) {
                    return end(stream, outbox, CloseCode::HeartbeatLost).await;
                }
                outbox.ping();
            }
        }
    }
}

/// The next message, once the protocol can take it. Dropping the future loses nothing.
async fn next<P: Protocol>(stream: &mut SplitStream<Socket>, protocol: &P) -> Option<Result<Message, Error>> {
    protocol.ready().await;
    stream.next().await
}

/// Has the writer close the connection after what is queued; what still comes in meanwhile is for nobody.
async fn end(stream: &mut SplitStream<Socket>, outbox: &Outbox, code: CloseCode) -> Ending {
    outbox.end(None, code);
    loop {
        match stream.next().await {
            Some(Ok(Message::Close(frame))) => {
                return Ending::Theirs(frame.map_or(1005, |frame| frame.code.into()));
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Ending::Gone,
        }
    }
}

/// What to tell a peer whose bytes cannot be read on.
fn broken(error: &Error) -> Ending {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => Ending::Unreadable(CloseCode::TooBig),
        Error::Utf8(_) => Ending::Unreadable(CloseCode::InvalidPayload),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
        | Error::Io(_)
        | Error::ConnectionClosed
        | Error::AlreadyClosed => Ending::Gone,
        _ => Ending::Unreadable(CloseCode::ProtocolError),
    }
}
