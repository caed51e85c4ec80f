//! The server's half of the opening handshake, honest or not.

use super::{Mode, SeenRequest, Shared};
use std::sync::PoisonError;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};

/// Answers the upgrade as `mode` says; `None` when there will be no WebSocket.
///
/// The subprotocol is the first one offered. Extensions are not agreed to.
pub(super) async fn answer(
    stream: TcpStream,
    mode: &Mode,
    shared: &Shared,
) -> Option<WebSocketStream<TcpStream>> {
    tokio_tungstenite::accept_hdr_async(stream, Answer { mode, shared }).await.ok()
}

struct Answer<'a> {
    mode: &'a Mode,
    shared: &'a Shared,
}

impl Callback for Answer<'_> {
    fn on_request(self, request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).push(seen(request));
        self.shared.counts.send_modify(|counts| counts.requests = counts.requests.saturating_add(1));
        if let Mode::RefuseUpgrade(status) = self.mode {
            let mut refusal = ErrorResponse::new(None);
            *refusal.status_mut() = StatusCode::from_u16(*status).unwrap_or(StatusCode::FORBIDDEN);
            return Err(refusal);
        }
        if let Mode::WrongAcceptKey = self.mode {
            let lie = HeaderValue::from_static("AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
            response.headers_mut().insert("sec-websocket-accept", lie);
        }
        let offered = request.headers().get("sec-websocket-protocol").and_then(|value| value.to_str().ok());
        let first = offered.and_then(|list| list.split(',').next()).map(str::trim);
        if let Some(value) = first.and_then(|name| HeaderValue::from_str(name).ok()) {
            response.headers_mut().insert("sec-websocket-protocol", value);
        }
        Ok(response)
    }
}

fn seen(request: &Request) -> SeenRequest {
    let headers = request.headers().iter();
    SeenRequest {
        target: request.uri().to_string(),
        headers: headers
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
    }
}
