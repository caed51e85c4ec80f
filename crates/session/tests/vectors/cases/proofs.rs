//! DPoP proofs: genuine ones, and each forged one.

use super::Cases;
use crate::Proof;
use crate::forge::{Draft, NOW, encode, plus_order};
use serde_json::{Value, json};

const URL: &str = "https://pay.example/ws/ticks";

/// A request with a proof: what the server knows of it.
#[derive(Clone)]
struct Asked {
    now: u64,
    method: &'static str,
    url: &'static str,
    token: Option<String>,
    jkt: Option<String>,
}

pub(super) fn add(cases: &mut Cases<'_>) {
    accepted(cases);
    published(cases);
    texts(cases);
    headers(cases);
    keys(cases);
    signatures(cases);
    claims(cases);
    requests(cases);
    tokens(cases);
}

impl Cases<'_> {
    fn bound_token(&self) -> String {
        self.good().claim("cnf", json!({ "jkt": self.keys.holder.kid() })).sign(&self.keys.current)
    }

    /// A request with the holder's token.
    fn asked(&self) -> Asked {
        let (token, jkt) = (Some(self.bound_token()), Some(self.keys.holder.kid()));
        Asked { now: NOW, method: "GET", url: URL, token, jkt }
    }

    /// The proof for that request.
    fn good_proof(&self) -> Draft {
        Draft::proof(&self.keys.holder, Some(&self.bound_token()))
    }

    fn refuse_proof(&mut self, name: &str, draft: &Draft, expect: &str) {
        let (asked, proof) = (self.asked(), draft.sign(&self.keys.holder));
        self.push_proof(name, &asked, proof, expect, None);
    }

    fn push_proof(&mut self, name: &str, asked: &Asked, proof: String, expect: &str, ok: Option<[&str; 2]>) {
        let name = format!("proof: {name}");
        assert!(self.proofs.iter().all(|vector| vector.name != name), "{name}");
        let asked = asked.clone();
        self.proofs.push(Proof {
            name,
            now: asked.now,
            method: asked.method.into(),
            url: asked.url.into(),
            token: asked.token,
            jkt: asked.jkt,
            expect: expect.into(),
            proof,
            by: ok.map(|[by, _]| by.to_owned()),
            jti: ok.map(|[_, jti]| jti.to_owned()),
        });
    }

    fn accept_proof(&mut self, name: &str, asked: &Asked, draft: &Draft) {
        let claims: Value = serde_json::from_str(&draft.payload).unwrap();
        let (proof, by) = (draft.sign(&self.keys.holder), self.keys.holder.kid());
        self.push_proof(name, asked, proof, "ok", Some([&by, claims["jti"].as_str().unwrap()]));
    }
}

fn accepted(cases: &mut Cases<'_>) {
    let (asked, good) = (cases.asked(), cases.good_proof());
    cases.accept_proof("EdDSA, with its token", &asked, &good);
    let jkt = cases.keys.holder_es256.kid();
    let token = cases.good().claim("cnf", json!({ "jkt": jkt })).sign(&cases.keys.current);
    let draft = Draft::proof(&cases.keys.holder_es256, Some(&token));
    let proof = cases.sign_once("proof: ES256, with its token", &draft, &cases.keys.holder_es256);
    let es256 = Asked { token: Some(token), jkt: Some(jkt.clone()), ..asked.clone() };
    let jti: Value = serde_json::from_str(&draft.payload).unwrap();
    cases.push_proof(
        "ES256, with its token",
        &es256,
        proof,
        "ok",
        Some([&jkt, jti["jti"].as_str().unwrap()]),
    );

    let bare = Asked {
        method: "POST",
        url: "https://pay.example/feeds/ticks/session",
        token: None,
        jkt: None,
        now: NOW,
    };
    let draft = Draft::proof(&cases.keys.holder, None);
    let draft = draft.claim("htm", "POST").claim("htu", "https://pay.example/feeds/ticks/session");
    cases.accept_proof("without a token, as it is bound", &bare, &draft);

    let mut jwk = cases.keys.holder.jwk();
    for (name, value) in
        [("kid", json!("a")), ("use", json!("sig")), ("alg", json!("EdDSA")), ("ext", json!(true))]
    {
        jwk[name] = value;
    }
    for (name, draft) in [
        ("other members of the key are ignored", good.clone().header("jwk", jwk)),
        (
            "header members nobody knows are ignored",
            good.clone().header("kid", "a").header("x-note", "hello"),
        ),
        ("claims nobody knows are ignored", good.clone().claim("nonce", "n").claim("exp", 1)),
        ("a minute old", good.clone().claim("iat", NOW - 60)),
        ("ten seconds ahead", good.clone().claim("iat", NOW + 10)),
        ("a jti of 128 characters", good.clone().claim("jti", "j".repeat(128))),
        ("htu with query and fragment", good.clone().claim("htu", "https://pay.example/ws/ticks?a=1#b")),
        ("htu in capitals, with the port", good.clone().claim("htu", "HTTPS://PAY.example:443/ws/ticks")),
        (
            "htu with needless escapes and dots",
            good.clone().claim("htu", "https://pay.example/x/../%77s/./ticks"),
        ),
        ("htu with an empty port", good.clone().claim("htu", "https://pay.example:/ws/ticks")),
        ("htu with zeros before its port", good.clone().claim("htu", "https://pay.example:00443/ws/ticks")),
        ("htu with dots above the root", good.clone().claim("htu", "https://pay.example/../ws/x/../ticks")),
        ("htu as a WebSocket URL", good.claim("htu", "wss://pay.example/ws/ticks")),
    ] {
        cases.accept_proof(name, &asked, &draft);
    }
}

