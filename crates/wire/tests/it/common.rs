//! Frames by hand, and a pump between two peers that a test plays itself.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tollwire_wire::{Control, Limits, Pump, Report, Transport};

pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// One frame, with its payload as the application sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) fin: bool,
    pub(crate) rsv1: bool,
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn new(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self { fin: true, rsv1: false, opcode, payload: payload.into() }
    }

    pub(crate) fn part(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self { fin: false, ..Self::new(opcode, payload) }
    }

    pub(crate) fn close(code: u16, reason: &str) -> Self {
        Self::new(CLOSE, [&code.to_be_bytes(), reason.as_bytes()].concat())
    }

    pub(crate) fn close_code(&self) -> Option<u16> {
        let code = self.payload.first_chunk::<2>().filter(|_| self.opcode == CLOSE)?;
        Some(u16::from_be_bytes(*code))
    }

    /// As a server sends it.
    pub(crate) fn unmasked(&self) -> Vec<u8> {
        self.encode(None)
    }

    /// As a client sends it.
    pub(crate) fn masked(&self) -> Vec<u8> {
        self.encode(Some([0xA5, 0x0F, 0x3C, 0x81]))
    }

    fn encode(&self, key: Option<[u8; 4]>) -> Vec<u8> {
        let mask_bit = if key.is_some() { 0x80 } else { 0 };
        let mut bytes =
            vec![if self.fin { 0x80 } else { 0 } | if self.rsv1 { 0x40 } else { 0 } | self.opcode];
        match self.payload.len() {
            len @ 0..0x7E => bytes.push(u8::try_from(len).unwrap() | mask_bit),
            len @ 0x7E..=0xFFFF => {
                bytes.push(0x7E | mask_bit);
                bytes.extend(u16::try_from(len).unwrap().to_be_bytes());
            }
            len => {
                bytes.push(0x7F | mask_bit);
                bytes.extend(u64::try_from(len).unwrap().to_be_bytes());
            }
        }
        match key {
            None => bytes.extend(&self.payload),
            Some(key) => {
                bytes.extend(key);
                bytes.extend(self.payload.iter().zip(key.iter().cycle()).map(|(byte, mask)| byte ^ mask));
            }
        }
        bytes
    }

    /// Splits `bytes` into frames; what is left over is an incomplete frame.
    pub(crate) fn decode(mut bytes: &[u8]) -> (Vec<Self>, &[u8]) {
        let mut frames = Vec::new();
        while let Some((frame, size)) = Self::decode_one(bytes) {
            frames.push(frame);
            bytes = &bytes[size..];
        }
        (frames, bytes)
    }

    fn decode_one(bytes: &[u8]) -> Option<(Self, usize)> {
        let (first, second) = (*bytes.first()?, *bytes.get(1)?);
        let (len, mut at) = match second & 0x7F {
            126 => (usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)), 4),
            127 => (usize::try_from(u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)).ok()?, 10),
            short => (usize::from(short), 2),
        };
        let mut key = [0; 4];
        if second & 0x80 != 0 {
            key = *bytes.get(at..)?.first_chunk()?;
            at += 4;
        }
        let payload = bytes.get(at..at + len)?;
        let payload = payload.iter().zip(key.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        let frame = Self { fin: first & 0x80 != 0, rsv1: first & 0x40 != 0, opcode: first & 0x0F, payload };
        Some((frame, at + len))
    }
}

