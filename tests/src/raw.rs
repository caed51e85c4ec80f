//! HTTP and WebSocket byte by byte, for what no client library would send.

use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

/// The example key of RFC 6455.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A TCP connection and what was read from it beyond what was asked for.
#[derive(Debug)]
pub struct Raw {
    /// The socket.
    pub stream: TcpStream,
    ahead: Vec<u8>,
}

/// A frame as it stands on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// FIN, RSV and opcode.
    pub first: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The code of a close frame.
    pub fn close_code(&self) -> Option<u16> {
        let code = self.payload.first_chunk::<2>().filter(|_| self.first == 0x88)?;
        Some(u16::from_be_bytes(*code))
    }
}

/// The lines of a right opening handshake, without its request line.
pub fn upgrade_lines() -> Vec<String> {
    [
        "Host: 127.0.0.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        &format!("Sec-WebSocket-Key: {KEY}"),
    ]
    .map(str::to_owned)
    .to_vec()
}

/// A head of a request line and lines.
pub fn head(request_line: &str, lines: &[String]) -> String {
    let request_line = request_line.to_owned();
    let lines: Vec<String> = [request_line].into_iter().chain(lines.iter().cloned()).collect();
    format!("{}\r\n\r\n", lines.join("\r\n"))
}

/// A client's frame; `first` is FIN, RSV and opcode.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    let length = u64::try_from(payload.len()).unwrap();
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..126), _) => frame.push(0x80 | short),
        (_, Ok(middle)) => {
            frame.push(0xFE);
            frame.extend(middle.to_be_bytes());
        }
        _ => {
            frame.push(0xFF);
            frame.extend(length.to_be_bytes());
        }
    }
    let key = [0x11, 0x22, 0x33, 0x44];
    frame.extend(key);
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

impl Raw {
    /// Connects to a port of this machine.
    pub async fn connect(port: u16) -> Self {
        Self { stream: TcpStream::connect(("127.0.0.1", port)).await.unwrap(), ahead: Vec::new() }
    }

    /// Connects, sends a head, and reads the answer's head.
    pub async fn ask(port: u16, head: &str) -> (Self, String) {
        let mut raw = Self::connect(port).await;
        raw.send(head.as_bytes()).await;
        let answer = raw.head().await;
        (raw, answer)
    }

    /// Opens a WebSocket on a target; it must succeed.
    pub async fn upgraded(port: u16, target: &str) -> Self {
        let (raw, answer) = Self::ask(port, &head(&format!("GET {target} HTTP/1.1"), &upgrade_lines())).await;
        assert_eq!(status(&answer), 101, "{answer}");
        raw
    }

    /// Sends bytes; a peer that is gone is not an error here.
    pub async fn send(&mut self, bytes: &[u8]) {
        drop(timeout(PATIENCE, self.stream.write_all(bytes)).await.expect("nobody takes the bytes"));
    }

    /// The next head; empty if the connection ends first.
    pub async fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.ahead.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = self.ahead.drain(..end + 4).collect();
                return String::from_utf8(head).unwrap();
            }
            if !self.more().await {
                return String::new();
            }
        }
    }

    /// The next frame of a server; `None` if the connection ends first.
    pub async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, length)) = parse(&self.ahead) {
                self.ahead.drain(..length);
                return Some(frame);
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// The code of the first close frame; `None` if the connection ends without one.
    pub async fn close_code(&mut self) -> Option<u16> {
        while let Some(frame) = self.frame().await {
            if frame.first == 0x88 {
                return frame.close_code();
            }
        }
        None
    }

    /// Reads to the connection's end; how long that took, and what came.
    pub async fn end(&mut self) -> (Duration, String) {
        let begun = Instant::now();
        while self.more().await {}
        (begun.elapsed(), String::from_utf8_lossy(&std::mem::take(&mut self.ahead)).into_owned())
    }

    /// Reads something; false at the end, by FIN or reset.
    async fn more(&mut self) -> bool {
        let mut chunk = vec![0; 16 * 1024];
        match timeout(PATIENCE, self.stream.read(&mut chunk)).await.expect("nothing came, and no end") {
            Ok(read @ 1..) => {
                self.ahead.extend_from_slice(&chunk[..read]);
                true
            }
            Ok(0) | Err(_) => false,
        }
    }
}

/// The status of an answer's head; 0 for none.
pub fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

fn parse(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    assert!(second < 0x80, "a server's frame is masked");
    let (length, start) = match second {
        126 => (usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)), 4),
        127 => (usize::try_from(u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)).unwrap(), 10),
        short => (usize::from(short), 2),
    };
    let payload = bytes.get(start..start + length)?.to_vec();
    Some((Frame { first, payload }, start + length))
}
