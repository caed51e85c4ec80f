//! From hyper's upgraded connection back to the socket underneath, so that hyper's own state is freed.

use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Parts, Upgraded};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tollwire_wire::{Transport, socket};

/// How long the 101 may take to leave.
const UPGRADE_WITHIN: Duration = Duration::from_secs(10);

/// Why there is no connection after a 101.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpgradeError {
    /// The agent went away before the 101 had left.
    #[error("the agent went away before the 101 had left")]
    Gone(#[source] hyper::Error),
    /// The 101 did not leave in time.
    #[error("the 101 did not leave in time")]
    Late,
    /// hyper serves an IO type that we cannot take over.
    #[error(
        "cannot take over the agent's connection: serve hyper with TokioIo<tollwire_wire::Transport>, \
         TokioIo<TcpStream> or TokioIo<tokio_rustls::server::TlsStream<TcpStream>>"
    )]
    UnknownIo,
}

/// The agent's connection once the 101 has left, and what it sent right behind its request.
pub(crate) async fn take_over(upgrade: OnUpgrade) -> Result<(Transport, Bytes), UpgradeError> {
    let upgraded = timeout(UPGRADE_WITHIN, upgrade).await.map_err(|_| UpgradeError::Late)?;
    let upgraded = upgraded.map_err(UpgradeError::Gone)?;
    unwrap::<Transport>(upgraded)
        .or_else(unwrap::<TcpStream>)
        .or_else(unwrap::<TlsStream<TcpStream>>)
        .map_err(|_| UpgradeError::UnknownIo)
}

fn unwrap<T>(upgraded: Upgraded) -> Result<(Transport, Bytes), Upgraded>
where
    T: Into<Transport>,
    TokioIo<T>: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
{
    let Parts { io, read_buf, .. } = upgraded.downcast::<TokioIo<T>>()?;
    let transport = io.into_inner().into();
    if let Err(error) = transport.tcp().set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    if let Err(error) = socket::watch_peer(transport.tcp(), socket::STREAM_PEER_GONE_AFTER) {
        tracing::debug!(%error, "an agent that vanishes is found out late");
    }
    // Copied, because the bytes share hyper's read buffer, which must not live as long as the stream.
    Ok((transport, Bytes::copy_from_slice(&read_buf)))
}
