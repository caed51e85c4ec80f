//! One connection, as the runtime sees it.

use super::hear::{self, Frame};
use super::inner::Inner;
use super::msgpack;
use super::work::Work;
use crate::bridge::{Intake, intake};
use crate::runtime::{Budget, Heard, Outbox, Protocol};
use http::HeaderMap;
use http::header::SEC_WEBSOCKET_PROTOCOL;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tollwire_asp::SessionId;

/// Frames of one connection that wait to be dealt with; then no more is read.
const WAITING_MAX: usize = 64;

/// How frames are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Encoding {
    #[default]
    Json,
    MessagePack,
}

impl Encoding {
    /// The first of those that a handshake offers, and its name.
    pub(crate) fn offered(headers: &HeaderMap) -> Option<(Self, &'static str)> {
        let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).find_map(|name| match name.trim() {
            msgpack::PLAIN => Some((Self::Json, msgpack::PLAIN)),
            msgpack::SUBPROTOCOL => Some((Self::MessagePack, msgpack::SUBPROTOCOL)),
            _ => None,
        })
    }

    /// The queue of a connection that writes so.
    pub(crate) fn outbox(self, bytes_max: usize) -> Outbox {
        let outbox = Outbox::new(bytes_max);
        match self {
            Self::Json => outbox,
            Self::MessagePack => outbox.writing(msgpack::from_json),
        }
    }
}

/// A connection. Dropping it ends its work.
pub(crate) struct Link {
    frames: Intake<Frame>,
    encoding: Encoding,
    bytes_max: usize,
    over: CancellationToken,
    budget: Budget,
}

/// Makes both halves of a connection.
pub(crate) fn link(
    inner: &Arc<Inner>,
    session: SessionId,
    outbox: &Arc<Outbox>,
    (budget, encoding): (Budget, Encoding),
) -> (Link, Work) {
    let ((frames, waiting), over) = (intake(WAITING_MAX), CancellationToken::new());
    let work =
        Work::new(Arc::clone(inner), session, (Arc::clone(outbox), budget.clone()), waiting, over.clone());
    (Link { frames, encoding, bytes_max: inner.limits.frame_bytes_max, over, budget }, work)
}

impl Protocol for Link {
    fn heard(&self, text: &str) -> Heard {
        let (frame, heard) = hear::read(text, self.bytes_max);
        self.frames.put(frame);
        heard
    }

    fn heard_bytes(&self, bytes: &[u8]) -> Option<Heard> {
        if self.encoding != Encoding::MessagePack {
            return None;
        }
        // What is no MessagePack is no frame either, and is told so.
        Some(self.heard(&msgpack::to_json(bytes).unwrap_or_default()))
    }

    async fn ready(&self) {
        self.frames.ready().await;
    }

    async fn wind_down(&self) {
        self.frames.dealt_with().await;
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.over.cancel();
        self.budget.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_offer_is_taken() {
        let offered = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(SEC_WEBSOCKET_PROTOCOL, http::HeaderValue::from_static(line));
            }
            Encoding::offered(&headers)
        };
        assert_eq!(offered(&[]), None);
        assert_eq!(offered(&["x", "asp"]), None);
        assert_eq!(offered(&["x, asp.msgpack ,asp.json"]), Some((Encoding::MessagePack, "asp.msgpack")));
        assert_eq!(offered(&["x", "asp.json, asp.msgpack"]), Some((Encoding::Json, "asp.json")));
    }
}
