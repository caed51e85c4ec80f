//! What is written to standard output: the feed's messages, or one JSON result.

use crate::failure::Failure;
use serde_json::{Value, json};
use std::io::Write as _;
use tokio::io::AsyncWriteExt as _;
use tollwire_client::{Message, Session};

/// Writes the feed's messages: a text as a line; bytes as they are, or as a line of hexadecimal digits.
pub(crate) struct Output {
    out: tokio::io::Stdout,
    hex: bool,
}

impl Output {
    pub(crate) fn new(hex: bool) -> Self {
        Self { out: tokio::io::stdout(), hex }
    }

    /// Writes a message out; `false` if nobody reads any more.
    pub(crate) async fn write(&mut self, message: Message) -> Result<bool, Failure> {
        let bytes = match message {
            Message::Text(text) => format!("{text}\n").into_bytes(),
            Message::Binary(bytes) if self.hex => format!("{}\n", hex::encode(&bytes)).into_bytes(),
            Message::Binary(bytes) => bytes.to_vec(),
        };
        let written = async {
            self.out.write_all(&bytes).await?;
            self.out.flush().await
        };
        match written.await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(Failure::Io("standard output".into(), error)),
        }
    }
}

/// Writes a result as one JSON line.
pub(crate) fn result(value: &Value) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{value}").and_then(|()| out.flush());
    written.map_err(|error| Failure::Io("standard output".into(), error))
}

/// A session as facilitators answer it, and what was paid.
pub(crate) fn session(session: &Session) -> Value {
    json!({
        "token": session.token(),
        "token_type": if session.is_bound() { "DPoP" } else { "Bearer" },
        "expires_at": session.expires_at,
        "ws_url": session.ws_url,
        "session": {
            "jti": session.jti,
            "feed": session.feed,
            "unit": session.unit,
            "units_remaining": session.units_remaining,
            "deposited": session.deposited,
            "chain": session.chain,
        },
        "paid": session.paid,
        "transaction": session.transaction,
    })
}
