//! Well-signed session tokens whose claims must be refused.

use super::Cases;
use crate::forge::NOW;
use serde_json::{Value, json};

pub(super) fn add(cases: &mut Cases<'_>) {
    parties(cases);
    missing(cases);
    ill_formed(cases);
    times(cases);
    feeds(cases);
}

fn parties(cases: &mut Cases<'_>) {
    for (claim, expect) in [("iss", "issuer"), ("aud", "audience")] {
        for (what, value) in [
            ("missing", Value::Null),
            ("empty", json!("")),
            ("somebody else", json!("https://evil.example")),
            ("with a trailing slash", json!("https://pay.example/")),
            ("of another scheme", json!("http://pay.example")),
            ("in capitals", json!("https://PAY.example")),
            ("a longer name", json!("https://pay.example.evil.example")),
            ("a list with ours", json!(["https://pay.example"])),
            ("a list with ours and another", json!(["https://pay.example", "https://evil.example"])),
            ("a number", json!(1)),
        ] {
            let draft = cases.good().claim(claim, value);
            cases.refuse(&format!("{claim} {what}"), &draft, expect);
        }
    }
}

fn missing(cases: &mut Cases<'_>) {
    for claim in [
        "sub",
        "jti",
        "feed",
        "deposited",
        "streams_remaining",
        "unit",
        "network",
        "chain",
        "iat",
        "nbf",
        "exp",
        "gen",
    ] {
        let draft = cases.good().claim(claim, Value::Null);
        cases.refuse(&format!("{claim} missing"), &draft, "claims");
        let draft = cases.good().raw_claim(claim, "null");
        cases.refuse(&format!("{claim} null"), &draft, "claims");
        let draft = cases.good().claim(claim, json!({ "a": 1 }));
        cases.refuse(&format!("{claim} an object"), &draft, "claims");
    }
}

fn ill_formed(cases: &mut Cases<'_>) {
    let long = "s".repeat(129);
    for (claim, value) in [
        ("sub", json!("")),
        ("sub", json!("0xabc def")),
        ("sub", json!("0xabc\n")),
        ("sub", json!("0x\u{430}bc")),
        ("sub", json!(long)),
        ("jti", json!("7d444840-9dc0-1acd-b245-5ffdce74fad2")),
        ("jti", json!("7D444840-9DC0-4ACD-B245-5FFDCE74FAD2")),
        ("jti", json!("7d4448409dc04acdb2455ffdce74fad2")),
        ("jti", json!("1")),
        ("feed", json!("../ticks")),
        ("feed", json!("Ticks")),
        ("feed", json!("")),
        ("feed", json!(["ticks"])),
        ("deposited", json!("10.00")),
        ("deposited", json!("$10")),
        ("deposited", json!("$10.000000")),
        ("deposited", json!("$0.0000001")),
        ("deposited", json!("$-1.00")),
        ("deposited", json!("$1e3")),
        ("deposited", json!(10)),
        ("streams_remaining", json!(-1)),
        ("streams_remaining", json!("10")),
        ("streams_remaining", json!(1_u64 << 53)),
        ("unit", json!("streams")),
        ("unit", json!("")),
        ("network", json!("base")),
        ("network", json!("eip155:08453")),
        ("chain", json!("")),
        ("chain", json!("Base")),
        ("chain", json!("base sepolia")),
        ("gen", json!(-1)),
        ("gen", json!("0")),
        ("cnf", json!({})),
        ("cnf", json!({ "jkt": "short" })),
        ("cnf", json!({ "x5t#S256": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" })),
        ("cnf", json!("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")),
    ] {
        let shown = if value == json!(long) { "of 129 characters".to_owned() } else { value.to_string() };
        let draft = cases.good().claim(claim, value);
        cases.refuse(&format!("{claim} {shown}"), &draft, "claims");
    }
}

fn times(cases: &mut Cases<'_>) {
    let past = || cases.good().claim("iat", NOW - 90_000).claim("nbf", NOW - 90_000);
    for (name, draft, expect) in [
        ("expired", past().claim("exp", NOW - 3_600), "expired"),
        ("expired by exactly the leeway", past().claim("exp", NOW - 30), "expired"),
        ("nbf ahead", cases.good().claim("nbf", NOW + 3_600), "not_yet_valid"),
        ("nbf one second beyond the leeway", cases.good().claim("nbf", NOW + 31), "not_yet_valid"),
        ("iat ahead", cases.good().claim("iat", NOW + 3_600), "not_yet_valid"),
        ("expired, and for another feed", past().claim("exp", NOW - 60).claim("feed", "orders"), "expired"),
        ("exp a string", cases.good().claim("exp", "1800086400"), "claims"),
        ("exp true", cases.good().claim("exp", true), "claims"),
        ("exp negative", cases.good().claim("exp", -1), "claims"),
        ("exp zero", cases.good().claim("exp", 0), "claims"),
        ("exp the largest of 64 bits", cases.good().claim("exp", u64::MAX), "claims"),
        ("exp the largest of 63 bits", cases.good().claim("exp", i64::MAX), "claims"),
        ("exp in milliseconds", cases.good().claim("exp", (NOW + 86_400) * 1_000), "claims"),
        ("a lifetime of ten years", cases.good().claim("exp", NOW + 315_360_000), "claims"),
        ("exp at iat", cases.good().claim("exp", NOW), "claims"),
        ("exp before iat", cases.good().claim("exp", NOW - 1), "claims"),
        ("nbf at exp", cases.good().claim("nbf", NOW + 86_400), "claims"),
        ("nbf beyond 53 bits", cases.good().claim("nbf", u64::MAX), "claims"),
        ("iat beyond 53 bits", cases.good().claim("iat", u64::MAX), "claims"),
    ] {
        cases.refuse(name, &draft, expect);
    }
}

fn feeds(cases: &mut Cases<'_>) {
    for feed in ["orders", "tick", "ticks2", "ticks.", "ticks-eu"] {
        let draft = cases.good().claim("feed", feed);
        cases.refuse(&format!("for the feed {feed:?}"), &draft, "wrong_feed");
    }
}