/// RFC 9449, sections 4.1 and 7.1.
fn published(cases: &mut Cases<'_>) {
    let header = concat!(
        r#"{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","#,
        r#""y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}}"#
    );
    let jkt = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    let token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    for (section, payload, signature, asked) in [
        (
            "4.1",
            r#"{"jti":"-BwC3ESc6acc2lTc","htm":"POST","htu":"https://server.example.com/token","iat":1562262616}"#,
            "2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg",
            Asked {
                now: 1_562_262_616,
                method: "POST",
                url: "https://server.example.com/token",
                token: None,
                jkt: None,
            },
        ),
        (
            "7.1",
            concat!(
                r#"{"jti":"e1j3V_bKic8-LAEB","htm":"GET","htu":"https://resource.example.org/protectedresource","#,
                r#""iat":1562262618,"ath":"fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"}"#
            ),
            "2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA",
            Asked {
                now: 1_562_262_618,
                method: "GET",
                url: "https://resource.example.org/protectedresource",
                token: Some(token.into()),
                jkt: Some(jkt.into()),
            },
        ),
    ] {
        let claims: Value = serde_json::from_str(payload).unwrap();
        let proof = format!("{}.{}.{signature}", encode(header), encode(payload));
        let name = format!("RFC 9449 section {section}");
        cases.push_proof(&name, &asked, proof, "ok", Some([jkt, claims["jti"].as_str().unwrap()]));
    }
}

