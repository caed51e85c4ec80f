//! The public keys that are good at present: a JWK Set (RFC 7517 section 5).

use crate::jws::Compact;
use crate::key::PublicKey;
use crate::{Algorithm, Error, SigningKey, json};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value};

/// The most keys a set holds.
pub const KEYS_MAX: usize = 32;

/// The longest JWK Set that is read, in bytes.
pub const JWKS_BYTES_MAX: usize = 64 * 1024;

/// Public keys by name. Several at once let a new key be published before it signs, and an old one outlive the
/// tokens it signed.
#[derive(Clone, Default)]
pub struct KeySet {
    keys: Vec<PublicKey>,
}

impl KeySet {
    /// Reads a JWK Set.
    ///
    /// Keys of a kind we do not use are skipped, as RFC 7517 asks. An unusable key of ours, one without a name, a
    /// name twice, or a private key refuses the whole set: it was not meant to be published.
    pub fn from_jwks(jwks: &str) -> Result<Self, Error> {
        if jwks.len() > JWKS_BYTES_MAX {
            return Err(Error::Key("a JWK Set of at most 64 KiB is expected"));
        }
        let set = json::object(jwks.as_bytes()).map_err(|_| Error::Key("a JWK Set is a JSON object"))?;
        let keys = set.get("keys").and_then(Value::as_array);
        let keys = keys.ok_or(Error::Key("a JWK Set has an array of keys"))?;
        let mut this = Self::default();
        for jwk in keys {
            let jwk = jwk.as_object().ok_or(Error::Key("a JWK is a JSON object"))?;
            if let Some(key) = read(jwk)? {
                this.add(key)?;
            }
        }
        Ok(this)
    }

    /// This set and the public half of one more key. A key that is already there changes nothing.
    #[must_use]
    pub fn with(mut self, key: &SigningKey) -> Self {
        if self.get(key.kid()).is_none() {
            self.keys.push(key.public().clone());
        }
        self
    }

    /// This set and the keys of another that it lacks: how retired keys are kept for as long as their tokens live.
    #[must_use]
    pub fn merged(mut self, other: Self) -> Self {
        for key in other.keys {
            if self.get(key.kid()).is_none() {
                self.keys.push(key);
            }
        }
        self
    }

    /// The set as `/.well-known/jwks.json` serves it: `kty`, `crv`, `x`, `y`, `kid`, `use`, `alg` and nothing else.
    pub fn jwks_json(&self) -> Result<String, Error> {
        let keys = self.keys.iter().map(PublicJwk::of).collect();
        serde_json::to_string(&Jwks { keys }).map_err(|_| Error::Key("a JWK Set"))
    }

    /// The names of the keys.
    pub fn kids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(PublicKey::kid)
    }

    /// True if the set has no key, and so verifies nothing.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key of this name. A closed list: no name leads anywhere else.
    pub(crate) fn get(&self, kid: &str) -> Option<&PublicKey> {
        self.keys.iter().find(|key| key.kid() == kid)
    }

    /// The payload of a token of this type from this issuer, signed with one of these keys.
    pub(crate) fn open(&self, token: &str, typ: &str, issuer: &str) -> Result<Map<String, Value>, Error> {
        let token = Compact::parse(token)?;
        let key = self.get(token.kid()).ok_or(Error::UnknownKey)?;
        let payload = token.verify(key, typ)?;
        if payload.get("iss").and_then(Value::as_str) == Some(issuer) {
            Ok(payload)
        } else {
            Err(Error::Issuer)
        }
    }

    fn add(&mut self, key: PublicKey) -> Result<(), Error> {
        if self.get(key.kid()).is_some() {
            return Err(Error::Key("each key of a JWK Set has its own kid"));
        }
        if self.keys.len() >= KEYS_MAX {
            return Err(Error::Key("a JWK Set of at most 32 keys is expected"));
        }
        self.keys.push(key);
        Ok(())
    }
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.kids()).finish()
    }
}

/// Reads one JWK; `None` if it is of a kind or for a use that is not ours.
fn read(jwk: &Map<String, Value>) -> Result<Option<PublicKey>, Error> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let algorithm = match (text("kty"), text("crv")) {
        (Some("OKP"), Some("Ed25519")) => Algorithm::EdDsa,
        (Some("EC"), Some("P-256")) => Algorithm::Es256,
        _ => return Ok(None),
    };
    if jwk.contains_key("d") {
        return Err(Error::Key("a JWK Set holds public keys; this one has a private key"));
    }
    let for_us = |name: &str, ours: &str| jwk.get(name).is_none_or(|value| value.as_str() == Some(ours));
    if !for_us("use", "sig") || !for_us("alg", algorithm.as_str()) {
        return Ok(None);
    }
    let kid = text("kid").filter(|kid| is_kid(kid));
    let kid = kid.ok_or(Error::Key("a kid of 1 to 64 characters of A-Z, a-z, 0-9, '-', '_' or '.'"))?;
    let coordinate = |name| {
        let bytes = text(name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        bytes.ok_or(Error::Key("a coordinate in unpadded base64url is expected"))
    };
    let x = coordinate("x")?;
    match algorithm {
        Algorithm::EdDsa => PublicKey::ed25519(&x, Some(kid)).map(Some),
        Algorithm::Es256 => PublicKey::p256(&x, &coordinate("y")?, Some(kid)).map(Some),
    }
}

/// Names that mean nothing to a file system, a URL or a log.
fn is_kid(kid: &str) -> bool {
    (1..=64).contains(&kid.len()) && kid.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

#[derive(Serialize)]
struct Jwks<'a> {
    keys: Vec<PublicJwk<'a>>,
}

#[derive(Serialize)]
struct PublicJwk<'a> {
    #[serde(flatten)]
    key: KeyJwk<'a>,
    kid: &'a str,
    r#use: &'static str,
    alg: &'static str,
}

impl<'a> PublicJwk<'a> {
    fn of(key: &'a PublicKey) -> Self {
        Self { key: KeyJwk::of(key), kid: key.kid(), r#use: "sig", alg: key.algorithm().as_str() }
    }
}

/// A public key as a JWK and nothing else: the members that its thumbprint is made of.
#[derive(Serialize)]
pub(crate) struct KeyJwk<'a> {
    kty: &'static str,
    crv: &'static str,
    x: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<&'a str>,
}

impl<'a> KeyJwk<'a> {
    pub(crate) fn of(key: &'a PublicKey) -> Self {
        let (kty, crv) = match key.algorithm() {
            Algorithm::EdDsa => ("OKP", "Ed25519"),
            Algorithm::Es256 => ("EC", "P-256"),
        };
        let (x, y) = key.coordinates();
        Self { kty, crv, x, y }
    }
}
