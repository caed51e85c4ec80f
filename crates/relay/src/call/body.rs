//! Reading an API's answer, within bounds of size and time, and of what the agent has taken so far.

use crate::runtime::{Budget, Room};
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Why a body is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    TooLong,
    BrokenOff,
    Late,
    /// Nobody waits for it any more.
    Unwanted,
}

/// A whole body and the room it takes. Waiting for room does not count as the API's time.
pub(super) async fn read(
    mut body: Incoming,
    bytes_max: usize,
    within: Duration,
    budget: &Budget,
) -> Result<(Bytes, Room), Unread> {
    let known = body.size_hint().exact().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    if known.is_some_and(|length| length > bytes_max) {
        return Err(Unread::TooLong);
    }
    let mut room = budget.room(known).await.map_err(|_| Unread::Unwanted)?;
    let mut deadline = Instant::now() + within;
    let mut bytes = BytesMut::new();
    loop {
        let frame = match timeout_at(deadline, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(_))) => return Err(Unread::BrokenOff),
            Ok(None) => break,
            Err(_) => return Err(Unread::Late),
        };
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len().saturating_add(data.len()) > bytes_max {
            return Err(Unread::TooLong);
        }
        bytes.extend_from_slice(&data);
        let waiting = Instant::now();
        budget.grow(&mut room, bytes.len()).await.map_err(|_| Unread::Unwanted)?;
        deadline += waiting.elapsed();
    }
    room.shrink(bytes.len());
    Ok((bytes.freeze(), room))
}
