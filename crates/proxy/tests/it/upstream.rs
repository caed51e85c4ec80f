//! An upstream that is scripted byte by byte.

use crate::agent::read_head;
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

pub(crate) struct RawUpstream {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
}

impl RawUpstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    /// The next connection and the head of its request.
    pub(crate) async fn accept(&self) -> (TcpStream, String) {
        let (mut tcp, _) = self.listener.accept().await.unwrap();
        let head = read_head(&mut tcp).await;
        (tcp, head)
    }

    /// Accepts the next connection as a WebSocket, with these further lines in the answer and these bytes right
    /// behind it.
    pub(crate) async fn upgrade(&self, lines: &str, behind: &[u8]) -> (TcpStream, String) {
        let (mut tcp, head) = self.accept().await;
        let mut answer = agree(&head, lines).into_bytes();
        answer.extend_from_slice(behind);
        tcp.write_all(&answer).await.unwrap();
        (tcp, head)
    }
}

/// The 101 that a request's head asks for.
pub(crate) fn agree(head: &str, lines: &str) -> String {
    let key = head.split("Sec-WebSocket-Key: ").nth(1).unwrap().split("\r\n").next().unwrap();
    let accept = derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{lines}\r\n"
    )
}
