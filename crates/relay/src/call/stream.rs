//! An answer that is wanted as it comes: chunks, each a frame of its own, then the usual last frame.

use super::body::Unread;
use super::frame;
use super::id::Id;
use crate::runtime::{Budget, Outbox};
use bytes::BytesMut;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::time::Duration;
use tokio::time::timeout;

/// The most bytes of one chunk.
const CHUNK_BYTES_MAX: usize = 64 * 1024;

/// The most bytes of a character that may wait for their rest.
const CHARACTER_BYTES_MAX: usize = 3;

/// Whom chunks go to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listener<'a> {
    pub(super) id: &'a Id,
    pub(super) outbox: &'a Outbox,
}

/// Passes a body on and says in how many chunks. A chunk may be `within` apart from the next; what the agent does not
/// take waits with the API.
pub(super) async fn pass(
    mut body: Incoming,
    headers: &HeaderMap,
    within: Duration,
    budget: &Budget,
    to: Listener<'_>,
) -> Result<u64, Unread> {
    let (_, textual) = frame::kind(headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()));
    let mut seq = 0_u64;
    let mut waiting = BytesMut::new();
    loop {
        let frame = match timeout(within, body.frame()).await {
            Ok(Some(Ok(frame))) => Some(frame),
            Ok(Some(Err(_))) => return Err(Unread::BrokenOff),
            Ok(None) => None,
            Err(_) => return Err(Unread::Late),
        };
        let last = frame.is_none();
        if let Some(Ok(data)) = frame.map(http_body::Frame::into_data) {
            waiting.extend_from_slice(&data);
        }
        while let Some(length) = next_chunk(&waiting, textual, last) {
            let data = waiting.split_to(length);
            let room = budget.room(Some(length)).await.map_err(|_| Unread::Unwanted)?;
            seq = seq.saturating_add(1);
            to.outbox.answer(frame::chunk(to.id, seq, &data, textual), room);
        }
        if last {
            return Ok(seq);
        }
    }
}

/// How many of the bytes make the next chunk; `None` for none yet. No character of text is cut in two.
fn next_chunk(bytes: &[u8], textual: bool, last: bool) -> Option<usize> {
    let bytes = bytes.get(..CHUNK_BYTES_MAX).unwrap_or(bytes);
    let whole = bytes.len();
    if whole == 0 {
        return None;
    }
    match std::str::from_utf8(bytes) {
        Err(error) if textual && error.error_len().is_none() => match error.valid_up_to() {
            0 if !last && whole <= CHARACTER_BYTES_MAX => None,
            0 => Some(whole),
            valid => Some(valid),
        },
        _ => Some(whole),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_stay_whole() {
        let euro = "€".as_bytes();
        assert_eq!(next_chunk(b"", true, false), None);
        assert_eq!(next_chunk(b"ab", true, false), Some(2));
        assert_eq!(next_chunk(&[b"ab", &euro[..2]].concat(), true, false), Some(2));
        assert_eq!(next_chunk(&euro[..2], true, false), None, "the rest is on its way");
        assert_eq!(next_chunk(&euro[..2], true, true), Some(2), "it is not");
        assert_eq!(next_chunk(&euro[..2], false, false), Some(2));
        assert_eq!(next_chunk(b"\xFFab", true, false), Some(3));
        let long = [vec![b'x'; CHUNK_BYTES_MAX - 1], euro.to_vec()].concat();
        assert_eq!(next_chunk(&long, true, false), Some(CHUNK_BYTES_MAX - 1));
    }
}
