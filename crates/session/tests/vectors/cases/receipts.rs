//! Usage receipts.

use super::Cases;
use crate::Receipt;
use crate::forge::{Draft, NOW};
use serde_json::{Value, json};

pub(super) fn add(cases: &mut Cases<'_>) {
    let good = Draft::receipt(&cases.keys.current);
    for (name, draft) in [
        ("EdDSA", good.clone()),
        ("final", good.clone().claim("final", true)),
        ("of long ago", good.clone().claim("from", 1).claim("to", 2).claim("iat", 2)),
        ("of the future", good.clone().claim("iat", NOW * 2)),
        ("units that nobody has any more", good.clone().claim("remaining", 0).claim("refunded", 0)),
        ("nothing used", good.clone().claim("used", 0).claim("used_amount", "0")),
        ("claims nobody knows are ignored", good.clone().claim("exp", 1).claim("note", json!({ "a": 1 }))),
    ] {
        let receipt = draft.sign(&cases.keys.current);
        cases.push_receipt(name, receipt, "ok", Some(&draft));
    }
    let es256 = Draft::receipt(&cases.keys.es256);
    let receipt = cases.sign_once("receipt: ES256", &es256, &cases.keys.es256);
    cases.push_receipt("ES256", receipt, "ok", Some(&es256));

    parties(cases, &good);
    claims(cases, &good);
}

impl Cases<'_> {
    fn push_receipt(&mut self, name: &str, receipt: String, expect: &str, signed: Option<&Draft>) {
        let name = format!("receipt: {name}");
        assert!(self.receipts.iter().all(|vector| vector.name != name), "{name}");
        let claims = signed.map(|draft| serde_json::from_str(&draft.payload).unwrap());
        self.receipts.push(Receipt { name, expect: expect.into(), receipt, claims });
    }
}

fn parties(cases: &mut Cases<'_>, good: &Draft) {
    for (name, receipt, expect) in [
        ("empty", String::new(), "malformed"),
        ("a session token", cases.good().sign(&cases.keys.current), "type"),
        (
            "a session token dressed as a receipt",
            cases.good().header("typ", "tollwire-receipt+jwt").sign(&cases.keys.current),
            "claims",
        ),
        ("by another key under our key's name", good.sign(&cases.keys.foreign), "signature"),
        (
            "by a key we do not know",
            Draft::receipt(&cases.keys.foreign).sign(&cases.keys.foreign),
            "unknown_key",
        ),
        ("alg none", good.clone().header("alg", "none").signature(&[]), "algorithm"),
        (
            "with a key in its header",
            good.clone().header("jwk", cases.keys.current.jwk()).sign(&cases.keys.current),
            "header",
        ),
        (
            "another issuer",
            good.clone().claim("iss", "https://evil.example").sign(&cases.keys.current),
            "issuer",
        ),
        ("duplicate used", good.clone().payload_prefix(r#""used":1"#).sign(&cases.keys.current), "malformed"),
    ] {
        cases.push_receipt(name, receipt, expect, None);
    }
}

fn claims(cases: &mut Cases<'_>, good: &Draft) {
    let missing = [
        "sub",
        "jti",
        "feed",
        "unit",
        "network",
        "chain",
        "bought",
        "used",
        "refunded",
        "remaining",
        "amount",
        "used_amount",
        "from",
        "to",
        "iat",
        "final",
    ];
    let missing = missing.map(|claim| (format!("{claim} missing"), good.clone().claim(claim, Value::Null)));
    let wrong = [
        ("used", json!(5)),
        ("refunded", json!(6)),
        ("remaining", json!(2)),
        ("bought", json!(9)),
        ("bought", json!(1_u64 << 53)),
        ("used", json!(u64::MAX)),
        ("used", json!(-1)),
        ("used", json!("4")),
        ("amount", json!(10_000_000)),
        ("amount", json!("010000000")),
        ("amount", json!("$10.00")),
        ("amount", json!("3999999")),
        ("used_amount", json!("10000001")),
        ("to", json!(NOW - 3601)),
        ("from", json!("1800000000")),
        ("iat", json!(u64::MAX)),
        ("final", json!("true")),
        ("final", json!(1)),
        ("sub", json!("")),
        ("chain", json!("Base")),
    ]
    .map(|(claim, value)| (format!("{claim} {value}"), good.clone().claim(claim, value)));
    for (name, draft) in missing.into_iter().chain(wrong) {
        let receipt = draft.sign(&cases.keys.current);
        cases.push_receipt(&name, receipt, "claims", None);
    }
}
