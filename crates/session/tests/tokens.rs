//! Keys, issuing, rotation and the verifier's memory, through the public interface.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail loudly")]

use proptest::prelude::*;
use std::time::Duration;
use tollwire_session::{
    Algorithm, Claims, Error, Issuer, KeySet, SESSION_SECS_MAX, SigningKey, StreamClaims, Verifier,
};

const URL: &str = "https://pay.example";
const NOW: u64 = 1_800_000_000;
/// The key of RFC 8037 appendix A.1.
const RFC_8037: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
    -----END PRIVATE KEY-----\n";

fn claims() -> Claims {
    Claims {
        iss: URL.into(),
        aud: URL.into(),
        sub: "0x857b06519e91e3a54538791bdbb0e22373e36b66".into(),
        jti: "7d444840-9dc0-4acd-b245-5ffdce74fad2".parse().unwrap(),
        feed: "ticks".parse().unwrap(),
        deposited: "$10.00".into(),
        streams_remaining: 10,
        unit: "stream".parse().unwrap(),
        network: "eip155:8453".parse().unwrap(),
        chain: "base".into(),
        iat: NOW,
        nbf: NOW,
        exp: NOW + 100,
        generation: 3,
        jkt: None,
    }
}

fn stream_claims() -> StreamClaims {
    StreamClaims {
        iss: URL.into(),
        aud: "ticks".into(),
        sub: "0x857b06519e91e3a54538791bdbb0e22373e36b66".into(),
        jti: "7d444840-9dc0-4acd-b245-5ffdce74fad2".parse().unwrap(),
        stream: "0123456789abcdef".parse().unwrap(),
        fence: 1,
        feed: "ticks".parse().unwrap(),
        iat: NOW,
        exp: NOW + 60,
    }
}

fn issuer(key: &SigningKey) -> Issuer {
    Issuer::new(key.clone(), URL.into(), URL.into())
}

fn verifier(keys: KeySet) -> Verifier {
    Verifier::new(keys, URL.into(), URL.into(), Duration::ZERO)
}

#[test]
fn what_is_issued_verifies_with_either_algorithm() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256] {
        let key = SigningKey::generate(algorithm).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        let (issuer, verifier) = (issuer(&key), verifier(KeySet::default().with(&key)));
        let feed = "ticks".parse().unwrap();
        let bound = Claims { jkt: Some(key.kid().to_owned()), ..claims() };
        for claims in [claims(), bound] {
            let token = issuer.issue(&claims).unwrap();
            assert_eq!(verifier.verify_for(&token, &feed, NOW).unwrap(), claims);
        }
        let token = issuer.issue_stream(&stream_claims()).unwrap();
        assert_eq!(verifier.verify_stream(&token, &feed, NOW).unwrap(), stream_claims());
        assert_eq!(verifier.verify(&token, NOW), Err(Error::Type));
    }
}

#[test]
fn keys_survive_their_pem_and_are_named_by_their_thumbprint() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256] {
        let key = SigningKey::generate(algorithm).unwrap();
        let again = SigningKey::from_pem(key.to_pem().unwrap().as_str()).unwrap();
        assert_eq!(again.kid(), key.kid());
        assert_eq!(again.algorithm(), algorithm);
        assert_eq!(again.derive_secret("quote"), key.derive_secret("quote"), "replicas agree");
        assert_ne!(key.derive_secret("quote"), key.derive_secret("nonce"));
        let token = issuer(&again).issue(&claims()).unwrap();
        assert!(verifier(KeySet::default().with(&key)).verify(&token, NOW).is_ok());
    }
    // RFC 8037 appendix A.3 prints the thumbprint of A.1's key.
    let key = SigningKey::from_pem(RFC_8037).unwrap();
    assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn keys_that_are_not_ours_are_refused() {
    let sec1_p384 = "-----BEGIN EC PRIVATE KEY-----\nMAA=\n-----END EC PRIVATE KEY-----\n";
    for pem in ["", "key", "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----", sec1_p384] {
        assert!(matches!(SigningKey::from_pem(pem), Err(Error::Key(_))), "{pem:?}");
    }
}

