//! A proof taken apart: like a token's compact form, but with the key in its header.

use super::{Error, PROOF_BYTES_MAX, PROOF_TYPE};
use crate::key::PublicKey;
use crate::{Algorithm, json};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// Header members that fetch a key from elsewhere, or change how the payload is read.
const REFUSED_MEMBERS: [&str; 6] = ["jku", "x5u", "x5c", "crit", "b64", "zip"];

/// Members of private and symmetric keys (RFC 7518 section 6, RFC 8037 section 2).
const PRIVATE_MEMBERS: [&str; 9] = ["d", "k", "p", "q", "dp", "dq", "qi", "oth", "priv"];

/// Reads a proof: its key, and its claims as signed by that key.
pub(super) fn open(proof: &str) -> Result<(PublicKey, Map<String, Value>), Error> {
    if proof.len() > PROOF_BYTES_MAX {
        return Err(Error::Malformed);
    }
    let (signed, signature) = proof.rsplit_once('.').ok_or(Error::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(Error::Malformed)?;
    let header = json::object(&decode(header)?).map_err(|_| Error::Malformed)?;
    let (payload, signature) = (decode(payload)?, decode(signature)?);
    let key = key_of(&header)?;
    key.verify(signed.as_bytes(), &signature).map_err(|_| Error::Signature)?;
    let claims = json::object(&payload).map_err(|_| Error::Malformed)?;
    Ok((key, claims))
}

/// The key in a header, if the header is that of a proof in one of our algorithms.
fn key_of(header: &Map<String, Value>) -> Result<PublicKey, Error> {
    if let Some(name) = REFUSED_MEMBERS.into_iter().find(|name| header.contains_key(*name)) {
        return Err(Error::Header(name));
    }
    if text(header, "typ") != Some(PROOF_TYPE) {
        return Err(Error::Type);
    }
    let algorithm = text(header, "alg").and_then(Algorithm::from_header).ok_or(Error::Algorithm)?;
    let jwk = header.get("jwk").and_then(Value::as_object);
    let key = public_key(jwk.ok_or(Error::Key("a JWK object is expected"))?)?;
    if key.algorithm() == algorithm { Ok(key) } else { Err(Error::Algorithm) }
}

fn public_key(jwk: &Map<String, Value>) -> Result<PublicKey, Error> {
    if PRIVATE_MEMBERS.into_iter().any(|name| jwk.contains_key(name)) {
        return Err(Error::Key("a public key is expected, without private members"));
    }
    let algorithm = match (text(jwk, "kty"), text(jwk, "crv")) {
        (Some("OKP"), Some("Ed25519")) => Algorithm::EdDsa,
        (Some("EC"), Some("P-256")) => Algorithm::Es256,
        _ => return Err(Error::Key("an Ed25519 or P-256 key is expected")),
    };
    let for_us = |name: &str, ours: &str| jwk.get(name).is_none_or(|value| value.as_str() == Some(ours));
    if !for_us("use", "sig") || !for_us("alg", algorithm.as_str()) {
        return Err(Error::Key("a key for signatures with its own algorithm is expected"));
    }
    let coordinate = |name| {
        let bytes = text(jwk, name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        bytes.ok_or(Error::Key("a coordinate in unpadded base64url is expected"))
    };
    let x = coordinate("x")?;
    // Without a name of its own, so that it is named by its thumbprint; the header's word does not count.
    let key = match algorithm {
        Algorithm::EdDsa => PublicKey::ed25519(&x, None),
        Algorithm::Es256 => PublicKey::p256(&x, &coordinate("y")?, None),
    };
    key.map_err(|_| Error::Key("a point on the curve is expected, of 32 bytes per coordinate"))
}

fn decode(segment: &str) -> Result<Vec<u8>, Error> {
    URL_SAFE_NO_PAD.decode(segment).map_err(|_| Error::Malformed)
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}
