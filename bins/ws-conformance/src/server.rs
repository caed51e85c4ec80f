//! The server under test: one HTTP request at a time, and upgrades.

use crate::cli::Cli;
use crate::frames::Stream;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use sha1::{Digest as _, Sha1};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tollwire_x402::header;
use url::{Host, Url};

/// The longest body that is read, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;

/// RFC 6455, section 1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A byte stream, encrypted or not.
pub(crate) trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Connection for T {}

/// Header lines of a request.
pub(crate) type Lines<'a> = &'a [(&'a str, &'a str)];

/// How to reach it.
pub(crate) struct Server {
    /// Where sessions are sold.
    pub(crate) session: Url,
    tls: TlsConnector,
    allow_plain: bool,
    pub(crate) patience: Duration,
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What an upgrade came to.
pub(crate) enum Opened {
    Stream(Box<Stream>, HeaderMap),
    Refused(Answer),
}

impl Server {
    pub(crate) fn new(cli: &Cli) -> Result<Self, String> {
        let session: Url = cli.url.parse().map_err(|error| format!("{}: {error}", cli.url))?;
        if !matches!(session.scheme(), "http" | "https") {
            return Err("the URL of the session resource begins with https:// or http://".into());
        }
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(path) = &cli.roots {
            let pem = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|error| error.to_string())?;
                roots.add(certificate).map_err(|error| error.to_string())?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let patience = Duration::from_secs(cli.patience.max(1));
        Ok(Self { session, tls: TlsConnector::from(Arc::new(tls)), allow_plain: cli.allow_plain, patience })
    }

    async fn connect(&self, url: &Url) -> Result<Box<dyn Connection>, String> {
        let host = match url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(ip)) => ip.to_string(),
            Some(Host::Ipv6(ip)) => ip.to_string(),
            None => return Err(format!("{url} names no host")),
        };
        let secure = matches!(url.scheme(), "https" | "wss");
        let port = url.port().unwrap_or(if secure { 443 } else { 80 });
        let tcp = TcpStream::connect((host.as_str(), port)).await;
        let tcp = tcp.map_err(|error| format!("cannot connect to {host}:{port}: {error}"))?;
        tcp.set_nodelay(true).map_err(|error| error.to_string())?;
        let near = tcp.peer_addr().is_ok_and(|peer| peer.ip().is_loopback());
        if !secure {
            return if near || self.allow_plain {
                Ok(Box::new(tcp))
            } else {
                Err(format!("{url} would carry tokens and payments in the clear (--allow-plain)"))
            };
        }
        let name = ServerName::try_from(host).map_err(|error| error.to_string())?;
        let tls = self.tls.connect(name, tcp).await.map_err(|error| format!("TLS: {error}"))?;
        Ok(Box::new(tls))
    }

    /// One request on a connection of its own.
    pub(crate) async fn send(&self, method: Method, url: &Url, lines: Lines<'_>) -> Result<Answer, String> {
        let exchange = async {
            let connection = self.connect(url).await?;
            let (mut sender, driver) = http1::handshake(TokioIo::new(connection)).await.map_err(said)?;
            let request = request(method, url, lines)?;
            let mut answer = pin!(async { read(sender.send_request(request).await.map_err(said)?).await });
            tokio::select! {
                answer = &mut answer => answer,
                // The connection may end with the answer.
                _ = driver => answer.await,
            }
        };
        timeout(self.patience, exchange).await.map_err(|_| "no answer in time".to_owned())?
    }

    pub(crate) async fn get(&self, url: &Url, lines: Lines<'_>) -> Result<Answer, String> {
        self.send(Method::GET, url, lines).await
    }

    /// Asks for a WebSocket, and offers compression.
    pub(crate) async fn open(&self, url: &Url, lines: Lines<'_>) -> Result<Opened, String> {
        let exchange = async {
            let connection = self.connect(url).await?;
            let (mut sender, driver) = http1::handshake(TokioIo::new(connection)).await.map_err(said)?;
            let key = STANDARD.encode(crate::purse::random::<16>()?);
            let ours = [
                ("connection", "Upgrade"),
                ("upgrade", "websocket"),
                ("sec-websocket-version", "13"),
                ("sec-websocket-key", key.as_str()),
                ("sec-websocket-extensions", "permessage-deflate"),
            ];
            let lines: Vec<_> = ours.iter().chain(lines).copied().collect();
            let request = request(Method::GET, url, &lines)?;
            let exchange = async move {
                let answer = sender.send_request(request).await.map_err(said)?;
                if answer.status() != http::StatusCode::SWITCHING_PROTOCOLS {
                    return Ok(Opened::Refused(read(answer).await?));
                }
                let headers = answer.headers().clone();
                agreed(&headers, &key)?;
                let upgraded = hyper::upgrade::on(answer).await.map_err(said)?;
                Ok(Opened::Stream(Box::new(Stream::new(Box::new(TokioIo::new(upgraded)))), headers))
            };
            // The driver ends when it has given the connection away.
            let (mut exchange, mut driver) = (pin!(exchange), pin!(driver.with_upgrades()));
            tokio::select! {
                opened = &mut exchange => opened,
                _ = &mut driver => exchange.await,
            }
        };
        timeout(self.patience, exchange).await.map_err(|_| "no answer in time".to_owned())?
    }
}

