//! An upstream that sends every message back, and closes a connection that breaks the protocol with the code that says so.

use futures_util::{SinkExt as _, StreamExt as _};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// A running echo; dropping it closes everything.
pub(crate) struct Echo {
    address: SocketAddr,
    _server: JoinSet<()>,
}

impl Echo {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                connections.spawn(serve(socket));
            }
        });
        Self { address, _server: server }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }
}

async fn serve(socket: TcpStream) {
    let Ok(mut socket) = accept_async(socket).await else { return };
    let code = loop {
        match socket.next().await {
            Some(Ok(message)) if message.is_text() || message.is_binary() => {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
            Some(Ok(_)) => {}
            Some(Err(Error::Utf8(_))) => break CloseCode::Invalid,
            Some(Err(Error::Protocol(_))) => break CloseCode::Protocol,
            Some(Err(_)) | None => return,
        }
    };
    let wait = Duration::from_secs(5);
    drop(timeout(wait, socket.close(Some(CloseFrame { code, reason: "".into() }))).await);
    // Unread input would turn into a reset, which destroys the Close.
    let transport = socket.get_mut();
    let mut rest = [0; 4096];
    if transport.shutdown().await.is_ok() {
        let to_the_end = async { while let Ok(1..) = transport.read(&mut rest).await {} };
        drop(timeout(wait, to_the_end).await);
    }
}
