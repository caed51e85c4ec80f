//! Where a request carries its token: `?token=` or `Authorization: Bearer`, never both.

use crate::VerifyError;
use http::header::AUTHORIZATION;
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri, request};
use tollwire_session::Error::Malformed;

/// The request's token, if it has one. Two tokens anywhere are refused: which of them counts must not depend on who
/// reads the request.
pub fn extract_token(head: &request::Parts) -> Result<Option<&str>, VerifyError> {
    match (from_query(&head.uri)?, from_header(&head.headers)?) {
        (Some(_), Some(_)) => Err(VerifyError::Ambiguous),
        (query, header) => Ok(query.or(header)),
    }
}

/// Removes the token from a request, so that nothing behind logs or forwards it.
pub fn strip_token(head: &mut request::Parts) {
    // `None` may be another scheme: the provider's own.
    if !matches!(from_header(&head.headers), Ok(None)) {
        head.headers.remove(AUTHORIZATION);
    }
    let Some(query) = head.uri.query() else { return };
    if !query.split('&').any(is_token) {
        return;
    }
    let rest: Vec<&str> = query.split('&').filter(|pair| !is_token(pair)).collect();
    let path = head.uri.path();
    let rest = if rest.is_empty() { path.to_owned() } else { format!("{path}?{}", rest.join("&")) };
    let mut parts = std::mem::take(&mut head.uri).into_parts();
    parts.path_and_query = PathAndQuery::try_from(rest).ok();
    // Less of a URI than a leaked token, should the rest not fit together.
    head.uri = Uri::from_parts(parts).unwrap_or_default();
}

fn from_query(uri: &Uri) -> Result<Option<&str>, VerifyError> {
    let mut tokens = uri.query().unwrap_or_default().split('&').filter(|pair| is_token(pair));
    let token = tokens.next().map(|pair| pair.split_once('=').map_or("", |(_, value)| value));
    if tokens.next().is_some() { Err(VerifyError::Ambiguous) } else { Ok(token) }
}

fn is_token(pair: &str) -> bool {
    pair.split('=').next() == Some("token")
}

fn from_header(headers: &HeaderMap) -> Result<Option<&str>, VerifyError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(VerifyError::Ambiguous);
    }
    let value = value.to_str().map_err(|_| VerifyError::Token(Malformed))?;
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim_matches(' '))),
        _ if value.eq_ignore_ascii_case("bearer") => Ok(Some("")),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn head(uri: &str, authorization: &[&str]) -> request::Parts {
        let mut request = Request::builder().uri(uri);
        for value in authorization {
            request = request.header(AUTHORIZATION, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn one_token_from_one_place() {
        let ambiguous = Err(VerifyError::Ambiguous);
        for (uri, authorization, expected) in [
            ("/ws", &[][..], Ok(None)),
            ("/ws?a=1&b", &[], Ok(None)),
            ("/ws?token=x.y.z", &[], Ok(Some("x.y.z"))),
            ("/ws?a=1&token=x&b=2", &[], Ok(Some("x"))),
            ("/ws?token=", &[], Ok(Some(""))),
            ("/ws?token", &[], Ok(Some(""))),
            ("/ws?mytoken=x&token2=y", &[], Ok(None)),
            ("/ws", &["Bearer x.y.z"], Ok(Some("x.y.z"))),
            ("/ws", &["bEARER  x "], Ok(Some("x"))),
            ("/ws", &["Bearer"], Ok(Some(""))),
            ("/ws", &["Basic dTpw"], Ok(None)),
            ("/ws?token=x", &["Basic dTpw"], Ok(Some("x"))),
            ("/ws?token=x&token=y", &[], ambiguous.clone()),
            ("/ws?token=x&token=x", &[], ambiguous.clone()),
            ("/ws?token=x", &["Bearer x"], ambiguous.clone()),
            ("/ws", &["Bearer x", "Bearer x"], ambiguous.clone()),
            ("/ws", &["Bearer x", "Basic dTpw"], ambiguous),
        ] {
            let head = head(uri, authorization);
            assert_eq!(extract_token(&head), expected, "{uri} {authorization:?}");
        }
    }

    #[test]
    fn stripping_leaves_the_rest() {
        for (before, after) in [
            ("/ws?token=secret", "/ws"),
            ("/ws?a=1&token=secret&b=2", "/ws?a=1&b=2"),
            ("/ws?token=secret&token=secret", "/ws"),
            ("http://h/ws?token=secret&a", "http://h/ws?a"),
            ("/ws?a=1", "/ws?a=1"),
        ] {
            let mut head = head(before, &["Bearer secret"]);
            strip_token(&mut head);
            assert_eq!(head.uri.to_string(), after);
            assert!(!head.headers.contains_key(AUTHORIZATION));
        }
        let mut head = head("/ws", &["Basic dTpw"]);
        strip_token(&mut head);
        assert!(head.headers.contains_key(AUTHORIZATION), "the provider's own");
    }
}
