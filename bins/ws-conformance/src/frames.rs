//! WebSocket frames as they stand on the wire (RFC 6455, section 5.2), so that a server's can be judged one by one.

use crate::server::Connection;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};

/// First byte of a whole text message, a whole binary message, and a close.
pub(crate) const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PONG: u8 = 0x8A;

/// The longest frame that is read, in bytes.
const FRAME_BYTES_MAX: usize = 16 << 20;

/// An open stream.
pub(crate) struct Stream {
    io: Box<dyn Connection>,
    ahead: Vec<u8>,
    closed: bool,
}

/// A frame of the server's.
struct Frame {
    first: u8,
    payload: Vec<u8>,
}

/// What comes next on a stream.
#[derive(Debug)]
pub(crate) enum Came {
    /// A message; `whole` says that it is one frame.
    Message {
        text: Option<String>,
        whole: bool,
    },
    Close {
        code: u16,
        reason: String,
    },
    /// The connection ended without a close frame.
    End,
    /// Nothing, for as long as was waited.
    Nothing,
}

impl Stream {
    pub(crate) fn new(io: Box<dyn Connection>) -> Self {
        Self { io, ahead: Vec::new(), closed: false }
    }

    /// Sends a masked frame; `first` is FIN, reserved bits and opcode.
    pub(crate) async fn send(&mut self, first: u8, payload: &[u8]) -> Result<(), String> {
        let mut frame = vec![first];
        match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(short @ ..126), _) => frame.push(0x80 | short),
            (_, Ok(middle)) => {
                frame.push(0xFE);
                frame.extend(middle.to_be_bytes());
            }
            _ => {
                frame.push(0xFF);
                let long = u64::try_from(payload.len()).map_err(|error| error.to_string())?;
                frame.extend(long.to_be_bytes());
            }
        }
        let key = crate::purse::random::<4>()?;
        frame.extend(key);
        frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        let sent = async {
            self.io.write_all(&frame).await?;
            self.io.flush().await
        };
        sent.await.map_err(|error| format!("the server does not take a frame: {error}"))
    }

    /// Sends a whole text message.
    pub(crate) async fn say(&mut self, text: &str) -> Result<(), String> {
        self.send(TEXT, text.as_bytes()).await
    }

    /// The next message or the end; pings are answered. An error is a breach of RFC 6455.
    pub(crate) async fn next(&mut self, patience: Duration) -> Result<Came, String> {
        let until = Instant::now() + patience;
        let mut message: Option<(u8, Vec<u8>)> = None;
        let mut frames = 0_u32;
        loop {
            let frame = match timeout_at(until, self.frame()).await {
                Ok(frame) => frame?,
                Err(_) if message.is_some() => return Err("a message is not finished in time".into()),
                Err(_) => return Ok(Came::Nothing),
            };
            let Some(Frame { first, payload }) = frame else { return Ok(Came::End) };
            if first & 0x70 != 0 {
                return Err("a reserved bit is set, and no extension was agreed on".into());
            }
            match (first & 0x0F, message.as_mut()) {
                (0x8, _) => return closing(&payload),
                (0x9, _) => self.send(PONG, &payload).await?,
                (0xA, _) => {}
                (0x0, Some((_, text))) => text.extend(payload),
                (opcode @ (0x1 | 0x2), None) => message = Some((opcode, payload)),
                (opcode, _) => return Err(format!("a frame with opcode {opcode} out of place")),
            }
            if first & 0x0F <= 0x2 {
                frames = frames.saturating_add(1);
            }
            if first & 0x80 != 0
                && first & 0x0F <= 0x2
                && let Some((opcode, payload)) = message.take()
            {
                let text = (opcode == 0x1).then(|| String::from_utf8(payload)).transpose();
                let text = text.map_err(|_| "a text message that is not UTF-8")?;
                return Ok(Came::Message { text, whole: frames == 1 });
            }
        }
    }

    /// Whether anything but the end follows a close frame.
    pub(crate) async fn after_close(&mut self, patience: Duration) -> Result<(), String> {
        if !self.closed {
            self.closed = true;
            // The server may be gone already.
            drop(self.send(CLOSE, &1000_u16.to_be_bytes()).await);
        }
        match timeout_at(Instant::now() + patience, self.frame()).await {
            Ok(Ok(None)) => Ok(()),
            Ok(Ok(Some(_))) => Err("a frame follows the close frame".into()),
            Ok(Err(why)) => Err(why),
            Err(_) => Err("the connection stays open after both close frames".into()),
        }
    }

    /// Ends the stream from our side, and waits for the end; what comes meanwhile is of no interest.
    pub(crate) async fn close(mut self: Box<Self>) {
        const GOODBYE: Duration = Duration::from_secs(5);
        self.closed = true;
        if self.send(CLOSE, &1000_u16.to_be_bytes()).await.is_ok() {
            let until = Instant::now() + GOODBYE;
            while let Ok(Ok(Some(_))) = timeout_at(until, self.frame()).await {}
        }
    }

    /// The next frame; `None` at the end of the connection.
    async fn frame(&mut self) -> Result<Option<Frame>, String> {
        loop {
            if let Some((frame, length)) = parse(&self.ahead)? {
                self.ahead.drain(..length);
                return Ok(Some(frame));
            }
            let mut chunk = [0; 4096];
            match self.io.read(&mut chunk).await {
                Ok(read @ 1..) => self.ahead.extend(chunk.iter().take(read)),
                Ok(_) | Err(_) if self.ahead.is_empty() => return Ok(None),
                Ok(_) | Err(_) => return Err("the connection ends within a frame".into()),
            }
        }
    }
}

