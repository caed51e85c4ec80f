//! From an HTTP request to a WebSocket (RFC 6455, section 4.2).

use super::Socket;
use super::writing::BATCH_BYTES;
use http::header::{CONTENT_LENGTH, HOST, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::upgrade::{OnUpgrade, Parts};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tollwire_wire::{Transport, socket};

/// How long the 101 may take to leave.
const UPGRADE_WITHIN: Duration = Duration::from_secs(10);

/// tungstenite's own 128 KiB would be most of what a connection costs. It is there from the beginning, and what is longer
/// is read in steps of as much.
const READ_BUFFER_BYTES: usize = 2 * 1024;

/// Why a request does not become a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NoHandshake {
    pub(crate) status: StatusCode,
    pub(crate) why: &'static str,
}

/// Checks a handshake: the 101, and the connection that comes after it.
pub(crate) fn accept<B, T: Default>(
    request: &mut Request<B>,
) -> Result<(Response<T>, OnUpgrade), NoHandshake> {
    let no = |status, why| Err(NoHandshake { status, why });
    let headers = request.headers();
    for name in [&SEC_WEBSOCKET_KEY, &SEC_WEBSOCKET_VERSION, &HOST] {
        if headers.get_all(name).iter().count() > 1 {
            return no(StatusCode::BAD_REQUEST, "a header of the handshake stands twice");
        }
    }
    if has_body(headers) {
        return no(StatusCode::BAD_REQUEST, "a handshake has no body");
    }
    let version_13 = HeaderValue::from_static("13");
    if headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version != version_13) {
        return no(StatusCode::UPGRADE_REQUIRED, "only version 13 of the protocol is spoken here");
    }
    let Ok(answer) = create_response_with_body(request, T::default) else {
        return no(StatusCode::BAD_REQUEST, "open a WebSocket here: this is no handshake of RFC 6455");
    };
    match request.extensions_mut().remove::<OnUpgrade>() {
        Some(upgrade) => Ok((answer, upgrade)),
        None => no(StatusCode::BAD_REQUEST, "this connection cannot be upgraded"),
    }
}

/// What follows a handshake's head are frames already, so a body is either a mistake or an attempt to make two servers
/// disagree about where the head ends.
fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING)
        || headers.get_all(CONTENT_LENGTH).iter().any(|length| length.as_bytes() != b"0")
}

/// The WebSocket, once the 101 has left; hyper's own state is freed. `None` if the peer is gone.
pub(crate) async fn take_over(upgrade: OnUpgrade, frame_bytes_max: usize) -> Option<Socket> {
    let upgraded = match timeout(UPGRADE_WITHIN, upgrade).await {
        Ok(Ok(upgraded)) => upgraded,
        Ok(Err(error)) => {
            tracing::debug!(%error, "the peer went away before the 101 had left");
            return None;
        }
        Err(_) => return None,
    };
    let Ok(Parts { io, read_buf, .. }) = upgraded.downcast::<TokioIo<Transport>>() else {
        tracing::error!("cannot take over a connection: serve hyper with TokioIo<tollwire_wire::Transport>");
        return None;
    };
    let transport = io.into_inner();
    if let Err(error) = socket::watch_peer(transport.tcp(), socket::STREAM_PEER_GONE_AFTER) {
        tracing::debug!(%error, "a peer that vanishes is found out late");
    }
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(BATCH_BYTES)
        .max_message_size(Some(frame_bytes_max))
        .max_frame_size(Some(frame_bytes_max));
    let (read, config) = (read_buf.to_vec(), Some(config));
    drop(read_buf);
    Some(Box::new(WebSocketStream::from_partially_read(transport, read, Role::Server, config).await))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{CONNECTION, UPGRADE};

    fn request(lines: &[(http::HeaderName, &str)]) -> Request<()> {
        let mut request = Request::get("/api/ws/relay").body(()).unwrap();
        for (name, value) in lines {
            request.headers_mut().append(name, value.parse().unwrap());
        }
        request
    }

    #[test]
    fn what_is_no_handshake_is_told_so() {
        let key = (SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==");
        let good = [
            (CONNECTION, "keep-alive, Upgrade"),
            (UPGRADE, "websocket"),
            (SEC_WEBSOCKET_VERSION, "13"),
            key.clone(),
        ];
        let status = |lines: &[(http::HeaderName, &str)]| {
            let refused = accept::<_, ()>(&mut request(lines)).unwrap_err();
            (refused.status.as_u16(), refused.why)
        };
        assert_eq!(status(&good), (400, "this connection cannot be upgraded"), "all else was right");
        for missing in 0..good.len() {
            let mut lines = good.to_vec();
            lines.remove(missing);
            assert_eq!(status(&lines).0, 400, "{missing}");
        }
        for extra in [key, (CONTENT_LENGTH, "5"), (TRANSFER_ENCODING, "chunked")] {
            let mut lines = good.to_vec();
            lines.push(extra);
            assert_eq!(status(&lines).0, 400);
        }
        let mut old = good.to_vec();
        old[2].1 = "8";
        assert_eq!(status(&old).0, 426);
    }
}
