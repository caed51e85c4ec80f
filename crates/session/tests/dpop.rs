//! DPoP proofs against the published examples, and what the shared vectors do not hold.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail loudly")]

use proptest::prelude::*;
use tollwire_session::dpop::{self, DpopKey, Error, Request};
use tollwire_session::{Algorithm, SigningKey};

const NOW: u64 = 1_800_000_000;
const URL: &str = "https://pay.example/ws/ticks";

/// RFC 9449 section 4.1, figure 2, and section 6.1: its thumbprint.
const RFC_9449_4_1: &str = concat!(
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0Rs",
    "cEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2",
    "In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2Vu",
    "IiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZ",
    "T3Lg",
);

/// RFC 9449 section 7.1, figures 12 and 13: a proof with the hash of the token beside it.
const RFC_9449_7_1: &str = concat!(
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0Rs",
    "cEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2",
    "In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90",
    "ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFF",
    "byJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA",
);
const RFC_9449_TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
const RFC_9449_JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

fn key(algorithm: Algorithm) -> DpopKey {
    DpopKey::generate(algorithm).unwrap()
}

#[test]
fn the_examples_of_rfc_9449_hold() {
    let request = Request::new("POST", "https://server.example.com/token");
    let proof = dpop::verify(RFC_9449_4_1, &request, 1_562_262_616).unwrap();
    assert_eq!(
        (proof.jkt.as_str(), proof.jti.as_str(), proof.iat),
        (RFC_9449_JKT, "-BwC3ESc6acc2lTc", 1_562_262_616)
    );
    let request = Request::new("GET", "https://resource.example.org/protectedresource");
    let bound = request.with_token(RFC_9449_TOKEN);
    let proof = dpop::verify_bound(RFC_9449_7_1, &bound, RFC_9449_JKT, 1_562_262_618).unwrap();
    assert_eq!((proof.jkt.as_str(), proof.jti.as_str()), (RFC_9449_JKT, "e1j3V_bKic8-LAEB"));
    for (request, error) in [
        (request, Error::Token),
        (request.with_token("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxV"), Error::Token),
        (Request::new("POST", "https://resource.example.org/protectedresource"), Error::Method),
        (Request::new("get", "https://resource.example.org/protectedresource"), Error::Method),
        (Request::new("GET", "https://resource.example.org/"), Error::Url),
        (Request::new("GET", "/protectedresource"), Error::Url),
    ] {
        assert_eq!(dpop::verify(RFC_9449_7_1, &request, 1_562_262_618), Err(error), "{request:?}");
    }
}

#[test]
fn the_thumbprint_is_that_of_rfc_8037() {
    let pem = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
        -----END PRIVATE KEY-----\n";
    let key = DpopKey::new(SigningKey::from_pem(pem).unwrap());
    assert_eq!(key.jkt(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let request = Request::new("GET", URL);
    let proof = key.prove(&request, NOW, "1").unwrap();
    assert_eq!(dpop::verify(&proof, &request, NOW).unwrap().jkt, key.jkt());
    assert_eq!(proof, key.prove(&request, NOW, "1").unwrap(), "EdDSA is deterministic");
}

#[test]
fn what_a_key_proves_holds_for_that_request_alone() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256] {
        let (key, other) = (key(algorithm), key(algorithm));
        let request =
            Request::new("GET", "wss://PAY.example:443/ws/%74icks?control=v1#x").with_token("a.b.c");
        let proof = key.prove(&request, NOW, "id").unwrap();
        let at = |url, method, token| Request::new(method, url).with_token(token);
        let same = at(URL, "GET", "a.b.c");
        assert_eq!(dpop::verify_bound(&proof, &same, key.jkt(), NOW).unwrap().iat, NOW);
        assert_eq!(dpop::verify_bound(&proof, &same, other.jkt(), NOW), Err(Error::Binding));
        for (request, error) in [
            (at(URL, "POST", "a.b.c"), Error::Method),
            (at("https://pay.example/ws/orders", "GET", "a.b.c"), Error::Url),
            (at("https://pay.example/ws/Ticks", "GET", "a.b.c"), Error::Url),
            (at("https://pay.example/ws/ticks/", "GET", "a.b.c"), Error::Url),
            (at("http://pay.example/ws/ticks", "GET", "a.b.c"), Error::Url),
            (at("https://pay.example:8443/ws/ticks", "GET", "a.b.c"), Error::Url),
            (at("https://evil.example/ws/ticks", "GET", "a.b.c"), Error::Url),
            (at(URL, "GET", "a.b.d"), Error::Token),
            (Request::new("GET", URL), Error::Token),
        ] {
            assert_eq!(dpop::verify_bound(&proof, &request, key.jkt(), NOW), Err(error), "{request:?}");
        }
        let bare = Request::new("GET", URL);
        let proof = key.prove(&bare, NOW, "id").unwrap();
        assert!(dpop::verify(&proof, &bare, NOW).is_ok());
        assert_eq!(dpop::verify_bound(&proof, &bare, key.jkt(), NOW), Err(Error::Token), "nothing is bound");
        assert_eq!(
            dpop::verify_bound(&proof, &same, key.jkt(), NOW),
            Err(Error::Token),
            "made without a token"
        );
    }
}

