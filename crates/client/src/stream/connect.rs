//! One attempt to open a WebSocket: TCP, TLS, then the handshake.

use super::handshake::{handshake, key, plain_request, upgrade};
use crate::endpoint::Endpoint;
use crate::{Error, Payer, Session};
use http::header::AUTHORIZATION;
use http::{HeaderValue, StatusCode};
use rustls::pki_types::ServerName;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tollwire_x402::StreamId;

/// An open WebSocket over TCP or TLS.
pub(crate) type Socket = WebSocketStream<Box<dyn Connection>>;

/// A byte stream, encrypted or not.
pub(crate) trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Connection for T {}

/// tungstenite's own 128 KiB buffers would be most of what a stream costs.
const READ_BUFFER_BYTES: usize = 8 * 1024;
const WRITE_BUFFER_BYTES: usize = 4 * 1024;

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The connection broke, or the answer never came: nobody knows whether the stream was opened.
    Broken(String),
    /// The server said no.
    Refused(Refusal),
    /// It cannot work, however often tried.
    Fatal(Error),
}

/// A refused upgrade.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// Whether it says how to pay.
    pub(super) payable: bool,
    pub(super) retry_after: Option<Duration>,
    pub(super) problem: Option<String>,
}

/// Opens a WebSocket with a session's token. `id` is the same for every attempt to open the same stream.
pub(super) async fn connect(payer: &Payer, session: &Session, id: &StreamId) -> Result<Socket, Failure> {
    let config = payer.config();
    let attempt = async {
        let (host, port) = (session.ws.host(), session.ws.port());
        let dialled = dial(payer.tls(), (&host, port), session.ws.is_secure()).await;
        let connection = dialled.map_err(|error| Failure::Broken(error.to_string()))?;
        let (connection, ahead) = handshake(connection, payer, session, id).await?;
        let limits = Some(limits(config.message_bytes_max));
        Ok(WebSocketStream::from_partially_read(connection, ahead, Role::Client, limits).await)
    };
    match timeout(config.connect_wait, attempt).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Failure::Broken("no answer in time".into())),
    }
}

/// Opens a WebSocket where nobody has to say who he is.
pub(crate) async fn open(payer: &Payer, target: &Endpoint) -> Result<Socket, Failure> {
    let config = payer.config();
    let attempt = open_at(payer.tls(), target, None, config.message_bytes_max);
    match timeout(config.connect_wait, attempt).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Failure::Broken("no answer in time".into())),
    }
}

/// Opens a WebSocket, with `Authorization: Bearer` if there is a token. Its messages have at most so many bytes.
pub(crate) async fn open_at(
    tls: &Arc<rustls::ClientConfig>,
    target: &Endpoint,
    token: Option<&str>,
    message_bytes_max: usize,
) -> Result<Socket, Failure> {
    let dialled = dial(tls, (&target.host(), target.port()), target.is_secure()).await;
    let connection = dialled.map_err(|error| Failure::Broken(error.to_string()))?;
    let key = key();
    let request = plain_request(&target.path_and_query(), &target.authority(), &key);
    let mut request = request.map_err(Failure::Fatal)?;
    if let Some(token) = token {
        let bearer = HeaderValue::try_from(format!("Bearer {token}"));
        let fatal = |_| Failure::Fatal(Error::Url("the token cannot stand in a header"));
        let mut bearer = bearer.map_err(fatal)?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, bearer);
    }
    let (connection, ahead) = upgrade(connection, request, &key).await?;
    let limits = Some(limits(message_bytes_max));
    Ok(WebSocketStream::from_partially_read(connection, ahead, Role::Client, limits).await)
}

/// A connection to a host, whose name is without brackets.
async fn dial(
    tls: &Arc<rustls::ClientConfig>,
    (host, port): (&str, u16),
    secure: bool,
) -> std::io::Result<Box<dyn Connection>> {
    let tcp = TcpStream::connect((host, port)).await?;
    tcp.set_nodelay(true)?;
    if !secure {
        return Ok(Box::new(tcp));
    }
    let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
    Ok(Box::new(TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await?))
}

fn limits(longest: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(longest.saturating_add(64 * 1024))
        .max_message_size(Some(longest))
        .max_frame_size(Some(longest))
}
