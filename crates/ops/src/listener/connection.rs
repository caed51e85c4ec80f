//! One connection, from its first byte to its last request.

use super::{Limits, ProxyTrust, slots::Slot};
use bytes::Bytes;
use http::header::{CONNECTION, HOST};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body::Body;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tollwire_wire::Transport;
use tower_service::Service;

/// What all connections of a listener share.
pub(super) struct Shared {
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) trust: ProxyTrust,
    pub(super) limits: Limits,
}

/// Serves one connection. An upgraded connection leaves here, and with it its slot in the caps.
pub(super) async fn run<S, B>(
    shared: Arc<Shared>,
    stream: TcpStream,
    peer: IpAddr,
    service: S,
    stop: CancellationToken,
    slot: Slot,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let transport = match &shared.tls {
        None => Transport::Tcp(stream),
        Some(acceptor) => {
            match tokio::time::timeout(shared.limits.tls_handshake, acceptor.accept(stream)).await {
                Ok(Ok(tls)) => Transport::Tls(Box::new(tls.into())),
                Ok(Err(error)) => return tracing::debug!(%error, "TLS handshake failed"),
                Err(_) => return tracing::debug!("TLS handshake timed out"),
            }
        }
    };
    let limits = shared.limits;
    let service = service_fn(move |mut request: Request<Incoming>| {
        let client = shared.trust.client(peer, request.headers());
        request.extensions_mut().insert(client);
        let mut service = service.clone();
        async move {
            if names_one_host(&request) {
                service.call(request).await.map(|answer| answer.map(Either::Right))
            } else {
                Ok(bad_host().map(Either::Left))
            }
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read)
        .max_buf_size(limits.header_bytes_max)
        .max_headers(limits.headers_max)
        .half_close(true)
        .serve_connection(TokioIo::new(transport), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended with an error");
    }
    drop(slot);
}

/// HTTP/1.1 wants exactly one `Host` (RFC 9112, section 3.2). Nothing here rests on its value, but a front that
/// chose another of two would route by one and log the other.
fn names_one_host<B>(request: &Request<B>) -> bool {
    let hosts = request.headers().get_all(HOST).iter().count();
    hosts == 1 || (hosts == 0 && request.version() < Version::HTTP_11)
}

fn bad_host() -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from_static(b"send exactly one host header\n")));
    *answer.status_mut() = StatusCode::BAD_REQUEST;
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}
