//! Algorithms, keys and signatures: RFC 8725 sections 2.1, 2.2, 2.10, 3.1, 3.2 and 3.10.

use super::Cases;
use crate::forge::{Draft, decode, encode, plus_order};
use crate::keys::Key;
use serde_json::{Value, json};

pub(super) fn add(cases: &mut Cases<'_>) {
    algorithms(cases);
    names(cases);
    brought_keys(cases);
    signatures(cases);
    ecdsa(cases);
}

fn public_x(key: &Key) -> String {
    let set = tollwire_session::KeySet::default().with(&key.signing()).jwks_json().unwrap();
    let set: Value = serde_json::from_str(&set).unwrap();
    set["keys"][0]["x"].as_str().unwrap().to_owned()
}

fn algorithms(cases: &mut Cases<'_>) {
    let good = cases.good();
    for alg in ["none", "None", "nOnE", "NONE"] {
        let token = good.clone().header("alg", alg).signature(b"");
        cases.refuse_token(&format!("alg {alg}, no signature"), token, "algorithm");
    }
    let signed = good.clone().header("alg", "none");
    cases.refuse("alg none, well signed", &signed, "algorithm");
    cases.refuse("alg missing", &good.clone().header("alg", Value::Null), "algorithm");
    cases.refuse("alg a number", &good.clone().header("alg", 1), "algorithm");
    cases.refuse("alg a list", &good.clone().header("alg", json!(["EdDSA"])), "algorithm");
    for alg in ["eddsa", "EdDSA ", "RS256", "PS256", "ES256K", "ES384", "Ed448", "HS512"] {
        cases.refuse(&format!("alg {alg:?}"), &good.clone().header("alg", alg), "algorithm");
    }
    cases.refuse("alg ES256 with an Ed25519 key", &good.clone().header("alg", "ES256"), "algorithm");

    let x = public_x(&cases.keys.current);
    let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    let secrets = [
        ("bytes", decode(&x)),
        ("base64url", x.into_bytes()),
        ("JWK", jwk.into_bytes()),
        ("absence", vec![]),
    ];
    for (what, secret) in secrets {
        let token = good.clone().hs256(&secret);
        cases.refuse_token(&format!("HS256 with the public key's {what}"), token, "algorithm");
    }
}

fn names(cases: &mut Cases<'_>) {
    let good = cases.good();
    cases.refuse("kid missing", &good.clone().header("kid", Value::Null), "unknown_key");
    cases.refuse("kid a number", &good.clone().header("kid", 0), "unknown_key");
    let long = "k".repeat(300);
    for (name, kid) in [
        ("kid empty", ""),
        ("kid unknown", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ("kid a path", "../../../../dev/null"),
        ("kid a URL", "https://evil.example/jwks.json"),
        ("kid an SQL phrase", "x' UNION SELECT 'key"),
        ("kid with a NUL", "current\0"),
        ("kid too long", &long),
    ] {
        cases.refuse(name, &good.clone().header("kid", kid), "unknown_key");
    }
    let kid = cases.keys.current.kid();
    cases.refuse("kid with a trailing space", &good.clone().header("kid", format!("{kid} ")), "unknown_key");
    cases.refuse("kid in lower case", &good.header("kid", kid.to_lowercase()), "unknown_key");
}

fn brought_keys(cases: &mut Cases<'_>) {
    let foreign = &cases.keys.foreign;
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": public_x(foreign) });
    let own_name = Draft::session(foreign).sign(foreign);
    let our_name = cases.good().sign(foreign);
    let members = [
        ("jwk", jwk),
        ("jku", json!("https://evil.example/jwks.json")),
        ("x5u", json!("https://evil.example/cert.pem")),
        ("x5c", json!(["MIIB"])),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
    ];
    let brought: Vec<_> = members
        .iter()
        .map(|(name, value)| (*name, cases.good().header(name, value.clone()).sign(foreign)))
        .collect();
    cases.refuse_token("another key under its own name", own_name, "unknown_key");
    cases.refuse_token("another key under our key's name", our_name, "signature");
    for (name, token) in brought {
        cases.refuse_token(&format!("{name}, signed by another key"), token, "header");
    }
    for (name, value) in members {
        let draft = cases.good().header(name, value);
        cases.refuse(&format!("{name}, signed by our key"), &draft, "header");
    }
    let draft = cases.good().header("crit", json!(["b64"])).header("b64", false);
    cases.refuse("crit naming b64", &draft, "header");
    cases.refuse("crit empty", &cases.good().header("crit", json!([])), "header");
}

fn signatures(cases: &mut Cases<'_>) {
    let good = cases.good();
    let right = cases.keys.current.sign(&good.signed());
    let mut flipped = right.clone();
    flipped[0] ^= 1;
    let variants: [(&str, Vec<u8>); 7] = [
        ("signature with a bit flipped", flipped),
        ("signature empty", vec![]),
        ("signature all zeros", vec![0; 64]),
        ("signature one byte short", right[..63].to_vec()),
        ("signature one byte long", [right.as_slice(), &[0]].concat()),
        ("signature twice", [right.as_slice(), &right].concat()),
        ("signature with S plus the group order", plus_order(&right)),
    ];
    for (name, signature) in variants {
        cases.refuse_token(name, good.signature(&signature), "signature");
    }
    let other = cases.keys.next.sign(&good.signed());
    cases.refuse_token("signature by the set's other key", good.signature(&other), "signature");
    let richer = good.clone().claim("streams_remaining", 1_000_000);
    cases.refuse_token("payload altered after signing", richer.signature(&right), "signature");
    let elsewhere = good.clone().claim("feed", "orders");
    cases.refuse_token("feed altered after signing", elsewhere.signature(&right), "signature");
    let renamed = good.clone().header("x-note", "added");
    cases.refuse_token("header altered after signing", renamed.signature(&right), "signature");
    let spaced = format!("{}.{} .{}", encode(&good.header), encode(&good.payload), encode(&right));
    cases.refuse_token("a space inside", spaced, "malformed");
}

fn ecdsa(cases: &mut Cases<'_>) {
    let key = &cases.keys.es256;
    let good = Draft::session(key);
    let eddsa = good.clone().header("alg", "EdDSA").sign(&cases.keys.current);
    let der = decode(
        "MEUCIQDyYLcAsEGZ5n0uu_Ou0ayrNvrYDRyrpO5fKnJhIHzP8AIgB1BWNnzPqhGtnEnbnkoUyTtZ0mTNXyt1F8uSyiXhYcA",
    );
    // The order of P-256: as r and s, a number that must not be there.
    let order = decode("_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE");
    let variants: [(&str, Vec<u8>); 5] = [
        ("ES256 signature all zeros", vec![0; 64]),
        ("ES256 signature empty", vec![]),
        ("ES256 signature in DER", der),
        ("ES256 signature of the group order twice", [order.as_slice(), &order].concat()),
        ("ES256 signature all ones", vec![0xff; 64]),
    ];
    cases.refuse_token("alg EdDSA with a P-256 key", eddsa, "algorithm");
    for (name, signature) in variants {
        cases.refuse_token(name, good.signature(&signature), "signature");
    }
}
