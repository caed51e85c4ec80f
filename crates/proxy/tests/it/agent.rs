//! An agent: a WebSocket client that nobody here wrote, and a raw one.

use crate::node::Node;
use futures_util::StreamExt;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use tollwire_x402::SessionId;

pub(crate) type Socket = WebSocketStream<TcpStream>;

pub(crate) const WITHIN: Duration = Duration::from_secs(15);

/// Opens a stream for a session; `more` is further query, such as `&stream=...`.
pub(crate) async fn open(node: &Node, session: &SessionId, more: &str) -> Result<(Socket, Response), Error> {
    let url = format!("ws://{}/feeds/ticks/ws?token={session}{more}", node.address);
    let tcp = TcpStream::connect(node.address).await?;
    timeout(WITHIN, client_async(url.into_client_request()?, tcp)).await.expect("an answer in time")
}

/// Opens a stream that must open.
pub(crate) async fn opened(node: &Node, session: &SessionId, more: &str) -> Socket {
    open(node, session, more).await.expect("an open stream").0
}

/// An open that must be refused: status, body, and `Retry-After`.
pub(crate) async fn refused(node: &Node, session: &SessionId, more: &str) -> (u16, String, Option<String>) {
    match open(node, session, more).await {
        Err(Error::Http(response)) => {
            let retry = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
            let body = String::from_utf8(response.body().clone().unwrap_or_default()).unwrap();
            (response.status().as_u16(), body, retry)
        }
        Err(other) => panic!("an HTTP answer, not {other}"),
        Ok(_) => panic!("a refusal, not a stream"),
    }
}

/// Reads until the close frame; data on the way is counted.
pub(crate) async fn closed(socket: &mut Socket) -> (u16, String, usize) {
    let mut data = 0;
    loop {
        match timeout(WITHIN, socket.next()).await.expect("a close in time") {
            Some(Ok(Message::Close(Some(CloseFrame { code, reason })))) => {
                // Reading on sends our own Close.
                while let Some(Ok(_)) = socket.next().await {}
                return (code.into(), reason.to_string(), data);
            }
            Some(Ok(_)) => data += 1,
            other => panic!("a close frame, not {other:?}"),
        }
    }
}

/// The next message.
pub(crate) async fn next(socket: &mut Socket) -> Message {
    timeout(WITHIN, socket.next()).await.expect("a message in time").expect("a message").expect("a message")
}

/// A handshake as text, with these further lines.
pub(crate) fn handshake(session: &SessionId, query: &str, lines: &str) -> String {
    format!(
        "GET /feeds/ticks/ws?token={session}{query} HTTP/1.1\r\nHost: node.example\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
    )
}

/// Sends raw bytes on a new connection and reads the head of the answer; what follows it stays to be read.
pub(crate) async fn exchange(node: &Node, request: &[u8]) -> (TcpStream, String) {
    let mut tcp = TcpStream::connect(node.address).await.unwrap();
    tcp.write_all(request).await.unwrap();
    let head = read_head(&mut tcp).await;
    (tcp, head)
}

/// Reads exactly to the end of a head.
pub(crate) async fn read_head(tcp: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = timeout(WITHIN, tcp.read_u8()).await.expect("a head in time").expect("a whole head");
        head.push(byte);
    }
    String::from_utf8(head).unwrap()
}
