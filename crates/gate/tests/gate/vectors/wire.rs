//! Requests byte by byte, and streams frame by frame.

use super::file::{Close, Control, Frame, Payload, Request, Step};
use super::same::free_of;
use futures_util::{SinkExt as _, StreamExt as _};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::Frame as Wire;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

const PATIENCE: Duration = Duration::from_secs(10);

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    pub(crate) close: Option<Close>,
}

fn text(request: &Request) -> String {
    let mut text = format!("{} {} HTTP/1.1\r\nhost: pay.example:4020\r\n", request.method, request.target);
    for (name, value) in &request.headers {
        write!(text, "{name}: {value}\r\n").unwrap();
    }
    text + "\r\n"
}

async fn head(socket: &mut TcpStream) -> (u16, BTreeMap<String, String>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(PATIENCE, socket.read_u8()).await.unwrap().unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    (status, lines.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect())
}

/// Sends a request on a connection of its own. Of a stream that was opened only a close that comes by itself is read.
pub(crate) async fn exchange(address: SocketAddr, request: &Request) -> Raw {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(text(request).as_bytes()).await.unwrap();
    let (status, headers) = head(&mut socket).await;
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.unwrap();
    let close = if status == 101 { at_once(socket).await } else { None };
    Raw { status, headers, body: String::from_utf8(body).unwrap(), close }
}

/// The close that the server sends unasked, if it does; a stream that stays is closed by us.
async fn at_once(socket: TcpStream) -> Option<Close> {
    let mut stream = WebSocketStream::from_raw_socket(socket, Role::Client, None).await;
    let came = timeout(Duration::from_millis(300), stream.next()).await;
    if let Ok(Some(Ok(Message::Close(Some(frame))))) = came {
        return Some(Close { code: frame.code.into(), reason: frame.reason.to_string() });
    }
    stream.close(None).await.unwrap();
    timeout(PATIENCE, async { while stream.next().await.is_some() {} }).await.unwrap();
    None
}

/// An open stream.
pub(crate) struct Socket(WebSocketStream<TcpStream>);

pub(crate) async fn open(address: SocketAddr, target: &str) -> Socket {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let lines = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let headers = lines.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let request = Request { method: "GET".into(), target: target.into(), headers };
    socket.write_all(text(&request).as_bytes()).await.unwrap();
    let (status, headers) = head(&mut socket).await;
    assert_eq!(status, 101, "{target}: {headers:?}");
    Socket(WebSocketStream::from_raw_socket(socket, Role::Client, None).await)
}

impl Frame {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = match (&self.text, &self.hex) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(hex)) => hex::decode(hex).unwrap(),
            (None, None) => Vec::new(),
        };
        if let Some(fill) = self.fill {
            bytes.resize(fill, b'x');
        }
        bytes
    }
}

impl Socket {
    pub(crate) async fn send(&mut self, frame: &Frame) {
        let opcode = match frame.opcode {
            0 => Data::Continue,
            1 => Data::Text,
            2 => Data::Binary,
            other => panic!("opcode {other}"),
        };
        let mut wire = Wire::message(frame.bytes(), OpCode::Data(opcode), frame.fin);
        let header = wire.header_mut();
        (header.rsv1, header.rsv2, header.rsv3) =
            (frame.rsv & 4 != 0, frame.rsv & 2 != 0, frame.rsv & 1 != 0);
        self.0.send(Message::Frame(wire)).await.unwrap();
    }

    /// What comes next.
    pub(crate) async fn next(&mut self) -> Step {
        loop {
            let next = timeout(PATIENCE, self.0.next()).await.unwrap();
            return match next.unwrap().unwrap() {
                Message::Text(text) if text.starts_with(r#"{"type":"x402/"#) => {
                    Step::Control(control(text.as_str()))
                }
                Message::Text(text) => Step::Message(Payload::Text(text.to_string())),
                Message::Binary(bytes) => Step::Message(Payload::Hex(hex::encode(bytes))),
                Message::Close(Some(frame)) => {
                    Step::Close(Close { code: frame.code.into(), reason: frame.reason.to_string() })
                }
                Message::Close(None) => panic!("a close without a code"),
                _ => continue,
            };
        }
    }
}

fn control(text: &str) -> Control {
    // A feed that echoes may send back what begins as a control message and is not one: then this is not reached.
    let read: serde_json::Value =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let r#type = read["type"].as_str().unwrap().to_owned();
    let id = read["id"].as_str().map(str::to_owned);
    let data = read["data"].clone();
    let mut free = BTreeMap::new();
    free_of(&data, "/data", r#type != "x402/error", &mut free);
    // What answers nothing has a name of its own each time.
    if id.as_ref().is_some_and(|id| id.len() == 16) {
        free.insert("/id".into(), "name".into());
    }
    Control { r#type, id, data, free, text: text.to_owned() }
}
