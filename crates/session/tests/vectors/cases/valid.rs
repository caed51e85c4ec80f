//! Tokens that must be accepted, so that refusing everything passes nothing.

use super::Cases;
use crate::Kind;
use crate::forge::{Draft, NOW};
use serde_json::json;

pub(super) fn add(cases: &mut Cases<'_>) {
    let es256 = Draft::session(&cases.keys.es256);
    let token = cases.sign_once("session, ES256", &es256, &cases.keys.es256);
    accept(cases, "session, ES256", &es256, token);

    let good = cases.good();
    let jkt = cases.keys.holder.kid();
    for (name, draft) in [
        ("session, EdDSA", good.clone()),
        ("session bound to a DPoP key", good.clone().claim("cnf", json!({ "jkt": jkt }))),
        ("claims nobody knows are ignored", good.clone().claim("scope", json!({ "a": [1, true] }))),
        ("header members nobody knows are ignored", good.clone().header("x-note", "hello")),
        ("expired, within the leeway", good.clone().claim("iat", NOW - 60).claim("exp", NOW - 29)),
        ("not valid yet, within the leeway", good.clone().claim("nbf", NOW + 30)),
        ("issued ahead, within the leeway", good.clone().claim("iat", NOW + 30)),
        ("no unit left: the ledger decides", good.clone().claim("streams_remaining", 0)),
        ("the smallest deposit", good.clone().claim("deposited", "$0.000001")),
        ("a lifetime of 31 days", good.claim("exp", NOW + 31 * 86_400)),
    ] {
        let draft = if name.starts_with("expired") { draft.claim("nbf", NOW - 60) } else { draft };
        let token = draft.sign(&cases.keys.current);
        accept(cases, name, &draft, token);
    }

    let next = Draft::session(&cases.keys.next);
    let token = next.sign(&cases.keys.next);
    accept(cases, "signed by the set's other key", &next, token);
}

fn accept(cases: &mut Cases<'_>, name: &str, draft: &Draft, token: String) {
    let claims = serde_json::from_str(&draft.payload).unwrap();
    cases.push(Kind::Session, name, token, "ok", Some(claims));
}
