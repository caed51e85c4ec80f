//! Stream tokens, and each kind of token shown to the other's verifier.

use super::Cases;
use crate::Kind;
use crate::forge::{Draft, NOW};
use serde_json::{Value, json};

pub(super) fn add(cases: &mut Cases<'_>) {
    let es256 = Draft::stream(&cases.keys.es256);
    let token = cases.sign_once("stream, ES256", &es256, &cases.keys.es256);
    accept(cases, "stream, ES256", &es256, token);
    let good = Draft::stream(&cases.keys.current);
    let token = good.sign(&cases.keys.current);
    accept(cases, "stream, EdDSA", &good, token.clone());

    cases.refuse_token("a stream token as a session token", token, "type");
    let session = cases.good();
    let token = session.sign(&cases.keys.current);
    cases.refuse_stream("a session token as a stream token", token, "type");
    let dressed = session.header("typ", "tollwire-stream+jwt").sign(&cases.keys.current);
    cases.refuse_stream("a session token dressed as a stream token", dressed, "audience");
    let dressed = good.clone().header("typ", "tollwire-session+jwt").sign(&cases.keys.current);
    cases.refuse_token("a stream token dressed as a session token", dressed, "audience");

    for (name, draft, expect) in [
        ("stream: alg none", good.clone().header("alg", "none"), "algorithm"),
        ("stream: another issuer", good.clone().claim("iss", "https://evil.example"), "issuer"),
        ("stream: for another feed", good.clone().claim("aud", "orders").claim("feed", "orders"), "audience"),
        ("stream: aud the facilitator", good.clone().claim("aud", "https://pay.example"), "audience"),
        ("stream: aud a list", good.clone().claim("aud", json!(["ticks"])), "audience"),
        ("stream: feed unlike aud", good.clone().claim("feed", "orders"), "wrong_feed"),
        ("stream: expired", good.clone().claim("iat", NOW - 120).claim("exp", NOW - 60), "expired"),
        ("stream: issued ahead", good.clone().claim("iat", NOW + 40), "not_yet_valid"),
        ("stream: a lifetime of 61 s", good.clone().claim("exp", NOW + 61), "claims"),
        ("stream: id too short", good.clone().claim("stream", "short"), "claims"),
        ("stream: id with a slash", good.clone().claim("stream", "f47ac10b/58cc4372"), "claims"),
        ("stream: fence negative", good.clone().claim("fence", -1), "claims"),
        (
            "stream: duplicate stream",
            good.clone().payload_prefix(r#""stream":"0123456789abcdef""#),
            "malformed",
        ),
    ] {
        let token = draft.sign(&cases.keys.current);
        cases.refuse_stream(name, token, expect);
    }
    for claim in ["sub", "jti", "stream", "fence", "feed", "iat", "exp"] {
        let token = good.clone().claim(claim, Value::Null).sign(&cases.keys.current);
        cases.refuse_stream(&format!("stream: {claim} missing"), token, "claims");
    }
    let token = good.sign(&cases.keys.foreign);
    cases.refuse_stream("stream: another key under our key's name", token, "signature");
}

fn accept(cases: &mut Cases<'_>, name: &str, draft: &Draft, token: String) {
    let claims = serde_json::from_str(&draft.payload).unwrap();
    cases.push(Kind::Stream, name, token, "ok", Some(claims));
}
