//! Where a request carries its token.

use crate::error::Error;
use crate::payment::single;
use http::HeaderMap;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// A token as it was presented.
pub(crate) struct Credential<'a> {
    token: Cow<'a, str>,
    by_key: bool,
}

impl Credential<'_> {
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Whether it came as `Authorization: DPoP`: beside a proof of the key that it is bound to.
    pub(crate) fn is_by_key(&self) -> bool {
        self.by_key
    }
}

/// The bearer token of a request, if it has one. Another scheme, or the header twice, is malformed.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    match authorization(headers)? {
        None => Ok(None),
        Some(("bearer", token)) => Ok(Some(token)),
        Some(_) => Err(Error::malformed("authorization", "write Bearer and the token")),
    }
}

/// The session token of a request's `Authorization`, if it has one.
pub(crate) fn credential(headers: &HeaderMap) -> Result<Option<Credential<'_>>, Error> {
    let found = authorization(headers)?;
    Ok(found.map(|(scheme, token)| Credential { token: Cow::Borrowed(token), by_key: scheme == "dpop" }))
}

/// The same, where there must be one.
pub(crate) fn required(headers: &HeaderMap) -> Result<Credential<'_>, Error> {
    credential(headers)?.ok_or(Error::TokenMissing)
}

/// The token of an upgrade: in the header, or in `?token=` for clients that cannot set one; not in both.
pub(crate) fn upgrade_credential(parts: &Parts) -> Result<Option<Credential<'_>>, Error> {
    let header = credential(&parts.headers)?;
    let query = parameter(parts, "token")?;
    match (header, query) {
        (Some(_), Some(_)) => {
            Err(Error::malformed("token", "send it as Authorization or as ?token=, not as both"))
        }
        (header, query) => Ok(header.or(query.map(|token| Credential { token, by_key: false }))),
    }
}

/// The scheme, in lower case, and the token.
fn authorization(headers: &HeaderMap) -> Result<Option<(&'static str, &str)>, Error> {
    let Some(value) = single(headers, "authorization")? else { return Ok(None) };
    let text = std::str::from_utf8(value).unwrap_or_default();
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    let known = ["bearer", "dpop"].into_iter().find(|known| scheme.eq_ignore_ascii_case(known));
    match known {
        Some(known) if !token.trim().is_empty() => Ok(Some((known, token.trim()))),
        _ => Err(Error::malformed("authorization", "write Bearer or DPoP, and the token")),
    }
}

/// A query parameter that may stand at most once.
pub(crate) fn parameter<'a>(parts: &'a Parts, name: &'static str) -> Result<Option<Cow<'a, str>>, Error> {
    let pairs = parts.uri.query().unwrap_or_default().split('&');
    let mut values = pairs.filter_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    });
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Error::malformed(name, "send it once"));
    }
    let text = percent_decode_str(value).decode_utf8();
    text.map(Some).map_err(|_| Error::malformed(name, "write UTF-8"))
}
