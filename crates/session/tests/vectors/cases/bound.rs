//! Session tokens that are bound to a key, with the request's proof: the token is judged first, then its proof.

use super::{Cases, status};
use crate::Bound;
use crate::forge::{Draft, NOW};
use serde_json::json;

const URL: &str = "wss://feeds.example/ws/ticks";

pub(super) fn add(cases: &mut Cases<'_>) {
    let jkt = cases.keys.holder.kid();
    let good = cases.good().claim("cnf", json!({ "jkt": jkt }));
    let signed = |draft: &Draft| draft.sign(&cases.keys.current);
    let early = good.clone().claim("iat", NOW - 3600).claim("nbf", NOW - 3600);
    let tokens = [
        ("with its proof", signed(&good), "ok"),
        ("for another feed", signed(&good.clone().claim("feed", "orders")), "wrong_feed"),
        ("expired", signed(&early.claim("exp", NOW - 31)), "expired"),
        ("not valid yet", signed(&good.clone().claim("nbf", NOW + 31)), "not_yet_valid"),
        ("for another audience", signed(&good.clone().claim("aud", "https://evil.example")), "audience"),
        ("signed by another key", good.sign(&cases.keys.foreign), "signature"),
        ("bound to no key", signed(&cases.good()), "not_bound"),
        ("a stream token", Draft::stream(&cases.keys.current).sign(&cases.keys.current), "type"),
        (
            "bound to another key",
            signed(&good.clone().claim("cnf", json!({ "jkt": "A".repeat(43) }))),
            "proof_binding",
        ),
        ("bound in another way", signed(&good.clone().claim("cnf", json!({ "kid": jkt }))), "claims"),
        ("empty", String::new(), "malformed"),
    ];
    for (name, token, expect) in tokens {
        let proof = proof(cases, Some(&token)).sign(&cases.keys.holder);
        push(cases, name, token, proof, expect);
    }
    let token = good.sign(&cases.keys.current);
    let proofs = [
        ("without a proof", String::new(), "proof_malformed"),
        ("with a thief's proof", proof_by_thief(cases, &token), "proof_binding"),
        (
            "with the proof of another token",
            proof(cases, Some("a.b.c")).sign(&cases.keys.holder),
            "proof_token",
        ),
        ("with a proof of no token", proof(cases, None).sign(&cases.keys.holder), "proof_token"),
        (
            "with a proof for the facilitator",
            Draft::proof(&cases.keys.holder, Some(&token)).sign(&cases.keys.holder),
            "proof_url",
        ),
        (
            "with an old proof",
            proof(cases, Some(&token)).claim("iat", NOW - 61).sign(&cases.keys.holder),
            "proof_expired",
        ),
        ("with itself for a proof", token.clone(), "proof_type"),
    ];
    for (name, proof, expect) in proofs {
        push(cases, name, token.clone(), proof, expect);
    }
}

/// The holder's proof for the provider's door.
fn proof(cases: &Cases<'_>, token: Option<&str>) -> Draft {
    Draft::proof(&cases.keys.holder, token).claim("htu", URL)
}

fn proof_by_thief(cases: &Cases<'_>, token: &str) -> String {
    Draft::proof(&cases.keys.foreign, Some(token)).claim("htu", URL).sign(&cases.keys.foreign)
}

fn push(cases: &mut Cases<'_>, name: &str, token: String, proof: String, expect: &str) {
    cases.bound.push(Bound {
        name: format!("bound: {name}"),
        now: NOW,
        feed: "ticks".into(),
        method: "GET".into(),
        url: URL.into(),
        token,
        proof,
        expect: expect.into(),
        status: status(expect),
    });
}