/// hyper's own texts hold no header and no URL.
#[expect(clippy::needless_pass_by_value, reason = "what map_err wants")]
fn said(error: hyper::Error) -> String {
    error.to_string()
}

/// RFC 6455, section 4.1: the answer is to this key.
fn agreed(headers: &HeaderMap, key: &str) -> Result<(), String> {
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(GUID.as_bytes());
    let accept = STANDARD.encode(hash.finalize());
    let said = headers.get("sec-websocket-accept").and_then(|value| value.to_str().ok());
    if said == Some(accept.as_str()) { Ok(()) } else { Err("a 101 to somebody else's key".into()) }
}

fn request(method: Method, url: &Url, lines: Lines<'_>) -> Result<Request<Full<Bytes>>, String> {
    let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let host = url.host_str().unwrap_or_default();
    let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let mut request = Request::builder().method(method).uri(target).header("host", authority);
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    request.body(Full::default()).map_err(|error| error.to_string())
}

async fn read(answer: Response<Incoming>) -> Result<Answer, String> {
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|error| format!("the answer was cut short: {error}"))?.to_bytes();
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
}

impl Answer {
    /// Checks the status.
    pub(crate) fn is(self, status: u16) -> Result<Self, String> {
        if self.status == status {
            return Ok(self);
        }
        let body = String::from_utf8_lossy(&self.body);
        Err(format!("status {} instead of {status}: {body}", self.status))
    }

    pub(crate) fn json(&self) -> Result<Value, String> {
        serde_json::from_slice(&self.body).map_err(|error| format!("the body is no JSON: {error}"))
    }

    /// A header that is base64 of JSON.
    pub(crate) fn decoded(&self, name: &'static str) -> Result<Value, String> {
        decoded(&self.headers, name)
    }
}

/// A header that is base64 of JSON.
pub(crate) fn decoded(headers: &HeaderMap, name: &'static str) -> Result<Value, String> {
    let value = headers.get(name).ok_or_else(|| format!("no {} header", name.to_ascii_uppercase()))?;
    header::decode(name, value.as_bytes()).map_err(|error| error.to_string())
}

impl Opened {
    /// The stream, which must have been opened.
    pub(crate) fn stream(self) -> Result<(Box<Stream>, HeaderMap), String> {
        match self {
            Self::Stream(stream, headers) => Ok((stream, headers)),
            Self::Refused(answer) => Err(match answer.is(101) {
                Ok(_) => "a 101 that is none".into(),
                Err(why) => why,
            }),
        }
    }

    /// The refusal, which must have this status.
    pub(crate) fn refused(self, status: u16) -> Result<Answer, String> {
        match self {
            Self::Stream(..) => Err(format!("status 101 instead of {status}")),
            Self::Refused(answer) => answer.is(status),
        }
    }
}
