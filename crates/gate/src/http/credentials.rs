//! Where a request carries its token.

use crate::error::Error;
use crate::payment::single;
use http::HeaderMap;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// The bearer token of a request, if it has one. Another scheme, or the header twice, is malformed.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let Some(value) = single(headers, "authorization")? else { return Ok(None) };
    let text = std::str::from_utf8(value).unwrap_or_default();
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => {
            Ok(Some(token.trim()))
        }
        _ => Err(Error::malformed("authorization", "write Bearer and the token")),
    }
}

/// The token of an upgrade: in the header, or in `?token=` for clients that cannot set one; not in both.
pub(crate) fn upgrade_token(parts: &Parts) -> Result<Option<Cow<'_, str>>, Error> {
    let header = bearer(&parts.headers)?.map(Cow::Borrowed);
    let query = parameter(parts, "token")?;
    match (header, query) {
        (Some(_), Some(_)) => {
            Err(Error::malformed("token", "send it as Authorization: Bearer or as ?token=, not as both"))
        }
        (header, query) => Ok(header.or(query)),
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
