//! The agent's opening handshake: what it asks for, checked once (RFC 6455, section 4.2.1).

mod key;
mod list;
#[cfg(test)]
mod tests;

pub(crate) use key::{accept_of, new_key};
pub(crate) use list::{extension_names, has_token, tokens};

use crate::HandshakeError;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use http::request::Parts;
use http::{Method, Request, Version};
use hyper::upgrade::OnUpgrade;

/// A checked handshake, and the connection it came by.
#[derive(Debug)]
pub(crate) struct Handshake {
    /// What `Sec-WebSocket-Accept` must be in the answer.
    pub(crate) accept: String,
    /// The rest, which the upstream may learn.
    pub(crate) wishes: Wishes,
    /// The connection, once the answer is sent.
    pub(crate) connection: OnUpgrade,
}

/// What the agent would like; it passes to the upstream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Wishes {
    /// Subprotocols, best first.
    pub(crate) protocols: Vec<String>,
    /// Extension offers as they came, one list; empty for none.
    pub(crate) extensions: String,
    /// `Origin`.
    pub(crate) origin: Option<HeaderValue>,
    /// `User-Agent`.
    pub(crate) user_agent: Option<HeaderValue>,
    /// The query of the request's target, as it came.
    pub(crate) query: Option<String>,
}

impl Handshake {
    /// Checks a request; its body, which a handshake does not have, is dropped.
    pub(crate) fn read<B>(request: Request<B>) -> Result<Self, HandshakeError> {
        let (mut head, _) = request.into_parts();
        let (accept, wishes) = Self::parts(&head)?;
        let connection = head.extensions.remove::<OnUpgrade>().ok_or(HandshakeError::NotUpgradable)?;
        Ok(Self { accept, wishes, connection })
    }

    /// What `Sec-WebSocket-Accept` must be, and the wishes.
    fn parts(head: &Parts) -> Result<(String, Wishes), HandshakeError> {
        if head.method != Method::GET {
            return Err(HandshakeError::Method);
        }
        if head.version != Version::HTTP_11 {
            return Err(HandshakeError::HttpVersion);
        }
        let headers = &head.headers;
        if !has_token(headers, &UPGRADE, "websocket") || !has_token(headers, &CONNECTION, "upgrade") {
            return Err(HandshakeError::NoUpgrade);
        }
        if has_body(headers) {
            return Err(HandshakeError::Body);
        }
        match once(headers, &SEC_WEBSOCKET_VERSION, "sec-websocket-version")? {
            Some(version) if version.as_bytes() == b"13" => {}
            Some(_) | None => return Err(HandshakeError::Version),
        }
        let key = once(headers, &SEC_WEBSOCKET_KEY, "sec-websocket-key")?.ok_or(HandshakeError::Key)?;
        let accept = accept_of(key.as_bytes()).ok_or(HandshakeError::Key)?;
        let wishes = Wishes {
            protocols: list::distinct_tokens(headers, &SEC_WEBSOCKET_PROTOCOL)
                .ok_or(HandshakeError::Malformed("sec-websocket-protocol"))?,
            extensions: extensions(headers).ok_or(HandshakeError::Malformed("sec-websocket-extensions"))?,
            origin: once(headers, &ORIGIN, "origin")?.cloned(),
            user_agent: once(headers, &USER_AGENT, "user-agent")?.cloned(),
            query: head.uri.query().map(str::to_owned),
        };
        Ok((accept, wishes))
    }
}

/// Checks a handshake without taking its connection: before an agent pays for an upgrade that cannot happen.
pub fn check_handshake(head: &Parts) -> Result<(), HandshakeError> {
    Handshake::parts(head)?;
    match head.extensions.get::<OnUpgrade>() {
        Some(_) => Ok(()),
        None => Err(HandshakeError::NotUpgradable),
    }
}

/// The extension offers as one list, if they follow the grammar: at least one where there is a header at all.
fn extensions(headers: &HeaderMap) -> Option<String> {
    let offers = list::joined(headers, &SEC_WEBSOCKET_EXTENSIONS)?;
    let named = extension_names(&offers)?.len();
    (offers.is_empty() || named > 0).then_some(offers)
}

/// Whether the head announces a body. What follows a handshake's head are frames already, so a body is either a
/// mistake or an attempt to make two servers disagree about where the head ends.
fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING)
        || headers.get_all(CONTENT_LENGTH).iter().any(|length| length.as_bytes() != b"0")
}

/// The value of a header that may stand once.
fn once<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    shown: &'static str,
) -> Result<Option<&'a HeaderValue>, HandshakeError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() { Err(HandshakeError::Repeated(shown)) } else { Ok(first) }
}
