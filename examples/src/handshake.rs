//! The server's half of a WebSocket handshake (RFC 6455 section 4.2), for any hyper request.

use bytes::Bytes;
use http_body_util::Full;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::future::Future;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// A WebSocket over an upgraded connection.
pub type WebSocket = WebSocketStream<TokioIo<Upgraded>>;

/// The longest message an agent may send here, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Answers 101 and serves the WebSocket in a task of its own, or answers 400 if the request does not ask for one.
pub fn accept<B, F>(
    mut request: Request<B>,
    serve: impl FnOnce(WebSocket) -> F + Send + 'static,
) -> Response<Full<Bytes>>
where
    F: Future<Output = ()> + Send,
{
    let Ok(response) = create_response_with_body(&request, Full::default) else {
        let mut response = Response::new(Full::from("A WebSocket handshake is expected."));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return response;
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            let io = TokioIo::new(upgraded);
            serve(WebSocket::from_raw_socket(io, Role::Server, Some(config())).await).await;
        }
    });
    response
}

/// Small buffers: the library's defaults cost 128 KiB per connection, this feed's messages have 50 bytes.
fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0)
        .max_write_buffer_size(64 * 1024)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
}
