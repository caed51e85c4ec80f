//! A proxy as one writes it with a WebSocket library: every message decoded and encoded again.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async, client_async};

use crate::arguments::value;
use crate::{Failure, say};

/// Proxies `--port` to `--upstream` for ever.
pub(crate) async fn run(arguments: &[String]) -> Result<(), Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, value::<u16>(arguments, "port")?));
    let upstream: SocketAddr = value(arguments, "upstream")?;
    let listener = TcpListener::bind(address).await?;
    say("listening");
    loop {
        let (socket, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(failure) = serve(socket, upstream).await {
                say(&format!("naive: {failure}"));
            }
        });
    }
}

async fn serve(socket: TcpStream, upstream: SocketAddr) -> Result<(), Failure> {
    socket.set_nodelay(true)?;
    let target = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&target);
    #[expect(clippy::result_large_err, reason = "the library's own signature")]
    let note = move |request: &Request, response: Response| {
        *seen.lock().unwrap_or_else(PoisonError::into_inner) = request.uri().to_string();
        Ok(response)
    };
    let agent = accept_hdr_async(socket, note).await?;
    let target = target.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let stream = TcpStream::connect(upstream).await?;
    stream.set_nodelay(true)?;
    let (provider, _) = client_async(format!("ws://{upstream}{target}"), stream).await?;
    Ok(relay(agent, provider).await?)
}

async fn relay(
    agent: WebSocketStream<TcpStream>,
    provider: WebSocketStream<TcpStream>,
) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    let (mut to_agent, mut from_agent) = agent.split();
    let (mut to_provider, mut from_provider) = provider.split();
    let down = async {
        while let Some(message) = from_provider.next().await {
            to_agent.send(message?).await?;
        }
        Ok(())
    };
    let up = async {
        while let Some(message) = from_agent.next().await {
            to_provider.send(message?).await?;
        }
        Ok(())
    };
    // Either end ends both; a send to a closed side is how a close looks from here.
    tokio::select! { ended = down => ended, ended = up => ended }
}
