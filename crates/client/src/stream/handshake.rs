//! The opening handshake (RFC 6455, section 4.1), by hyper.
//!
//! tungstenite has one too, but writes the whole request, token included, to the log at trace level, and leaves
//! the body of a refusal half read.

use super::connect::{Connection, Failure, Refusal};
use crate::http_client::{problem_kind, retry_after};
use crate::{Error, Payer, Session};
use bytes::Bytes;
use futures_util::future::{Either, select};
use http::header::{
    CONNECTION, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::pin::pin;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tollwire_x402::{StreamId, header};

/// The longest body of a refusal that is read, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;

type Io = TokioIo<Box<dyn Connection>>;

/// Upgrades a connection. Answers it, and what the server has sent ahead.
pub(super) async fn handshake(
    connection: Box<dyn Connection>,
    payer: &Payer,
    session: &Session,
    id: &StreamId,
) -> Result<(Box<dyn Connection>, Vec<u8>), Failure> {
    let key = key();
    let request = request(payer, session, id, &key).map_err(Failure::Fatal)?;
    upgrade(connection, request, &key).await
}

/// A key for a handshake.
pub(crate) fn key() -> String {
    generate_key()
}

/// Upgrades a connection by this request, which has this key.
pub(crate) async fn upgrade(
    connection: Box<dyn Connection>,
    request: Request<Empty<Bytes>>,
    key: &str,
) -> Result<(Box<dyn Connection>, Vec<u8>), Failure> {
    let (mut sender, driver) = http1::handshake(TokioIo::new(connection)).await?;
    let exchange = async move {
        let answer = sender.send_request(request).await?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(Failure::Refused(refusal(answer).await));
        }
        check(answer.headers(), key).map_err(|what| Failure::Fatal(Error::Protocol(what.into())))?;
        Ok(hyper::upgrade::on(answer).await?)
    };
    // The driver moves the bytes; it ends when it gives the connection away.
    let upgraded = match select(pin!(exchange), pin!(driver.with_upgrades())).await {
        Either::Left((upgraded, _)) => upgraded?,
        Either::Right((_, exchange)) => exchange.await?,
    };
    let parts = upgraded
        .downcast::<Io>()
        .map_err(|_| Failure::Fatal(Error::Protocol("the connection was not given back".into())))?;
    Ok((parts.io.into_inner(), parts.read_buf.to_vec()))
}

fn request(
    payer: &Payer,
    session: &Session,
    id: &StreamId,
    key: &str,
) -> Result<Request<Empty<Bytes>>, Error> {
    let mut target = session.ws.clone();
    if payer.config().control {
        target = target.with_parameter("control", "v1");
    }
    let mut request = plain_request(&target.path_and_query(), &target.authority(), key)?;
    let stream =
        HeaderValue::from_str(id.as_str()).map_err(|_| Error::Url("it cannot stand in a request"))?;
    request.headers_mut().insert(header::TOLLWIRE_STREAM, stream);
    payer.authorize(request.headers_mut(), &Method::GET, &session.ws, session)?;
    Ok(request)
}

/// A handshake's request, without what it proves itself with.
pub(crate) fn plain_request(
    target: &str,
    authority: &str,
    key: &str,
) -> Result<Request<Empty<Bytes>>, Error> {
    Request::get(target)
        .header(HOST, authority)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_KEY, key)
        .body(Empty::new())
        .map_err(|_| Error::Url("it cannot stand in a request"))
}

/// What a 101 must say, in the order of RFC 6455; nothing was offered, so nothing may be chosen.
fn check(headers: &HeaderMap, key: &str) -> Result<(), &'static str> {
    let has = |name, word: &str| {
        headers.get_all(name).iter().any(|value| {
            let tokens = value.to_str().unwrap_or_default();
            tokens.split(',').any(|token| token.trim().eq_ignore_ascii_case(word))
        })
    };
    if !has(UPGRADE, "websocket") || !has(CONNECTION, "upgrade") {
        return Err("a 101 that does not upgrade to websocket");
    }
    let accept = headers.get(SEC_WEBSOCKET_ACCEPT).map(http::HeaderValue::as_bytes);
    if accept != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
        return Err("a 101 to somebody else's key");
    }
    if headers.contains_key(SEC_WEBSOCKET_EXTENSIONS) || headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
        return Err("a 101 with extensions or a subprotocol that nobody offered");
    }
    Ok(())
}

async fn refusal(answer: Response<Incoming>) -> Refusal {
    let (parts, body) = answer.into_parts();
    // The status decides; the body only says it more precisely.
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    Refusal {
        status: parts.status,
        payable: parts.headers.contains_key(header::PAYMENT_REQUIRED),
        retry_after: retry_after(&parts.headers),
        problem: body.ok().and_then(|body| problem_kind(&body.to_bytes())),
    }
}

impl From<hyper::Error> for Failure {
    fn from(error: hyper::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key and its answer of RFC 6455, section 1.3.
    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    fn headers(lines: &[(http::HeaderName, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.clone(), http::HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_the_right_101_is_a_websocket() {
        let good =
            [(UPGRADE, "WebSocket"), (CONNECTION, "keep-alive, Upgrade"), (SEC_WEBSOCKET_ACCEPT, ACCEPT)];
        assert_eq!(check(&headers(&good), KEY), Ok(()));
        assert!(check(&headers(&good), "AAAAAAAAAAAAAAAAAAAAAA==").is_err());
        for missing in 0..good.len() {
            let mut lines = good.to_vec();
            lines.remove(missing);
            assert!(check(&headers(&lines), KEY).is_err(), "{missing}");
        }
        for extra in [(SEC_WEBSOCKET_EXTENSIONS, "permessage-deflate"), (SEC_WEBSOCKET_PROTOCOL, "x")] {
            let mut lines = good.to_vec();
            lines.push(extra);
            assert!(check(&headers(&lines), KEY).is_err());
        }
    }
}
