//! The 101 that the agent gets.

use crate::upstream::Agreed;
use bytes::Bytes;
use http::header::{
    CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use http::{Response, StatusCode};
use http_body_util::Full;

/// The answer to an upgrade request.
pub type Answer = Response<Full<Bytes>>;

/// The 101 with what was agreed, and nothing else.
pub(crate) fn switching(accept: &str, agreed: &Agreed) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    answer.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    set(&mut answer, SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(protocol) = &agreed.protocol {
        set(&mut answer, SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    if !agreed.extensions.is_empty() {
        set(&mut answer, SEC_WEBSOCKET_EXTENSIONS, &agreed.extensions);
    }
    answer
}

/// Sets a header whose value has been checked to be one: base64, tokens, an extension list, an id.
pub(crate) fn set(answer: &mut Answer, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}
