//! What readers of different languages read differently: JSON, numbers, texts, and the names of their own objects.

use super::Cases;
use crate::Kind;
use crate::forge::{Draft, NOW, encode};

pub(super) fn add(cases: &mut Cases<'_>) {
    accepted(cases);
    json_texts(cases);
    bytes(cases);
    names(cases);
    line_ends_and_digits(cases);
    bounds(cases);
    streams(cases);
}

fn accepted(cases: &mut Cases<'_>) {
    let good = cases.good();
    let spaced = format!(" {}\r\n", good.payload.replace(':', " :\t").replace(',', "\n,"));
    let spaced = spaced.replace("https :\t", "https:").replace("eip155 :\t", "eip155:");
    let nested = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    for (name, draft) in [
        ("white space between members", good.clone().payload(spaced)),
        ("an integer of 64 bits nobody reads", good.clone().raw_claim("n", "18446744073709551615")),
        ("the least integer of 64 bits nobody reads", good.clone().raw_claim("n", "-9223372036854775808")),
        ("a character beyond 16 bits", good.clone().raw_claim("n", r#""\ud83d\ude00""#)),
        ("nested 100 deep", good.clone().raw_claim("n", &nested)),
        ("exp's name written with an escape", good.clone().payload(good.payload.replace("exp", "e\\u0078p"))),
        ("claims named as members of every object", {
            good.clone().payload_prefix(r#""__proto__":{"feed":"orders"},"constructor":1,"toString":null"#)
        }),
        ("the largest count", good.clone().claim("streams_remaining", 9_007_199_254_740_991_u64)),
        ("the largest deposit", good.clone().claim("deposited", "$9007199254.740991")),
        ("the largest chain id", good.clone().claim("network", "eip155:18446744073709551615")),
        ("a network of Solana", {
            good.clone().claim("network", "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp").claim("chain", "solana")
        }),
        ("sub of 128 characters", good.clone().claim("sub", "a".repeat(128))),
    ] {
        let token = draft.sign(&cases.keys.current);
        let claims = serde_json::from_str(&draft.payload).unwrap();
        cases.push(Kind::Session, name, token, "ok", Some(claims));
    }
}

/// The value of a claim that nobody reads.
fn json_texts(cases: &mut Cases<'_>) {
    for (name, value) in [
        ("minus zero", "-0"),
        ("one below 64 bits", "-9223372036854775809"),
        ("a leading zero", "01"),
        ("a leading plus", "+1"),
        ("a bare point", ".5"),
        ("a point at the end", "1."),
        ("an exponent", "1e2"),
        ("hexadecimal", "0x10"),
        ("digits grouped", "1_000"),
        ("Infinity", "Infinity"),
        ("minus Infinity", "-Infinity"),
        ("undefined", "undefined"),
        ("True", "True"),
        ("None", "None"),
        ("a comma at the end of a list", "[1,]"),
        ("a comma at the end of an object", r#"{"a":1,}"#),
        ("a list without a comma", "[1 2]"),
        ("an object without a colon", r#"{"a" 1}"#),
        ("single quotes", "'a'"),
        ("an unknown escape", r#""\x41""#),
        ("a short escape", r#""\u41""#),
        ("a tab in a text", "\"a\tb\""),
        ("a line end in a text", "\"a\nb\""),
        ("a comment", "1/**/"),
        ("half a surrogate pair", r#""\ud83d""#),
        ("the other half", r#""\ude00""#),
        ("a surrogate pair the wrong way", r#""\ude00\ud83d""#),
        ("a no-break space", "\u{a0}1"),
        ("a line separator", "\u{2028}1"),
        ("a form feed", "\u{c}1"),
    ] {
        let draft = cases.good().raw_claim("n", value);
        cases.refuse(&format!("JSON: {name}"), &draft, "malformed");
    }
    let nested = format!("{}1{}", "[".repeat(127), "]".repeat(127));
    let draft = cases.good().raw_claim("n", &nested);
    cases.refuse("JSON: nested 128 deep", &draft, "malformed");
}

/// Payloads that are no UTF-8.
fn bytes(cases: &mut Cases<'_>) {
    for (name, bytes) in [
        ("a lone byte", &b"\xff"[..]),
        ("an overlong form", b"\xc0\xaf"),
        ("an encoded surrogate", b"\xed\xa0\x80"),
        ("beyond the last character", b"\xf4\x90\x80\x80"),
        ("a character cut short", b"\xe2\x82"),
    ] {
        let good = cases.good();
        let mut payload = br#"{"n":""#.to_vec();
        payload.extend(bytes);
        payload.extend(format!("\",{}", &good.payload[1..]).bytes());
        let signed = format!("{}.{}", encode(&good.header), encode(payload));
        let token = format!("{signed}.{}", encode(cases.keys.current.sign(&signed)));
        cases.refuse_token(&format!("UTF-8: {name}"), token, "malformed");
    }
}

/// Names that lead somewhere in languages whose objects have members of their own.
fn names(cases: &mut Cases<'_>) {
    let good = cases.good();
    for name in ["__proto__", "constructor", "toString", "__class__", "length"] {
        let draft = good.clone().header("kid", name);
        cases.refuse(&format!("kid {name}"), &draft, "unknown_key");
    }
    let all = &good.payload;
    let inherited = good.clone().payload(format!(r#"{{"__proto__":{all}}}"#));
    cases.refuse("every claim inherited", &inherited, "issuer");
    let twice = good.clone().payload_prefix(r#""__proto__":1,"__proto__":2"#);
    cases.refuse("duplicate __proto__", &twice, "malformed");
    let hidden = good.header_prefix(r#""__proto__":{"jwk":{}}"#).header("alg", "none");
    cases.refuse("alg none, and an inherited jwk", &hidden, "algorithm");
}

/// Patterns that take a line's end for the text's, or other scripts' digits and letters.
fn line_ends_and_digits(cases: &mut Cases<'_>) {
    let good = cases.good();
    let jkt = format!("{}\n", cases.keys.holder.kid());
    for (name, draft) in [
        ("jti", good.clone().claim("jti", format!("{}\n", crate::forge::SESSION))),
        ("feed", good.clone().claim("feed", "ticks\n")),
        ("deposited", good.clone().claim("deposited", "$10.00\n")),
        ("unit", good.clone().claim("unit", "stream\n")),
        ("network", good.clone().claim("network", "eip155:8453\n")),
        ("chain", good.clone().claim("chain", "base\n")),
        ("jkt", good.clone().claim("cnf", serde_json::json!({ "jkt": jkt }))),
    ] {
        cases.refuse(&format!("{name} with a line end"), &draft, "claims");
    }
    for (name, draft) in [
        ("deposited in fullwidth digits", good.clone().claim("deposited", "$\u{ff11}0.00")),
        ("network in Arabic digits", good.clone().claim("network", "eip155:\u{668}\u{664}\u{665}\u{663}")),
        ("chain with a dotless i", good.clone().claim("chain", "dev\u{131}")),
        ("feed with a Kelvin sign", good.claim("feed", "tic\u{212a}s")),
    ] {
        cases.refuse(name, &draft, "claims");
    }
}

fn bounds(cases: &mut Cases<'_>) {
    let good = cases.good();
    for (name, claim, value) in [
        ("deposited above the largest", "deposited", "$9007199254.740992"),
        ("deposited far above it", "deposited", "$99999999999999999999.00"),
        ("deposited with a leading zero", "deposited", "$010.00"),
        ("deposited without whole dollars", "deposited", "$.01"),
        ("deposited with a zero too many", "deposited", "$10.010"),
        ("deposited with a space", "deposited", "$ 10.00"),
        ("network of 65 bits", "network", "eip155:18446744073709551616"),
        ("network without a number", "network", "eip155:"),
        ("network zero", "network", "eip155:0"),
        ("network with a plus", "network", "eip155:+8453"),
        ("network an unknown cluster", "network", "solana:1111111111111111111111111111111"),
        ("network of another kind", "network", "bip122:000000000019d6689c085ae165831e93"),
        (
            "feed of 65 characters",
            "feed",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ),
        ("feed starting with a dot", "feed", ".ticks"),
        ("chain of 33 characters", "chain", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        ("jti of another variant", "jti", "7d444840-9dc0-4acd-c245-5ffdce74fad2"),
    ] {
        cases.refuse(name, &good.clone().claim(claim, value), "claims");
    }
}

fn streams(cases: &mut Cases<'_>) {
    let good = Draft::stream(&cases.keys.current);
    for (name, draft) in [
        ("stream: the largest fence", good.clone().claim("fence", 9_007_199_254_740_991_u64)),
        ("stream: id of 64 characters", good.clone().claim("stream", "s".repeat(64))),
        ("stream: expired, within the leeway", good.clone().claim("iat", NOW - 89).claim("exp", NOW - 29)),
    ] {
        let token = draft.sign(&cases.keys.current);
        let claims = serde_json::from_str(&draft.payload).unwrap();
        cases.push(Kind::Stream, name, token, "ok", Some(claims));
    }
    for (name, draft) in [
        ("stream: fence beyond 53 bits", good.clone().claim("fence", 9_007_199_254_740_992_u64)),
        ("stream: id of 65 characters", good.clone().claim("stream", "s".repeat(65))),
        ("stream: id with a line end", good.clone().claim("stream", "f47ac10b58cc4372\n")),
        ("stream: exp at iat", good.clone().claim("exp", NOW)),
        ("stream: fence true", good.clone().claim("fence", true)),
    ] {
        let token = draft.sign(&cases.keys.current);
        cases.refuse_stream(name, token, "claims");
    }
    let token = good.claim("iat", NOW - 90).claim("exp", NOW - 30).sign(&cases.keys.current);
    cases.refuse_stream("stream: expired by exactly the leeway", token, "expired");
}
