//! A server as one writes it with a WebSocket library: every message comes back.

use std::net::{Ipv4Addr, SocketAddr};

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_async;

use crate::arguments::value;
use crate::{Failure, say};

/// Serves on `--port` for ever.
pub(crate) async fn run(arguments: &[String]) -> Result<(), Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, value::<u16>(arguments, "port")?));
    let listener = TcpListener::bind(address).await?;
    say("listening");
    loop {
        let (socket, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(failure) = serve(socket).await {
                say(&format!("echo: {failure}"));
            }
        });
    }
}

async fn serve(socket: TcpStream) -> Result<(), Failure> {
    socket.set_nodelay(true)?;
    let mut socket = accept_async(socket).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            socket.send(message).await?;
        }
    }
    Ok(())
}
