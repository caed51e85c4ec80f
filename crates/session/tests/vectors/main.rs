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
use tollwire_session::{ControlClaims, ControlMessage, Error, KeySet, ReceiptClaims, Verifier, dpop};

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
    #[serde(default)]
    key_sets: Vec<KeySetVector>,
    #[serde(default)]
    proofs: Vec<Proof>,
    #[serde(default)]
    bound: Vec<Bound>,
    #[serde(default)]
    receipts: Vec<Receipt>,
    #[serde(default)]
    controls: Vec<Control>,
}

impl File {
    /// Everything signed, by name.
    fn signed(&self) -> impl Iterator<Item = (&str, &str)> {
        let tokens = self.vectors.iter().map(|vector| (vector.name.as_str(), vector.token.as_str()));
        let proofs = self.proofs.iter().map(|vector| (vector.name.as_str(), vector.proof.as_str()));
        let receipts = self.receipts.iter().map(|vector| (vector.name.as_str(), vector.receipt.as_str()));
        let controls = self.controls.iter().map(|vector| (vector.name.as_str(), vector.jws.as_str()));
        tokens.chain(proofs).chain(receipts).chain(controls)
    }
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

/// A JWK Set as text, and what must become of it.
#[derive(Serialize, Deserialize)]
struct KeySetVector {
    name: String,
    jwks: String,
    /// `ok`, `keys` (it cannot be used) or `no_keys` (nothing in it is for us).
    expect: String,
    /// For `ok`: the keys that are used, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    kids: Option<Vec<String>>,
}

/// A DPoP proof, the request it comes with, and what must become of it.
#[derive(Serialize, Deserialize)]
#[allow(clippy::struct_field_names, reason = "the names of the members of the file")]
struct Proof {
    name: String,
    now: u64,
    method: String,
    url: String,
    /// The token presented, and the thumbprint it is bound to.
    token: Option<String>,
    jkt: Option<String>,
    expect: String,
    proof: String,
    /// For `ok`: who made it, and its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
}

/// A token and a proof, as a provider gets them with one request for its feed, and what must become of them. Judged where
/// both are: `crates/middleware/tests/vectors.rs`, and the SDKs.
#[derive(Serialize, Deserialize)]
struct Bound {
    name: String,
    now: u64,
    feed: String,
    method: String,
    url: String,
    token: String,
    proof: String,
    expect: String,
    status: u16,
}

/// A usage receipt, and what must become of it at any time.
#[derive(Serialize, Deserialize)]
#[allow(clippy::struct_field_names, reason = "the names of the members of the file")]
struct Receipt {
    name: String,
    expect: String,
    receipt: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<Value>,
}

/// A control message as received on a session's stream, and what must become of it.
#[derive(Serialize, Deserialize)]
struct Control {
    name: String,
    now: u64,
    session: String,
    r#type: String,
    id: Option<String>,
    data: String,
    expect: String,
    jws: String,
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
fn every_key_set_gives_its_result() {
    let file = stored().unwrap();
    assert!(file.key_sets.len() >= 40);
    for vector in &file.key_sets {
        let read = KeySet::from_jwks(&vector.jwks);
        let result = match &read {
            Ok(keys) if keys.is_empty() => "no_keys",
            Ok(_) => "ok",
            Err(_) => "keys",
        };
        let name = &vector.name;
        assert_eq!(result, vector.expect, "{name}: {read:?}");
        let kids = read.ok().filter(|keys| !keys.is_empty());
        let kids = kids.map(|keys| keys.kids().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(kids, vector.kids, "{name}");
    }
}

#[test]
fn every_proof_gives_its_result() {
    let file = stored().unwrap();
    assert!(file.proofs.len() >= 80);
    for vector in &file.proofs {
        let mut request = dpop::Request::new(&vector.method, &vector.url);
        if let Some(token) = &vector.token {
            request = request.with_token(token);
        }
        let verified = match &vector.jkt {
            Some(jkt) => dpop::verify_bound(&vector.proof, &request, jkt, vector.now),
            None => dpop::verify(&vector.proof, &request, vector.now),
        };
        let (name, result) = (&vector.name, verified.as_ref().map_or_else(dpop::Error::name, |_| "ok"));
        assert_eq!(result, vector.expect, "{name}");
        let proof = verified.ok();
        assert_eq!(proof.as_ref().map(|proof| &proof.jkt), vector.by.as_ref(), "{name}");
        assert_eq!(proof.as_ref().map(|proof| &proof.jti), vector.jti.as_ref(), "{name}");
    }
}

#[test]
fn every_receipt_gives_its_result() {
    let file = stored().unwrap();
    let keys = KeySet::from_jwks(&file.jwks.to_string()).unwrap();
    assert!(file.receipts.len() >= 40);
    for vector in &file.receipts {
        let verified = ReceiptClaims::verify(&vector.receipt, &keys, &file.issuer);
        let name = &vector.name;
        assert_eq!(verified.as_ref().map_or_else(Error::name, |_| "ok"), vector.expect, "{name}");
        assert_eq!(verified.is_ok(), vector.claims.is_some(), "{name}");
        if let (Ok(read), Some(claims)) = (verified, &vector.claims) {
            assert_eq!(read.used, claims["used"].as_u64().unwrap(), "{name}");
            assert_eq!(read.amount.atomic().to_string(), claims["amount"].as_str().unwrap(), "{name}");
            assert_eq!(read.is_final, claims["final"].as_bool().unwrap(), "{name}");
        }
    }
}

#[test]
fn every_control_message_gives_its_result() {
    let file = stored().unwrap();
    let keys = KeySet::from_jwks(&file.jwks.to_string()).unwrap();
    assert!(file.controls.len() >= 25);
    for vector in &file.controls {
        let (session, id) = (vector.session.parse().unwrap(), vector.id.as_deref());
        let message = ControlMessage { kind: &vector.r#type, id, data: &vector.data };
        let verified =
            ControlClaims::verify(&vector.jws, &keys, &file.issuer, &session, &message, vector.now);
        let result = verified.as_ref().map_or_else(Error::name, |_| "ok");
        assert_eq!(result, vector.expect, "{}", vector.name);
    }
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
