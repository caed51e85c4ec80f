//! Accepting a WebSocket only to close it: the one refusal that a browser can read.

use crate::shared::{Seat, Shared};
use crate::upgrade::take_over;
use hyper::upgrade::OnUpgrade;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tollwire_wire::{Close, CloseFrame, Transport};
use tollwire_x402::close::CloseCode;

/// How long the peer's own Close, or the end of its connection, is waited for.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How much of what the peer still sends is read away. Closing with input unread would turn into a reset, and the
/// reset could overtake our close frame.
const DISCARD_MAX: u64 = 64 * 1024;

/// Spawns the end of a connection whose 101 is about to leave.
pub(crate) fn spawn(shared: &Arc<Shared>, connection: OnUpgrade, code: CloseCode, seat: Seat) {
    shared.tasks.spawn(async move {
        match take_over(connection).await {
            Ok((transport, _)) => {
                // The agent learns its code or is gone; either way there is nothing left to do for it.
                let _over = timeout(LAST_WORDS, say(transport, code)).await;
            }
            Err(error) => tracing::debug!(%error, "no connection after the 101"),
        }
        drop(seat);
    });
}

async fn say(mut transport: Transport, code: CloseCode) -> io::Result<()> {
    transport.write_all(CloseFrame::unmasked(&Close::from(code)).as_bytes()).await?;
    transport.shutdown().await?;
    tokio::io::copy(&mut transport.take(DISCARD_MAX), &mut tokio::io::sink()).await?;
    Ok(())
}
