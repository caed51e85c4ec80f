//! Bytes at a steady rate, the same ones for everybody: whoever hears them can tell whether any is missing.

use super::bind;
use crate::failure::Failure;
use futures_util::{SinkExt as _, StreamExt as _};
use sha2::{Digest as _, Sha256};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Bytes of a frame's header, for payloads of 126 to 65,535 bytes that a server sends (RFC 6455, section 5.2).
const HEADER_BYTES: usize = 4;

/// A feed of binary messages.
pub(crate) struct Flood {
    address: SocketAddr,
    payload_bytes: usize,
    /// Connections it has had.
    opened: Arc<AtomicU64>,
}

impl Flood {
    /// Serves a message every so often, of `kib` KiB on the wire, header included; `kib` is 1 to 63.
    pub(crate) async fn start(kib: usize, every: Duration) -> Result<Self, Failure> {
        let payload_bytes = kib.saturating_mul(1024).saturating_sub(HEADER_BYTES);
        let opened = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&opened);
        let address = bind(move |socket| {
            counted.fetch_add(1, Ordering::Relaxed);
            pour(socket, payload_bytes, every)
        })
        .await?;
        Ok(Self { address, payload_bytes, opened })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections it has had.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// SHA-256 of the first so many messages that it sends to anybody.
    pub(crate) fn digest(&self, messages: u64) -> String {
        let (mut source, mut hash) = (Source::new(), Sha256::new());
        for _ in 0..messages {
            hash.update(source.bytes(self.payload_bytes));
        }
        hex::encode(hash.finalize())
    }
}

/// Sends until the peer closes.
async fn pour(socket: TcpStream, payload_bytes: usize, every: Duration) -> Result<(), Error> {
    let mut stream = tokio_tungstenite::accept_async(socket).await?;
    let mut timer = tokio::time::interval(every);
    let mut source = Source::new();
    loop {
        tokio::select! {
            _ = timer.tick() => stream.send(Message::binary(source.bytes(payload_bytes))).await?,
            heard = stream.next() => match heard {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ok(()),
            },
        }
    }
}

/// Bytes that do not repeat and are the same each time.
struct Source(u32);

impl Source {
    const fn new() -> Self {
        Self(0x9E37_79B9)
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        for word in bytes.chunks_mut(4) {
            // xorshift32: enough to tell a gap.
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 17;
            self.0 ^= self.0 << 5;
            for (byte, value) in word.iter_mut().zip(self.0.to_le_bytes()) {
                *byte = value;
            }
        }
        bytes
    }
}
