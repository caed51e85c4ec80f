//! Reaching an upstream: name, TCP, TLS, handshake, within one deadline.

use super::answer::{self, Agreed, HEAD_BYTES_MAX};
use super::request::Target;
use super::{UpstreamError, UpstreamRequest, tls};
use crate::ConfigError;
use bytes::{Bytes, BytesMut};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tollwire_wire::{Transport, socket};
use url::Host;

/// The most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// Room for a usual answer in one read.
const READ_BYTES: usize = 1024;

/// Opens WebSockets to upstreams.
pub(crate) struct Dialler {
    tls: TlsConnector,
    within: Duration,
}

/// An upstream that said yes.
pub(crate) struct Dialled {
    pub(crate) transport: Transport,
    /// What it sent right behind its answer.
    pub(crate) ahead: Bytes,
    pub(crate) agreed: Agreed,
}

impl Dialler {
    /// A dialler whose dials take at most `within` each.
    pub(crate) fn new(extra_roots: &[String], within: Duration) -> Result<Self, ConfigError> {
        Ok(Self { tls: tls::connector(extra_roots)?, within })
    }

    /// Asks an upstream for a WebSocket.
    pub(crate) async fn dial(&self, request: UpstreamRequest) -> Result<Dialled, UpstreamError> {
        timeout(self.within, self.shake_hands(request)).await.unwrap_or(Err(UpstreamError::Timeout))
    }

    async fn shake_hands(&self, mut request: UpstreamRequest) -> Result<Dialled, UpstreamError> {
        let tcp = self.connect(&request.target).await?;
        let mut transport = self.encrypt(tcp, &request.target).await?;
        let head = request.finish();
        transport.write_all(&head).await.map_err(|_| UpstreamError::HungUp)?;
        transport.flush().await.map_err(|_| UpstreamError::HungUp)?;
        let (head, ahead) = read_head(&mut transport).await?;
        let agreed = answer::check(&head, &request)?;
        Ok(Dialled { transport, ahead, agreed })
    }

    /// Tries the addresses in turn, each within its share of the time, so that a dead first one leaves some for the
    /// others.
    async fn connect(&self, target: &Target) -> Result<TcpStream, UpstreamError> {
        let addresses = resolve(target).await?;
        let share = self.within / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        let mut failure = UpstreamError::Resolve;
        for address in addresses {
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(tcp)) => {
                    // Frames are small and must not wait for each other's acknowledgement.
                    tcp.set_nodelay(true).map_err(|error| UpstreamError::Connect(error.kind()))?;
                    if let Err(error) = socket::watch_peer(&tcp, socket::STREAM_PEER_GONE_AFTER) {
                        tracing::debug!(%error, "an upstream that vanishes is found out late");
                    }
                    return Ok(tcp);
                }
                Ok(Err(error)) => failure = UpstreamError::Connect(error.kind()),
                Err(_) => failure = UpstreamError::Connect(io::ErrorKind::TimedOut),
            }
        }
        Err(failure)
    }

    async fn encrypt(&self, tcp: TcpStream, target: &Target) -> Result<Transport, UpstreamError> {
        if !target.tls {
            return Ok(Transport::from(tcp));
        }
        let name = tls::server_name(&target.host).ok_or(UpstreamError::Tls)?;
        match self.tls.connect(name, tcp).await {
            Ok(stream) => Ok(Transport::from(stream)),
            Err(error) => {
                tracing::debug!(%error, "TLS with an upstream failed");
                Err(UpstreamError::Tls)
            }
        }
    }
}

async fn resolve(target: &Target) -> Result<Vec<SocketAddr>, UpstreamError> {
    match &target.host {
        Host::Ipv4(address) => Ok(vec![((*address), target.port).into()]),
        Host::Ipv6(address) => Ok(vec![((*address), target.port).into()]),
        Host::Domain(name) => {
            let found =
                lookup_host((name.as_str(), target.port)).await.map_err(|_| UpstreamError::Resolve)?;
            Ok(found.take(ADDRESSES_MAX).collect())
        }
    }
}

/// Reads to the end of a head; what came behind it is kept apart.
async fn read_head(transport: &mut Transport) -> Result<(BytesMut, Bytes), UpstreamError> {
    let mut bytes = BytesMut::with_capacity(READ_BYTES);
    loop {
        let searched = bytes.len();
        if transport.read_buf(&mut bytes).await.map_err(|_| UpstreamError::HungUp)? == 0 {
            return Err(if searched == 0 { UpstreamError::HungUp } else { UpstreamError::Malformed });
        }
        if let Some(end) = answer::end_of_head(&bytes, searched) {
            // Copied, so that the stream does not keep the head's buffer alive.
            let ahead = Bytes::copy_from_slice(bytes.get(end..).unwrap_or_default());
            bytes.truncate(end);
            return Ok((bytes, ahead));
        }
        if bytes.len() >= HEAD_BYTES_MAX {
            return Err(UpstreamError::Malformed);
        }
    }
}
