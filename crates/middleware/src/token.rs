//! Where a request carries its token: `?token=`, `Authorization: Bearer` or `Authorization: DPoP`, never two of them.

use crate::VerifyError;
use http::header::AUTHORIZATION;
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri, request};
use tollwire_session::{Error::Malformed, dpop};

/// The header that carries a DPoP proof (RFC 9449 section 4.1).
const DPOP: &str = "dpop";

/// The request's token, if it has one. A token that came as `Authorization: DPoP` is for
/// [`Verifier::verify_bound`](crate::Verifier::verify_bound), with [`extract_proof`]. Two tokens anywhere are refused: which of them counts must not depend on who
/// reads the request.
pub fn extract_token(head: &request::Parts) -> Result<Option<&str>, VerifyError> {
    match (from_query(&head.uri)?, from_header(&head.headers)?) {
        (Some(_), Some(_)) => Err(VerifyError::Ambiguous),
        (query, header) => Ok(query.or(header)),
    }
}

/// The request's DPoP proof, if its token came as `Authorization: DPoP`. One that comes with a token of another kind
/// proves nothing, and is none; two are refused.
pub fn extract_proof(head: &request::Parts) -> Result<Option<&str>, VerifyError> {
    let mut authorization = head.headers.get_all(AUTHORIZATION).iter();
    if !authorization.any(|value| value.to_str().is_ok_and(|value| of_scheme(value, "dpop").is_some())) {
        return Ok(None);
    }
    let mut proofs = head.headers.get_all(DPOP).iter();
    match (proofs.next(), proofs.next()) {
        (Some(proof), None) => Ok(Some(proof.to_str().map_err(|_| dpop::Error::Malformed)?)),
        (None, _) => Err(VerifyError::ProofRequired),
        (Some(_), Some(_)) => Err(dpop::Error::Malformed.into()),
    }
}

/// Removes the token and its proof from a request, so that nothing behind logs or forwards them.
pub fn strip_token(head: &mut request::Parts) {
    head.headers.remove(DPOP);
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
    Ok(of_scheme(value, "bearer").or_else(|| of_scheme(value, "dpop")))
}

/// The credentials, if they are of this scheme.
fn of_scheme<'a>(value: &'a str, scheme: &str) -> Option<&'a str> {
    let (name, credentials) = value.split_once(' ').unwrap_or((value, ""));
    name.eq_ignore_ascii_case(scheme).then(|| credentials.trim_matches(' '))
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
            ("/ws", &["DPoP x.y.z"], Ok(Some("x.y.z"))),
            ("/ws", &["DPoPx y"], Ok(None)),
            ("/ws?token=x", &["DPoP x"], ambiguous.clone()),
            ("/ws", &["DPoP x", "Bearer x"], ambiguous.clone()),
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

    #[test]
    fn a_proof_counts_beside_a_token_of_its_scheme() {
        let with = |authorization: &[&str], proofs: &[&'static str]| {
            let mut head = head("/ws", authorization);
            for proof in proofs {
                head.headers.append("DPoP", http::HeaderValue::from_static(proof));
            }
            head
        };
        for (authorization, proofs, expected) in [
            (&["DPoP x"][..], &["p"][..], Ok(Some("p"))),
            (&["dpop x"], &["p"], Ok(Some("p"))),
            (&["DPoP x"], &[], Err(VerifyError::ProofRequired)),
            (&["DPoP x"], &["p", "p"], Err(VerifyError::Proof(dpop::Error::Malformed))),
            (&["Bearer x"], &["p"], Ok(None)),
            (&[], &["p"], Ok(None)),
        ] {
            let mut head = with(authorization, proofs);
            assert_eq!(extract_proof(&head), expected, "{authorization:?} {proofs:?}");
            strip_token(&mut head);
            assert!(head.headers.is_empty(), "{head:?}");
        }
    }
}
