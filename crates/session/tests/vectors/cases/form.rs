//! Texts that are no token, and tokens that two readers could read differently.

use super::Cases;
use crate::forge::encode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

pub(super) fn add(cases: &mut Cases<'_>) {
    texts(cases);
    encodings(cases);
    objects(cases);
    types(cases);
}

fn texts(cases: &mut Cases<'_>) {
    let good = cases.good().sign(&cases.keys.current);
    let parts: Vec<&str> = good.split('.').collect();
    let texts = [
        ("empty", String::new()),
        ("one dot", ".".into()),
        ("two dots", "..".into()),
        ("no dots", "token".into()),
        ("truncated in the payload", good[..good.len() / 2].into()),
        ("header alone", parts[0].into()),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("four parts", format!("{good}.{}", parts[2])),
        ("five parts, as an encrypted token", format!("{0}.{0}.{0}.{0}.{0}", parts[0])),
        ("a leading space", format!(" {good}")),
        ("a trailing newline", format!("{good}\n")),
        ("with its scheme", format!("Bearer {good}")),
        ("twice, joined by a comma", format!("{good},{good}")),
        ("not ASCII", format!("{good}\u{e9}")),
        ("a NUL at the end", format!("{good}\0")),
        ("percent-encoded dots", good.replace('.', "%2E")),
        ("one above 4 KiB", "a".repeat(4097)),
    ];
    for (name, text) in texts {
        cases.refuse_token(&format!("text: {name}"), text, "malformed");
    }
    let long = cases.good().claim("note", "n".repeat(4096));
    cases.refuse("well signed, above 4 KiB", &long, "malformed");
}

fn encodings(cases: &mut Cases<'_>) {
    let good = cases.good();
    let signature = cases.keys.current.sign(&good.signed());
    // 64 bytes end in a group of one: its last character has four bits that say nothing.
    let mut stray = encode(&signature);
    let last = stray.pop().unwrap();
    stray.push(char::from(last.to_string().as_bytes()[0] + 1));
    cases.refuse_token("base64 with stray bits", format!("{}.{stray}", good.signed()), "malformed");
    cases.refuse_token("base64 with padding", format!("{}==", good.signature(&signature)), "malformed");
    let padded = format!("{}.{}", encode(&good.header), STANDARD.encode(&good.payload));
    let padded = if padded.ends_with('=') { padded } else { padded + "=" };
    let token = format!("{padded}.{}", encode(cases.keys.current.sign(&padded)));
    cases.refuse_token("payload padded and signed so", token, "malformed");
    let standard = format!("{}.{}", encode(&good.header), "+/+/");
    let token = format!("{standard}.{}", encode(cases.keys.current.sign(&standard)));
    cases.refuse_token("payload in the standard alphabet", token, "malformed");
}

fn objects(cases: &mut Cases<'_>) {
    let good = cases.good();
    let inner = good.sign(&cases.keys.current);
    for (name, draft) in [
        ("duplicate exp", good.clone().payload_prefix(r#""exp":9999999999"#)),
        ("duplicate exp, written with an escape", good.clone().payload_prefix(r#""e\u0078p":9999999999"#)),
        ("duplicate feed", good.clone().payload_prefix(r#""feed":"orders""#)),
        ("duplicate claim nobody knows", good.clone().payload_prefix(r#""n":1,"n":2"#)),
        ("duplicate member deep inside", good.clone().payload_prefix(r#""n":[{"a":1,"a":1}]"#)),
        ("duplicate alg", good.clone().header_prefix(r#""alg":"none""#)),
        ("duplicate kid", good.clone().header_prefix(r#""kid":"other""#)),
        ("payload a list", good.clone().payload("[]")),
        ("payload a string", good.clone().payload("\"ticks\"")),
        ("payload null", good.clone().payload("null")),
        ("payload empty", good.clone().payload("")),
        ("payload not JSON", good.clone().payload("{iss:1}")),
        ("payload cut short", good.clone().payload(&good.payload[..40])),
        ("payload with more behind it", good.clone().payload(format!("{}{{}}", good.payload))),
        ("payload with a byte order mark", good.clone().payload(format!("\u{feff}{}", good.payload))),
        ("payload nested 2000 deep", good.clone().payload("[".repeat(2000))),
        ("a token inside a token", good.clone().header("cty", "JWT").payload(inner)),
        ("exp 1e300", good.clone().raw_claim("exp", "1e300")),
        ("exp of 65 bits", good.clone().raw_claim("exp", "18446744073709551616")),
        ("exp with a fraction", good.clone().raw_claim("exp", "1800086400.0")),
        ("exp NaN", good.clone().raw_claim("exp", "NaN")),
    ] {
        cases.refuse(name, &draft, "malformed");
    }
    for (name, header) in
        [("header a list", "[]"), ("header a string", "\"EdDSA\""), ("header not JSON", "EdDSA")]
    {
        let mut draft = good.clone();
        header.clone_into(&mut draft.header);
        cases.refuse(name, &draft, "malformed");
    }
}

fn types(cases: &mut Cases<'_>) {
    let good = cases.good();
    cases.refuse("typ missing", &good.clone().header("typ", Value::Null), "type");
    cases.refuse("typ a number", &good.clone().header("typ", 1), "type");
    for typ in [
        "",
        "JWT",
        "at+jwt",
        "dpop+jwt",
        "logout+jwt",
        "tollwire-stream+jwt",
        "tollwire-receipt+jwt",
        "tollwire-control+jwt",
        "Tollwire-Session+JWT",
        "application/tollwire-session+jwt",
        "tollwire-session+jwt ",
    ] {
        cases.refuse(&format!("typ {typ:?}"), &good.clone().header("typ", typ), "type");
    }
}