fn texts(cases: &mut Cases<'_>) {
    let (asked, good) = (cases.asked(), cases.good_proof());
    let proof = good.sign(&cases.keys.holder);
    for (name, text) in [
        ("empty", String::new()),
        ("two dots", "..".into()),
        ("no dots", "proof".into()),
        ("without its signature", good.signed()),
        ("four parts", format!("{proof}.a")),
        ("padded", format!("{proof}==")),
        ("two, joined by a comma", format!("{proof},{proof}")),
        ("a trailing space", format!("{proof} ")),
        ("one above 4 KiB", "a".repeat(4097)),
    ] {
        cases.push_proof(name, &asked, text, "proof_malformed", None);
    }
    for (name, draft) in [
        ("duplicate jti", good.clone().payload_prefix(r#""jti":"x""#)),
        ("duplicate htu", good.clone().payload_prefix(r#""htu":"https://evil.example/""#)),
        ("duplicate alg", good.clone().header_prefix(r#""alg":"none""#)),
        ("duplicate jwk", good.clone().header_prefix(r#""jwk":{}"#)),
        ("iat with a fraction", good.clone().raw_claim("iat", "1800000000.5")),
        ("payload a list", good.clone().payload("[]")),
        ("payload empty", good.clone().payload("")),
        ("well signed, above 4 KiB", good.claim("note", "n".repeat(4096))),
    ] {
        cases.refuse_proof(name, &draft, "proof_malformed");
    }
}

fn headers(cases: &mut Cases<'_>) {
    let good = cases.good_proof();
    for name in ["jku", "x5u", "x5c", "crit", "b64", "zip"] {
        cases.refuse_proof(
            &format!("header {name}"),
            &good.clone().header(name, json!(["x"])),
            "proof_header",
        );
    }
    cases.refuse_proof("typ missing", &good.clone().header("typ", Value::Null), "proof_type");
    for typ in ["JWT", "DPoP+JWT", "application/dpop+jwt", "tollwire-session+jwt"] {
        cases.refuse_proof(&format!("typ {typ:?}"), &good.clone().header("typ", typ), "proof_type");
    }
    cases.refuse_proof("alg missing", &good.clone().header("alg", Value::Null), "proof_algorithm");
    for alg in ["none", "ES256", "ES384", "RS256", "PS256", "eddsa", "HS512"] {
        cases.refuse_proof(&format!("alg {alg}"), &good.clone().header("alg", alg), "proof_algorithm");
    }
    let asked = cases.asked();
    let unsigned = good.clone().header("alg", "none").signature(&[]);
    cases.push_proof("alg none, unsigned", &asked, unsigned, "proof_algorithm", None);
    let secret = cases.keys.holder.jwk()["x"].as_str().unwrap().to_owned();
    cases.push_proof(
        "HS256 with the public key",
        &asked,
        good.hs256(secret.as_bytes()),
        "proof_algorithm",
        None,
    );
    let es256 = Draft::proof(&cases.keys.holder_es256, None).header("alg", "EdDSA");
    cases.refuse_proof("alg EdDSA with a P-256 key", &es256, "proof_algorithm");
}

fn keys(cases: &mut Cases<'_>) {
    let good = cases.good_proof();
    let (ed, ec) = (cases.keys.holder.jwk(), cases.keys.holder_es256.jwk());
    let with = |jwk: &Value, name: &str, value: Value| {
        let mut jwk = jwk.clone();
        jwk[name] = value;
        jwk
    };
    let x = ed["x"].as_str().unwrap();
    for (name, jwk) in [
        ("missing", Value::Null),
        ("a string", json!("key")),
        ("of a list of kinds", with(&ed, "kty", json!(["OKP"]))),
        ("empty", json!({})),
        ("with its private half", with(&ed, "d", json!("9eV2fPFTMZUXYw8iaHa4bIFgzFg7wBN0TGvyVfXMDuU"))),
        ("symmetric", json!({ "kty": "oct", "k": "AAAA" })),
        ("with a symmetric member", with(&ed, "k", json!("AAAA"))),
        ("RSA", json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" })),
        ("Ed448", with(&ed, "crv", json!("Ed448"))),
        ("X25519", with(&ed, "crv", json!("X25519"))),
        ("without x", with(&ed, "x", Value::Null)),
        ("x of 31 bytes", with(&ed, "x", json!(&x[..42]))),
        ("x padded", with(&ed, "x", json!(format!("{x}=")))),
        ("for encryption", with(&ed, "use", json!("enc"))),
        ("for another algorithm", with(&ed, "alg", json!("ES256"))),
    ] {
        cases.refuse_proof(&format!("jwk {name}"), &good.clone().header("jwk", jwk), "proof_key");
    }
    for (name, jwk) in [
        ("P-384", with(&ec, "crv", json!("P-384"))),
        ("secp256k1", with(&ec, "crv", json!("secp256k1"))),
        ("without y", with(&ec, "y", Value::Null)),
        ("off the curve", with(&ec, "y", ec["x"].clone())),
        ("P-256 with its private half", with(&ec, "d", json!("870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"))),
    ] {
        let draft = good.clone().header("alg", "ES256").header("jwk", jwk);
        cases.refuse_proof(&format!("jwk {name}"), &draft, "proof_key");
    }
}

fn signatures(cases: &mut Cases<'_>) {
    let (asked, good) = (cases.asked(), cases.good_proof());
    let signature = cases.keys.holder.sign(&good.signed());
    let mut bent = signature.clone();
    bent[0] ^= 1;
    for (name, proof) in [
        ("signed by another key", good.sign(&cases.keys.foreign)),
        ("unsigned", good.signature(&[])),
        ("signature of zeros", good.signature(&[0; 64])),
        ("signature cut short", good.signature(&signature[..63])),
        ("signature with a bit changed", good.signature(&bent)),
        ("signature with the other S", good.signature(&plus_order(&signature))),
        ("another payload under the signature", good.clone().claim("jti", "other").signature(&signature)),
    ] {
        cases.push_proof(name, &asked, proof, "proof_signature", None);
    }
}

fn claims(cases: &mut Cases<'_>) {
    let good = cases.good_proof();
    for claim in ["jti", "htm", "htu", "iat"] {
        cases.refuse_proof(
            &format!("{claim} missing"),
            &good.clone().claim(claim, Value::Null),
            "proof_claims",
        );
        let draft = good.clone().claim(claim, json!(["GET"]));
        cases.refuse_proof(&format!("{claim} a list"), &draft, "proof_claims");
    }
    for (name, draft) in [
        ("jti empty", good.clone().claim("jti", "")),
        ("jti of 129 characters", good.clone().claim("jti", "j".repeat(129))),
        ("jti with a line feed", good.clone().claim("jti", "a\nb")),
        ("jti not ASCII", good.clone().claim("jti", "\u{e9}")),
        ("iat a string", good.clone().claim("iat", NOW.to_string())),
        ("iat negative", good.clone().claim("iat", -1)),
        ("iat beyond 53 bits", good.clone().claim("iat", 1_u64 << 53)),
        ("ath a number", good.clone().claim("ath", 1)),
        ("ath null", good.clone().raw_claim("ath", "null")),
    ] {
        cases.refuse_proof(name, &draft, "proof_claims");
    }
    cases.refuse_proof("61 seconds old", &good.clone().claim("iat", NOW - 61), "proof_expired");
    cases.refuse_proof("of 1970", &good.clone().claim("iat", 0), "proof_expired");
    cases.refuse_proof("11 seconds ahead", &good.clone().claim("iat", NOW + 11), "proof_not_yet_valid");
    cases.refuse_proof("iat in milliseconds", &good.claim("iat", NOW * 1000), "proof_not_yet_valid");
}

fn requests(cases: &mut Cases<'_>) {
    let good = cases.good_proof();
    for method in ["POST", "get", "GET ", ""] {
        cases.refuse_proof(&format!("htm {method:?}"), &good.clone().claim("htm", method), "proof_method");
    }
    for htu in [
        "",
        "/ws/ticks",
        "pay.example/ws/ticks",
        "https://evil.example/ws/ticks",
        "https://pay.example.evil.example/ws/ticks",
        "https://pay.example/ws/orders",
        "https://pay.example/ws/Ticks",
        "https://pay.example/ws/ticks/",
        "https://pay.example/ws%2Fticks",
        "https://pay.example/",
        "http://pay.example/ws/ticks",
        "https://pay.example:8443/ws/ticks",
        "https://pay.example@evil.example/ws/ticks",
        "https://evil.example\\@pay.example/ws/ticks",
        "https://evil.example?https://pay.example/ws/ticks",
        "https://pay.example/ws/ticks%",
        "https://pay.example/ws/ticks%zz",
        "https://pay.example/ws/tick%",
        "https://pay.example/ws/ticks ",
        "https://pay.example/ws/ticks/.",
        "https://pay.example/ws/t\u{ef}cks",
        "https://pay.example:65979/ws/ticks",
        "https://pay.example:+443/ws/ticks",
        "https://pay.example:443:443/ws/ticks",
        "https:///ws/ticks",
        "ftp://pay.example/ws/ticks",
    ] {
        cases.refuse_proof(&format!("htu {htu:?}"), &good.clone().claim("htu", htu), "proof_url");
    }
    let long = format!("{URL}?{}", "a".repeat(2048));
    cases.refuse_proof("htu above 2 KiB", &good.claim("htu", long), "proof_url");
}

fn tokens(cases: &mut Cases<'_>) {
    let (asked, good) = (cases.asked(), cases.good_proof());
    let other = cases.good().sign(&cases.keys.current);
    cases.refuse_proof("ath missing", &good.clone().claim("ath", Value::Null), "proof_token");
    let elsewhere = Draft::proof(&cases.keys.holder, Some(&other));
    cases.refuse_proof("ath of another token", &elsewhere, "proof_token");
    let ath = serde_json::from_str::<Value>(&good.payload).unwrap()["ath"].as_str().unwrap().to_owned();
    cases.refuse_proof("ath padded", &good.clone().claim("ath", format!("{ath}=")), "proof_token");
    cases.refuse_proof("ath the token itself", &good.clone().claim("ath", "a.b.c"), "proof_token");
    let bare = Asked { token: None, jkt: None, ..asked.clone() };
    let proof = good.sign(&cases.keys.holder);
    cases.push_proof("ath, but no token", &bare, proof.clone(), "proof_token", None);
    let thief = Draft::proof(&cases.keys.foreign, asked.token.as_deref()).sign(&cases.keys.foreign);
    cases.push_proof("a thief's own, for the stolen token", &asked, thief, "proof_binding", None);
}
