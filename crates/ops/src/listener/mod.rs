//! Accepting connections: header timeouts, connection caps, TLS, trusted proxies, upgrades, graceful drain.
//!
//! hyper's connections are driven here because a ready-made accept loop leaves half-sent requests open for ever.

mod client;
mod connection;
mod slots;
mod tls;

pub use client::ProxyTrust;
pub use tls::acceptor;

use crate::Error;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use slots::Slots;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

/// Bounds of a listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Time for a TLS handshake.
    pub tls_handshake: Duration,
    /// Time for a request's head, and the longest idle wait between two requests.
    pub header_read: Duration,
    /// How long a client may take no byte of an answer, or acknowledge none, before its connection ends.
    pub answer_stall: Duration,
    /// Bytes of a request's head.
    pub header_bytes_max: usize,
    /// Header lines of a request.
    pub headers_max: usize,
    /// Connections at once.
    pub connections_max: usize,
    /// Connections at once from one address; loopback and trusted proxies are exempt.
    pub connections_per_address_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tls_handshake: Duration::from_secs(5),
            header_read: Duration::from_secs(5),
            answer_stall: Duration::from_secs(30),
            header_bytes_max: 48 * 1024,
            headers_max: 64,
            connections_max: 20_000,
            connections_per_address_max: 200,
        }
    }
}

/// A bound listener, ready to serve.
pub struct Listener {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
    trust: ProxyTrust,
    limits: Limits,
}

impl Listener {
    /// Binds a listener.
    pub async fn bind(address: SocketAddr, limits: Limits) -> Result<Self, Error> {
        let socket = TcpListener::bind(address)
            .await
            .map_err(|error| Error::Listen { address: address.to_string(), reason: error.to_string() })?;
        if let Err(error) = tollwire_wire::socket::watch_peer(&socket, limits.answer_stall) {
            tracing::warn!(%error, "peers that vanish are found out late: the system takes no socket options");
        }
        Ok(Self { socket, tls: None, trust: ProxyTrust::default(), limits })
    }

    /// Speaks TLS.
    #[must_use]
    pub fn with_tls(mut self, tls: Option<TlsAcceptor>) -> Self {
        self.tls = tls;
        self
    }

    /// Believes `X-Forwarded-For` from these proxies.
    #[must_use]
    pub fn trusting(mut self, trust: ProxyTrust) -> Self {
        self.trust = trust;
        self
    }

    /// The bound address.
    pub fn local_addr(&self) -> Result<SocketAddr, Error> {
        self.socket
            .local_addr()
            .map_err(|error| Error::Listen { address: "unknown".into(), reason: error.to_string() })
    }

    /// Serves until `stop`; then accepts no more, lets requests in flight finish for at most `grace`, and returns.
    ///
    /// Upgraded connections are not waited for: whoever upgraded them owns them.
    /// Every request carries the client's [`std::net::IpAddr`] as an extension.
    pub async fn serve<S, B>(self, service: S, stop: CancellationToken, grace: Duration)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let slots = Slots::new(self.limits.connections_max, self.limits.connections_per_address_max);
        let connections = TaskTracker::new();
        let shared = Arc::new(connection::Shared { tls: self.tls, trust: self.trust, limits: self.limits });
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.socket.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors or the like: it passes, and a tight loop would not help it.
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            // A listener for both families sees IPv4 clients as ::ffff:a.b.c.d.
            let peer = peer.ip().to_canonical();
            let exempt = peer.is_loopback() || shared.trust.trusts(peer);
            let Some(slot) = slots.take(peer, exempt) else {
                ::metrics::counter!("tollwire_connections_refused_total").increment(1);
                continue;
            };
            connections.spawn(connection::run(
                Arc::clone(&shared),
                stream,
                peer,
                service.clone(),
                stop.clone(),
                slot,
            ));
        }
        connections.close();
        if tokio::time::timeout(grace, connections.wait()).await.is_err() {
            tracing::warn!(open = connections.len(), "requests were still open at the deadline");
        }
    }
}
