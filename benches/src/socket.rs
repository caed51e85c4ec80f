//! WebSockets by hand: handshake both ways, and frames as plain bytes.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::Failure;

/// The longest head either side sends.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// A close frame with code 1000 from a server.
pub(crate) const CLOSE: [u8; 4] = [0x88, 2, 0x03, 0xE8];
/// The same from a client, masked with zeros.
pub(crate) const MASKED_CLOSE: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8];

/// What a client asks for.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) address: SocketAddr,
    /// Path and query.
    pub(crate) target: String,
    /// Bearer tokens, one per agent; none where nobody asks for any.
    pub(crate) tokens: Vec<String>,
}

/// Opens a WebSocket, as the `turn`th to do so.
pub(crate) async fn open(ask: &Ask, turn: usize) -> Result<TcpStream, Failure> {
    let mut socket = TcpStream::connect(ask.address).await?;
    socket.set_nodelay(true)?;
    let token = turn.checked_rem(ask.tokens.len()).and_then(|agent| ask.tokens.get(agent));
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{authorization}\r\n",
        ask.target, ask.address,
    );
    socket.write_all(request.as_bytes()).await?;
    let head = read_head(&mut socket).await?;
    if head.starts_with("HTTP/1.1 101") {
        return Ok(socket);
    }
    Err(format!("no upgrade: {}", head.lines().next().unwrap_or_default()).into())
}

/// Answers a handshake; the path and query it asked for.
pub(crate) async fn accept(socket: &mut TcpStream) -> Result<String, Failure> {
    socket.set_nodelay(true)?;
    let head = read_head(socket).await?;
    let target = head.split(' ').nth(1).ok_or("no target")?.to_owned();
    let key = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))
        .map(|(_, value)| value.trim())
        .ok_or("no key")?;
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key.as_bytes()),
    );
    socket.write_all(answer.as_bytes()).await?;
    Ok(target)
}

/// The value of `name` in a target's query.
pub(crate) fn query<'a>(target: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = target.split_once('?')?;
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// A binary frame from a server.
pub(crate) fn frame(size: usize) -> Result<Vec<u8>, Failure> {
    Ok([head(size, 0)?, vec![0x5A; size]].concat())
}

/// The same from a client, masked with zeros.
pub(crate) fn masked_frame(size: usize) -> Result<Vec<u8>, Failure> {
    Ok([head(size, 0x80)?, vec![0; 4], vec![0x5A; size]].concat())
}

fn head(size: usize, mask: u8) -> Result<Vec<u8>, Failure> {
    Ok(if let Ok(short @ 0..=125) = u8::try_from(size) {
        vec![0x82, short | mask]
    } else {
        let [high, low] = u16::try_from(size)?.to_be_bytes();
        vec![0x82, 0x7E | mask, high, low]
    })
}

/// Everything up to the empty line, byte by byte so that nothing behind it is taken.
async fn read_head(socket: &mut TcpStream) -> Result<String, Failure> {
    let mut head = Vec::with_capacity(512);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD_BYTES_MAX {
            return Err("a head without end".into());
        }
        head.push(socket.read_u8().await?);
    }
    Ok(String::from_utf8(head)?)
}
