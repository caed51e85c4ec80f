//! JWK Sets as a facilitator may serve them, or somebody in its place.

use crate::KeySetVector;

const ED: &str = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
const EC: &str = r#""kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;
const PRIVATE: &str = r#""d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A""#;

pub(super) fn all() -> Vec<KeySetVector> {
    let mut sets = accepted();
    sets.extend(refused_keys());
    sets.extend(refused_texts());
    sets
}

fn accepted() -> Vec<KeySetVector> {
    let many: Vec<String> = (0..32).map(|n| format!("k{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let thirty_two =
        many.iter().map(|kid| format!(r#"{{{ED},"kid":"{kid}"}}"#)).collect::<Vec<_>>().join(",");
    let good = format!(r#"{{{ED},"kid":"a"}}"#);
    let beside = |key: &str| set(&format!("{key},{good}"));
    vec![
        ok("keys: both kinds", set(&format!(r#"{{{ED},"kid":"a"}},{{{EC},"kid":"b"}}"#)), &["a", "b"]),
        ok("keys: use and alg", set(&format!(r#"{{{ED},"kid":"a","use":"sig","alg":"EdDSA"}}"#)), &["a"]),
        ok("keys: members nobody knows", set(&format!(r#"{{{ED},"kid":"a","nbf":1,"n":{{}}}}"#)), &["a"]),
        ok("keys: a kid named __proto__", set(&format!(r#"{{{ED},"kid":"__proto__"}}"#)), &["__proto__"]),
        ok("keys: RSA is skipped", beside(r#"{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"r"}"#), &["a"]),
        ok("keys: a secret is skipped", beside(r#"{"kty":"oct","k":"AQAB","kid":"s"}"#), &["a"]),
        ok("keys: Ed448 is skipped", beside(r#"{"kty":"OKP","crv":"Ed448","x":"AQAB","kid":"e"}"#), &["a"]),
        ok(
            "keys: P-384 is skipped",
            beside(r#"{"kty":"EC","crv":"P-384","x":"AQAB","y":"AQAB","kid":"p"}"#),
            &["a"],
        ),
        ok("keys: without a kind is skipped", beside("{}"), &["a"]),
        ok("keys: for encryption is skipped", beside(&format!(r#"{{{ED},"kid":"b","use":"enc"}}"#)), &["a"]),
        ok("keys: use null is skipped", beside(&format!(r#"{{{ED},"kid":"b","use":null}}"#)), &["a"]),
        ok(
            "keys: of another alg is skipped",
            beside(&format!(r#"{{{ED},"kid":"b","alg":"ES256"}}"#)),
            &["a"],
        ),
        ok("keys: 32", set(&thirty_two), &many),
        refused("keys: none", set(""), "no_keys"),
        refused("keys: none of ours", set(r#"{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"r"}"#), "no_keys"),
    ]
}

fn refused_keys() -> Vec<KeySetVector> {
    let x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    let thirty_three = (0..33).map(|n| format!(r#"{{{ED},"kid":"k{n}"}}"#)).collect::<Vec<_>>().join(",");
    let long = "k".repeat(65);
    [
        ("no kid", format!("{{{ED}}}")),
        ("kid empty", format!(r#"{{{ED},"kid":""}}"#)),
        ("kid a number", format!(r#"{{{ED},"kid":1}}"#)),
        ("kid a path", format!(r#"{{{ED},"kid":"../a"}}"#)),
        ("kid with a line end", format!(r#"{{{ED},"kid":"a\n"}}"#)),
        ("kid of 65 characters", format!(r#"{{{ED},"kid":"{long}"}}"#)),
        ("a kid twice", format!(r#"{{{ED},"kid":"a"}},{{{EC},"kid":"a"}}"#)),
        ("a private key", format!(r#"{{{ED},"kid":"a",{PRIVATE}}}"#)),
        ("a private key for encryption", format!(r#"{{{ED},"kid":"a","use":"enc",{PRIVATE}}}"#)),
        ("no coordinate", r#"{"kty":"OKP","crv":"Ed25519","kid":"a"}"#.into()),
        ("a short coordinate", r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKx","kid":"a"}"#.into()),
        ("a padded coordinate", format!(r#"{{{},"kid":"a"}}"#, ED.replace("URo", "URo="))),
        ("a coordinate with stray bits", format!(r#"{{{},"kid":"a"}}"#, ED.replace("URo", "URp"))),
        ("a point without y", format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","kid":"a"}}"#)),
        ("a point off the curve", format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{x}","kid":"a"}}"#)),
        ("a duplicate member", format!(r#"{{{ED},"kid":"a","kid":"a"}}"#)),
        ("a fraction", format!(r#"{{{ED},"kid":"a","nbf":1.5}}"#)),
        ("33", thirty_three),
        ("a text", r#""a""#.into()),
        ("a list", "[]".into()),
    ]
    .map(|(name, keys)| refused(&format!("keys: {name}"), set(&keys), "keys"))
    .into()
}

fn refused_texts() -> Vec<KeySetVector> {
    let good = set(&format!(r#"{{{ED},"kid":"a"}}"#));
    [
        ("empty", String::new()),
        ("a list", format!(r#"[{{{ED},"kid":"a"}}]"#)),
        ("no keys", "{}".into()),
        ("keys an object", r#"{"keys":{}}"#.into()),
        ("keys twice", format!(r#"{{"keys":[],{}"#, &good[1..])),
        ("more behind it", format!("{good}{{}}")),
        ("a byte order mark", format!("\u{feff}{good}")),
        ("cut short", good[..good.len() - 1].into()),
        ("above 64 KiB", format!("{good}{}", " ".repeat(65_536))),
    ]
    .map(|(name, jwks)| refused(&format!("key set: {name}"), jwks, "keys"))
    .into()
}

fn set(keys: &str) -> String {
    format!(r#"{{"keys":[{keys}]}}"#)
}

fn ok(name: &str, jwks: String, kids: &[&str]) -> KeySetVector {
    let kids = Some(kids.iter().map(|kid| (*kid).to_owned()).collect());
    KeySetVector { name: name.to_owned(), jwks, expect: "ok".to_owned(), kids }
}

fn refused(name: &str, jwks: String, expect: &str) -> KeySetVector {
    KeySetVector { name: name.to_owned(), jwks, expect: expect.to_owned(), kids: None }
}