/// A peer played by the test: raw bytes with a frame reader.
pub(crate) struct Peer<S> {
    pub(crate) socket: S,
    seen: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    pub(crate) fn new(socket: S) -> Self {
        Self { socket, seen: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.expect("the pump takes bytes");
        self.socket.flush().await.unwrap();
    }

    /// The next whole frame; `None` at the end of the connection.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, size)) = Frame::decode_one(&self.seen) {
                self.seen.drain(..size);
                return Some(frame);
            }
            let mut chunk = vec![0; 16 * 1024];
            match self.socket.read(&mut chunk).await {
                Ok(0) | Err(_) => return None,
                Ok(read) => self.seen.extend(&chunk[..read]),
            }
        }
    }

    /// Asserts that nothing has come, and nothing comes for a second of virtual time.
    pub(crate) async fn hears_nothing(&mut self) {
        self.hears_nothing_for(Duration::from_secs(1)).await;
    }

    /// The same for another time.
    pub(crate) async fn hears_nothing_for(&mut self, time: Duration) {
        let more = self.seen.len() + 1;
        let waited = tokio::time::timeout(time, self.fill(more)).await;
        assert!(waited.is_err(), "came: {:?}", self.seen);
        assert!(self.seen.is_empty(), "left over: {:?}", self.seen);
    }

    /// Everything up to the end of the connection.
    pub(crate) async fn rest(mut self) -> Vec<u8> {
        // A reset ends a connection too; what came before it counts.
        let _ = self.socket.read_to_end(&mut self.seen).await;
        self.seen
    }

    pub(crate) async fn exactly(&mut self, len: usize) -> Vec<u8> {
        self.fill(len).await;
        let rest = self.seen.split_off(len);
        std::mem::replace(&mut self.seen, rest)
    }

    async fn fill(&mut self, len: usize) {
        while self.seen.len() < len {
            let mut chunk = vec![0; 64 * 1024];
            let read = self.socket.read(&mut chunk).await.unwrap();
            assert!(read > 0, "the connection ended after {} of {len} bytes", self.seen.len());
            self.seen.extend(&chunk[..read]);
        }
    }
}

/// A running pump with a peer on either side.
pub(crate) struct Rig<S> {
    pub(crate) agent: Peer<S>,
    pub(crate) upstream: Peer<S>,
    pub(crate) control: Control,
    pub(crate) pump: JoinHandle<Report>,
}

/// Over in-memory pipes that hold `capacity` bytes, for virtual time.
pub(crate) fn pipes(capacity: usize, limits: Limits) -> Rig<DuplexStream> {
    pipes_with(capacity, limits, |pump| pump)
}

/// The same, with a pump that `build` has done something to.
pub(crate) fn pipes_with<F>(capacity: usize, limits: Limits, build: F) -> Rig<DuplexStream>
where
    F: FnOnce(Pump<DuplexStream, DuplexStream>) -> Pump<DuplexStream, DuplexStream>,
{
    let (agent, agent_side) = duplex(capacity);
    let (upstream, upstream_side) = duplex(capacity);
    let control = Control::new();
    let pump = build(Pump::new(agent_side, Bytes::new(), upstream_side, Bytes::new(), limits));
    let pump = tokio::spawn(pump.run(control.clone()));
    Rig { agent: Peer::new(agent), upstream: Peer::new(upstream), control, pump }
}

/// Over real sockets on 127.0.0.1.
pub(crate) async fn sockets(limits: Limits) -> Rig<TcpStream> {
    let (agent, agent_side) = socket_pair().await;
    let (upstream, upstream_side) = socket_pair().await;
    let control = Control::new();
    let pump = Pump::new(
        Transport::from(agent_side),
        Bytes::new(),
        Transport::from(upstream_side),
        Bytes::new(),
        limits,
    );
    let pump = tokio::spawn(pump.run(control.clone()));
    Rig { agent: Peer::new(agent), upstream: Peer::new(upstream), control, pump }
}

/// Both ends of a TCP connection.
pub(crate) async fn socket_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (near, far) = (near.unwrap(), far.unwrap().0);
    near.set_nodelay(true).unwrap();
    (near, far)
}

/// `work`, which must end soon in real time.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work).await.expect("done in time")
}

/// A length as the counts of a report have it.
pub(crate) fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap()
}

/// Bytes with no pattern that a shifted copy would match.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        })
        .collect()
}