#[test]
fn a_proof_lives_for_a_minute() {
    let (key, request) = (key(Algorithm::EdDsa), Request::new("GET", URL));
    let proof = key.prove(&request, NOW, "id").unwrap();
    let accepted = |now| dpop::verify(&proof, &request, now).map(|_| ());
    assert_eq!(accepted(NOW - dpop::AHEAD_SECS_MAX - 1), Err(Error::NotYetValid));
    assert_eq!(accepted(NOW - dpop::AHEAD_SECS_MAX), Ok(()));
    assert_eq!(accepted(NOW + dpop::AGE_SECS_MAX), Ok(()));
    assert_eq!(accepted(NOW + dpop::AGE_SECS_MAX + 1), Err(Error::Expired));
    assert_eq!(accepted(0), Err(Error::NotYetValid));
    assert_eq!(accepted(u64::MAX), Err(Error::Expired));
    let first = NOW - dpop::AHEAD_SECS_MAX;
    assert_eq!(accepted(first + dpop::REPLAY_SECS), Err(Error::Expired), "forgotten only when it is over");
}

#[test]
fn a_maker_refuses_what_a_verifier_would() {
    let (key, request) = (key(Algorithm::EdDsa), Request::new("GET", URL));
    let long = "j".repeat(dpop::JTI_BYTES_MAX + 1);
    for jti in ["", "a\nb", "\u{e9}", &long] {
        assert_eq!(key.prove(&request, NOW, jti), Err(Error::Claims("jti")), "{jti:?}");
    }
    assert!(key.prove(&request, NOW, &long[1..]).is_ok());
    assert_eq!(key.prove(&request, 1 << 53, "id"), Err(Error::Claims("iat")));
    for url in ["", "/ws/ticks", "ftp://pay.example/"] {
        assert_eq!(key.prove(&Request::new("GET", url), NOW, "id"), Err(Error::Url), "{url}");
    }
}

#[test]
fn replays_are_told_apart_by_key_and_id() {
    let (one, two) = (key(Algorithm::EdDsa), key(Algorithm::Es256));
    let request = Request::new("GET", URL);
    let replay_key = |key: &DpopKey, jti, now| {
        dpop::verify(&key.prove(&request, now, jti).unwrap(), &request, NOW).unwrap().replay_key()
    };
    assert_eq!(replay_key(&one, "a", NOW), replay_key(&one, "a", NOW - 1));
    assert_ne!(replay_key(&one, "a", NOW), replay_key(&one, "b", NOW));
    assert_ne!(replay_key(&one, "a", NOW), replay_key(&two, "a", NOW), "nobody uses up another's ids");
    assert!(replay_key(&one, &"x".repeat(dpop::JTI_BYTES_MAX), NOW).len() < 64);
}

#[test]
fn no_debug_output_shows_a_secret() {
    let key = key(Algorithm::EdDsa);
    let pem = key.signing_key().to_pem().unwrap();
    let body = pem.as_str().lines().nth(1).unwrap().trim().to_owned();
    let shown = format!("{key:?} {:?}", Request::new("GET", URL).with_token("secret.token"));
    assert!(
        shown.contains(key.jkt()) && !shown.contains("secret.token") && !shown.contains(&body[20..]),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn no_change_of_a_proof_verifies(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.-]") {
        let request = Request::new("POST", "https://server.example.com/token");
        let at = at.index(RFC_9449_4_1.len());
        let changed = format!("{}{to}{}", &RFC_9449_4_1[..at], &RFC_9449_4_1[at + 1..]);
        prop_assume!(changed != RFC_9449_4_1);
        prop_assert!(dpop::verify(&changed, &request, 1_562_262_616).is_err());
        prop_assert!(dpop::verify(&RFC_9449_4_1[..at], &request, 1_562_262_616).is_err());
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,200}", header in "\\PC{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        use base64::Engine as _;
        let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        let request = Request::new("GET", URL);
        prop_assert!(dpop::verify(&text, &request, NOW).is_err());
        let dressed = format!("{}.{}.{}", encode(header.as_bytes()), encode(text.as_bytes()), encode(&bytes));
        prop_assert!(dpop::verify(&dressed, &request, NOW).is_err());
        let jwk = r#"{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":""#;
        let jwk = format!(r#"{jwk}{}","y":"{}"}}}}"#, encode(&bytes), encode(&bytes));
        let dressed = format!("{}.{}.{}", encode(jwk.as_bytes()), encode(text.as_bytes()), encode(&bytes));
        prop_assert!(dpop::verify(&dressed, &request, NOW).is_err());
    }
}