#[test]
fn no_debug_output_shows_a_secret() {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let pem = key.to_pem().unwrap();
    let body = pem.as_str().lines().nth(1).unwrap().trim().to_owned();
    assert!(body.len() > 40);
    let issuer = issuer(&key);
    let shown = format!("{key:?} {pem:?} {issuer:?} {:?}", verifier(KeySet::default().with(&key)));
    assert!(shown.contains(key.kid()));
    assert!(!shown.contains(&body[20..]), "{shown}");
}

#[test]
fn an_issuer_refuses_what_a_verifier_would() {
    let issuer = issuer(&SigningKey::generate(Algorithm::EdDsa).unwrap());
    for (wrong, error) in [
        (Claims { iss: "https://other.example".into(), ..claims() }, Error::Issuer),
        (Claims { aud: "https://other.example".into(), ..claims() }, Error::Audience),
        (Claims { sub: String::new(), ..claims() }, Error::Claims("sub")),
        (Claims { deposited: "10".into(), ..claims() }, Error::Claims("deposited")),
        (Claims { chain: "a b".into(), ..claims() }, Error::Claims("chain")),
        (Claims { streams_remaining: 1 << 53, ..claims() }, Error::Claims("streams_remaining")),
        (Claims { exp: NOW, ..claims() }, Error::Claims("exp")),
        (Claims { exp: NOW + SESSION_SECS_MAX + 1, ..claims() }, Error::Claims("exp")),
        (Claims { nbf: NOW + 100, ..claims() }, Error::Claims("nbf")),
        (Claims { jkt: Some("x".into()), ..claims() }, Error::Claims("cnf")),
    ] {
        assert_eq!(issuer.issue(&wrong), Err(error));
    }
    let elsewhere = StreamClaims { aud: "orders".into(), ..stream_claims() };
    assert_eq!(issuer.issue_stream(&elsewhere), Err(Error::Audience));
    let long = StreamClaims { exp: NOW + 61, ..stream_claims() };
    assert_eq!(issuer.issue_stream(&long), Err(Error::Claims("exp")));
}

#[test]
fn keys_rotate_with_overlap_and_a_withdrawn_key_vouches_for_nothing() {
    let [old, new] = [Algorithm::EdDsa, Algorithm::Es256].map(|a| SigningKey::generate(a).unwrap());
    let verifier = verifier(KeySet::default().with(&old));
    let old_token = issuer(&old).issue(&claims()).unwrap();
    let new_token = issuer(&new).issue(&claims()).unwrap();
    assert!(verifier.verify(&old_token, NOW).is_ok());
    assert_eq!(verifier.verify(&new_token, NOW), Err(Error::UnknownKey));

    let published = KeySet::default().with(&new).merged(verifier.keys()).jwks_json().unwrap();
    verifier.replace_keys(KeySet::from_jwks(&published).unwrap());
    assert!(verifier.verify(&old_token, NOW).is_ok());
    assert!(verifier.verify(&new_token, NOW).is_ok());

    verifier.replace_keys(KeySet::default().with(&new));
    assert_eq!(verifier.verify(&old_token, NOW), Err(Error::UnknownKey), "not remembered either");
    assert!(verifier.verify(&new_token, NOW).is_ok());
}

#[test]
fn a_remembered_token_still_expires() {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let verifier = verifier(KeySet::default().with(&key));
    let token = issuer(&key).issue(&claims()).unwrap();
    for _ in 0..3 {
        assert!(verifier.verify(&token, NOW + 99).is_ok());
        assert_eq!(verifier.verify(&token, NOW + 100), Err(Error::Expired));
        assert_eq!(verifier.verify(&token, NOW - 1), Err(Error::NotYetValid));
        assert_eq!(verifier.verify_for(&token, &"orders".parse().unwrap(), NOW), Err(Error::WrongFeed));
    }
}