fn closing(payload: &[u8]) -> Result<Came, String> {
    match payload.split_first_chunk::<2>() {
        Some((code, reason)) => {
            let reason =
                String::from_utf8(reason.to_vec()).map_err(|_| "a close reason that is not UTF-8")?;
            Ok(Came::Close { code: u16::from_be_bytes(*code), reason })
        }
        None => Ok(Came::Close { code: 1005, reason: String::new() }),
    }
}

fn parse(bytes: &[u8]) -> Result<Option<(Frame, usize)>, String> {
    let (Some(&first), Some(&second)) = (bytes.first(), bytes.get(1)) else { return Ok(None) };
    if second >= 0x80 {
        return Err("a server's frame is masked".into());
    }
    let rest = bytes.get(2..).unwrap_or_default();
    let (length, start) = match second {
        126 => match rest.first_chunk::<2>() {
            Some(length) => (usize::from(u16::from_be_bytes(*length)), 4),
            None => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(length) => (usize::try_from(u64::from_be_bytes(*length)).unwrap_or(usize::MAX), 10),
            None => return Ok(None),
        },
        short => (usize::from(short), 2),
    };
    if length > FRAME_BYTES_MAX {
        return Err(format!("a frame of {length} bytes"));
    }
    let end = start + length;
    Ok(bytes.get(start..end).map(|payload| (Frame { first, payload: payload.to_vec() }, end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server writes, and what is read of it.
    async fn came(bytes: &[u8]) -> Result<Came, String> {
        let (mut server, agent) = tokio::io::duplex(1 << 16);
        server.write_all(bytes).await.unwrap();
        drop(server);
        Stream::new(Box::new(agent)).next(Duration::from_secs(5)).await
    }

    #[tokio::test]
    async fn frames_are_judged_one_by_one() {
        let whole = came(b"\x81\x02hi").await.unwrap();
        assert!(matches!(whole, Came::Message { text: Some(text), whole: true } if text == "hi"));
        let parts = came(b"\x01\x01h\x80\x01i").await.unwrap();
        assert!(matches!(parts, Came::Message { text: Some(text), whole: false } if text == "hi"));
        let close = came(b"\x88\x05\x0f\xa8abc").await.unwrap();
        assert!(matches!(close, Came::Close { code: 4008, reason } if reason == "abc"));
        assert!(matches!(came(b"").await.unwrap(), Came::End));
        for (bytes, why) in [
            (&b"\x81\x82....hi"[..], "masked"),
            (b"\xC1\x02hi", "reserved"),
            (b"\x81\x05hi", "ends within"),
            (b"\x80\x02hi", "out of place"),
            (b"\x01\x01h\x81\x01i", "out of place"),
            (b"\x81\x01\xff", "UTF-8"),
        ] {
            assert!(came(bytes).await.unwrap_err().contains(why), "{why}");
        }
    }
}
