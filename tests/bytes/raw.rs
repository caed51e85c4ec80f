//! Both ends of a stream by hand: an agent and an upstream that are TCP connections and nothing more.

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tollwire_testkit::link::FaultLink;
use tollwire_tests::agent::{Agent, fresh_nonce};
use tollwire_tests::facilitator::Facilitator;
use tollwire_tests::settings::{Feed, Settings};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Final fragment of a text message.
pub(crate) const TEXT: u8 = 0x81;
/// Final fragment of a binary message.
pub(crate) const BINARY: u8 = 0x82;
/// First fragment of a text message.
pub(crate) const TEXT_BEGINS: u8 = 0x01;
/// First fragment of a binary message.
pub(crate) const BINARY_BEGINS: u8 = 0x02;
/// A further fragment.
pub(crate) const CONTINUES: u8 = 0x00;
/// The last fragment.
pub(crate) const ENDS: u8 = 0x80;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8a;

/// Who sends: an agent's frames carry a mask key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Agent,
    Upstream,
}

/// A frame as it stands on the wire; `payload` is its masked form already, where it is masked.
pub(crate) fn frame(from: From, first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(from, first, payload.len());
    frame.extend_from_slice(payload);
    frame
}

/// What stands before a payload of `length` bytes.
pub(crate) fn head(from: From, first: u8, length: usize) -> Vec<u8> {
    let mask = if from == From::Agent { 128 } else { 0 };
    let mut head = vec![first];
    match u16::try_from(length) {
        Ok(short @ 0..=125) => head.push(mask + u8::try_from(short).unwrap()),
        Ok(middle) => {
            head.push(mask + 126);
            head.extend(middle.to_be_bytes());
        }
        Err(_) => {
            head.push(mask + 127);
            head.extend(u64::try_from(length).unwrap().to_be_bytes());
        }
    }
    if from == From::Agent {
        head.extend([0x12, 0x34, 0x56, 0x78]);
    }
    head
}

/// The payload of a close frame, masked by an agent's key.
pub(crate) fn close(from: From, code: u16, reason: &str) -> Vec<u8> {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend(reason.as_bytes());
    if from == From::Agent {
        let key = [0x12, 0x34, 0x56, 0x78];
        payload.iter_mut().zip(key.into_iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    }
    frame(from, CLOSE, &payload)
}

/// Numbers to choose by, from a seed that a failure can name.
pub(crate) struct Random {
    pub(crate) seed: u64,
    state: u64,
}

impl Random {
    pub(crate) fn new() -> Self {
        let seed = u64::from_be_bytes(fresh_nonce()[..8].try_into().unwrap()) | 1;
        Self { seed, state: seed }
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        // xorshift64
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state % u64::try_from(bound).unwrap()).unwrap()
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| u8::try_from(self.below(256)).unwrap()).collect()
    }
}

/// An open stream, held at both ends, with the facilitator in between.
pub(crate) struct Stream {
    pub(crate) agent: TcpStream,
    pub(crate) upstream: TcpStream,
    /// What lies between the facilitator and the upstream; good at first.
    pub(crate) link: FaultLink,
    pub(crate) _facilitator: Facilitator,
}

impl Stream {
    /// Buys and opens one.
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let link = FaultLink::start(listener.local_addr().unwrap()).await.unwrap();
        let settings = Settings::dev(vec![Feed::ticks(format!("ws://{}/stream", link.address()))]);
        let facilitator = Facilitator::start(settings).await;
        let bought = Agent::new().buy(&facilitator.url("/feeds/ticks/session"), 10_000).await;
        let token = bought.json()["token"].as_str().unwrap().to_owned();
        let agent = async {
            let mut tcp = TcpStream::connect(("127.0.0.1", facilitator.port())).await.unwrap();
            let request = format!(
                "GET /feeds/ticks/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                 Authorization: Bearer {token}\r\n\r\n"
            );
            tcp.write_all(request.as_bytes()).await.unwrap();
            let answer = read_head(&mut tcp).await;
            assert!(answer.starts_with("http/1.1 101 "), "{answer}");
            assert!(answer.contains(&derive_accept_key(b"dGhlIHNhbXBsZSBub25jZQ==").to_lowercase()));
            tcp
        };
        let (agent, upstream) = tokio::join!(agent, accept(&listener));
        for tcp in [&agent, &upstream] {
            tcp.set_nodelay(true).unwrap();
        }
        Self { agent, upstream, link, _facilitator: facilitator }
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    let (mut tcp, _) = listener.accept().await.unwrap();
    let request = read_head_as_it_is(&mut tcp).await;
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key.as_bytes())
    );
    tcp.write_all(answer.as_bytes()).await.unwrap();
    tcp
}

async fn read_head(tcp: &mut TcpStream) -> String {
    read_head_as_it_is(tcp).await.to_lowercase()
}

/// Reads to the empty line, byte by byte: what follows belongs to the stream.
async fn read_head_as_it_is(tcp: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = tokio::time::timeout(PATIENCE, tcp.read_u8()).await.expect("a head in time").unwrap();
        head.push(byte);
    }
    String::from_utf8(head).unwrap()
}

/// Writes `bytes` in pieces of random length, each a segment of its own as far as TCP allows.
pub(crate) async fn write_in_pieces(to: &mut (impl AsyncWriteExt + Unpin), bytes: &[u8], longest: usize) {
    let mut random = Random::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, more) = rest.split_at(rest.len().min(1 + random.below(longest)));
        to.write_all(piece).await.unwrap();
        to.flush().await.unwrap();
        tokio::task::yield_now().await;
        rest = more;
    }
}

/// Reads as many bytes as `expected` has, which must be these.
pub(crate) async fn expect(from: &mut (impl AsyncReadExt + Unpin), expected: &[u8], what: &str) {
    let mut read = vec![0; expected.len()];
    let got = tokio::time::timeout(PATIENCE, from.read_exact(&mut read)).await;
    got.unwrap_or_else(|_| panic!("{what}: fewer bytes than sent")).unwrap();
    let differs = read.iter().zip(expected).position(|(read, sent)| read != sent);
    assert_eq!(differs, None, "{what}: first byte that differs, of {}", expected.len());
}

/// Reads to the end of the connection; gives what came.
pub(crate) async fn rest(from: &mut TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    tokio::time::timeout(PATIENCE, from.read_to_end(&mut read)).await.expect("an end in time").unwrap();
    read
}