#[test]
fn leeway_is_bounded() {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let day = Duration::from_hours(24);
    let verifier = Verifier::new(KeySet::default().with(&key), URL.into(), URL.into(), day);
    let token = issuer(&key).issue(&claims()).unwrap();
    assert!(verifier.verify(&token, NOW + 159).is_ok());
    assert_eq!(verifier.verify(&token, NOW + 160), Err(Error::Expired));
}

#[test]
fn memory_of_any_size_changes_no_result() {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let issuer = issuer(&key);
    let tokens: Vec<String> =
        (0..20).map(|generation| issuer.issue(&Claims { generation, ..claims() }).unwrap()).collect();
    for size in [0, 1, 2, 6, 100] {
        let verifier = verifier(KeySet::default().with(&key)).with_cache_tokens(size);
        for round in 0..3 {
            for (generation, token) in (0..).zip(&tokens) {
                let read = verifier.verify(token, NOW).unwrap();
                assert_eq!(read.generation, generation, "size {size}, round {round}");
            }
        }
    }
}

#[test]
fn key_sets_skip_other_kinds_and_refuse_what_should_not_be_published() {
    let ed = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
    let set = |keys: &str| KeySet::from_jwks(&format!(r#"{{"keys":[{keys}]}}"#));
    let kids = |keys: &str| set(keys).unwrap().kids().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(kids(&format!(r#"{{{ed},"kid":"a"}},{{"kty":"RSA","n":"","e":""}}"#)), ["a"]);
    assert!(kids(&format!(r#"{{{ed},"kid":"a","use":"enc"}},{{{ed},"kid":"b","alg":"ES256"}}"#)).is_empty());
    let x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    for keys in [
        format!("{{{ed}}}"),
        format!(r#"{{{ed},"kid":"../a"}}"#),
        format!(r#"{{{ed},"kid":"a"}},{{{ed},"kid":"a"}}"#),
        format!(r#"{{{ed},"kid":"a","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}}"#),
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKx","kid":"a"}"#.to_owned(),
        format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{x}","kid":"off the curve"}}"#),
        format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{x}","kid":"off-the-curve"}}"#),
        "1".to_owned(),
        (0..33).map(|n| format!(r#"{{{ed},"kid":"k{n}"}}"#)).collect::<Vec<_>>().join(","),
    ] {
        assert!(matches!(set(&keys), Err(Error::Key(_))), "{keys}");
    }
    for text in ["", "{}", "[]", r#"{"keys":1}"#, r#"{"keys":[],"keys":[]}"#, &" ".repeat(65_537)] {
        assert!(KeySet::from_jwks(text).is_err());
    }
}

proptest! {
    #[test]
    fn no_change_of_a_token_verifies(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.-]") {
        let key = SigningKey::from_pem(RFC_8037).unwrap();
        let verifier = verifier(KeySet::default().with(&key));
        let token = issuer(&key).issue(&claims()).unwrap();
        let at = at.index(token.len());
        let changed = format!("{}{to}{}", &token[..at], &token[at + 1..]);
        prop_assume!(changed != token);
        prop_assert!(verifier.verify(&changed, NOW).is_err());
        prop_assert!(verifier.verify(&token[..at], NOW).is_err());
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,200}", header in "\\PC{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        use base64::Engine as _;
        let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        let verifier = verifier(KeySet::default());
        prop_assert!(verifier.verify(&text, NOW).is_err());
        let dressed = format!("{}.{}.{}", encode(header.as_bytes()), encode(text.as_bytes()), encode(&bytes));
        prop_assert!(verifier.verify(&dressed, NOW).is_err());
        prop_assert!(KeySet::from_jwks(&text).is_err());
        prop_assert!(SigningKey::from_pem(&text).is_err());
    }
}

#[test]
fn josekit_reads_no_token_for_us() {
    // Its own readers choose by the token's header, and one of them checks no signature.
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let mut users = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        for reader in
            ["jwt::", "JwsContext", "decode_unsecured", "decode_with", "deserialize_compact", "_selector"]
        {
            assert!(!text.contains(reader), "{} names {reader}", path.display());
        }
        if text.contains("use josekit") {
            users.push(path.file_name().unwrap().to_owned());
        }
    }
    assert_eq!(users, ["key.rs"]);
}
