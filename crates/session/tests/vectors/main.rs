//! The shared token vectors: every one gives its stated result, and the file is what the generator makes.
//!
//! `TOLLWIRE_WRITE_VECTORS=1 cargo test -p tollwire-session --test vectors` writes `tests/vectors/tokens.json`.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail loudly")]

mod cases;
mod forge;
mod keys;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;
use tollwire_session::{Error, KeySet, Verifier};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/tokens.json");

/// `tests/vectors/tokens.json`, described in the README beside it.
#[derive(Serialize, Deserialize)]
struct File {
    about: String,
    issuer: String,
    audience: String,
    leeway_secs: u64,
    private_keys: Vec<PrivateKey>,
    jwks: Value,
    vectors: Vec<Vector>,
}

/// A published test key of an RFC, so that other implementations can make the same tokens.
#[derive(Serialize, Deserialize)]
struct PrivateKey {
    name: String,
    source: String,
    pem: String,
}

/// One token and what must become of it.
#[derive(Serialize, Deserialize)]
struct Vector {
    name: String,
    verify: Kind,
    feed: String,
    now: u64,
    expect: String,
    status: u16,
    token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<Value>,
}

/// Which verifier the token is shown to.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Session,
    Stream,
}

fn stored() -> Option<File> {
    let text = std::fs::read_to_string(FILE).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

/// The result's name, and the claims that other languages would read too.
fn run(verifier: &Verifier, vector: &Vector) -> Result<[String; 4], Error> {
    let feed = vector.feed.parse().unwrap();
    match vector.verify {
        Kind::Session => verifier.verify_for(&vector.token, &feed, vector.now).map(|claims| {
            [claims.sub, claims.jti.to_string(), claims.feed.to_string(), claims.exp.to_string()]
        }),
        Kind::Stream => verifier.verify_stream(&vector.token, &feed, vector.now).map(|claims| {
            [claims.sub, claims.jti.to_string(), claims.feed.to_string(), claims.exp.to_string()]
        }),
    }
}

fn check(verifier: &Verifier, vector: &Vector) {
    let name = &vector.name;
    match run(verifier, vector) {
        Ok(read) => {
            assert_eq!(vector.expect, "ok", "{name}: accepted");
            assert_eq!(vector.status, 101, "{name}");
            let claims = vector.claims.as_ref().unwrap();
            let text = |member: &str| claims[member].as_str().unwrap().to_owned();
            assert_eq!(read, [text("sub"), text("jti"), text("feed"), claims["exp"].to_string()], "{name}");
        }
        Err(error) => {
            assert_eq!(error.name(), vector.expect, "{name}: {error}");
            assert_eq!(error.http_status(), vector.status, "{name}: {error}");
            assert!(vector.claims.is_none(), "{name}");
        }
    }
}

#[test]
fn every_vector_gives_its_result_whatever_came_before() {
    let file = stored().unwrap();
    let keys = KeySet::from_jwks(&file.jwks.to_string()).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&keys.jwks_json().unwrap()).unwrap(),
        file.jwks,
        "our own form of a JWK Set"
    );
    let leeway = Duration::from_secs(file.leeway_secs);
    let verifier = Verifier::new(keys, file.issuer.clone(), file.audience.clone(), leeway);
    assert!(file.vectors.len() >= 60);
    // Three orders with one verifier: what it remembers must change no result.
    file.vectors.iter().for_each(|vector| check(&verifier, vector));
    file.vectors.iter().rev().for_each(|vector| check(&verifier, vector));
    file.vectors.iter().for_each(|vector| check(&verifier, vector));
}

#[test]
fn the_file_is_what_the_generator_makes() {
    let made = serde_json::to_string_pretty(&cases::file(stored().as_ref())).unwrap() + "\n";
    if std::env::var_os("TOLLWIRE_WRITE_VECTORS").is_some() {
        std::fs::write(FILE, made).unwrap();
        return;
    }
    let same = std::fs::read_to_string(FILE).unwrap() == made;
    assert!(same, "tests/vectors/tokens.json is stale: run this test with TOLLWIRE_WRITE_VECTORS=1");
}
