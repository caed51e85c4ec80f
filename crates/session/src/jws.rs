//! The compact form of a signed token (RFC 7515 section 7.1), read strictly and before any key is chosen.
//!
//! josekit signs and verifies bytes for us; its own token parser is not used, because it takes the last of
//! duplicate members and chooses by what the header says.

use crate::key::{PublicKey, SigningKey};
use crate::{Algorithm, Error, json};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value};

/// The longest token that is read, in bytes. Ours have about 700.
pub const TOKEN_BYTES_MAX: usize = 4096;

/// Header members that bring their own key, or another way to read the payload. None of our tokens has one.
const REFUSED_MEMBERS: [&str; 7] = ["jwk", "jku", "x5u", "x5c", "crit", "b64", "zip"];

/// A token's parts, decoded, before its signature means anything.
pub(crate) struct Compact<'a> {
    /// What is signed: the first two segments and the dot between them.
    signed: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
    algorithm: Algorithm,
    kid: String,
    typ: Option<String>,
}

impl<'a> Compact<'a> {
    /// Takes a token apart. Base64url without padding and without stray bits only, so that no two texts are one
    /// token.
    pub(crate) fn parse(token: &'a str) -> Result<Self, Error> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Error::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Error::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Error::Malformed)?;
        let header = json::object(&decode(header)?)?;
        let (payload, signature) = (decode(payload)?, decode(signature)?);
        if let Some(name) = REFUSED_MEMBERS.into_iter().find(|name| header.contains_key(*name)) {
            return Err(Error::Header(name));
        }
        let algorithm = text(&header, "alg").and_then(Algorithm::from_header).ok_or(Error::Algorithm)?;
        let kid = text(&header, "kid").ok_or(Error::UnknownKey)?.to_owned();
        let typ = text(&header, "typ").map(str::to_owned);
        Ok(Self { signed, payload, signature, algorithm, kid, typ })
    }

    /// The name of the key the token says it was signed with: only to be looked up among known ones.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// The payload, if this key signed it as a token of this type.
    pub(crate) fn verify(&self, key: &PublicKey, typ: &str) -> Result<Map<String, Value>, Error> {
        if self.algorithm != key.algorithm() {
            return Err(Error::Algorithm);
        }
        key.verify(self.signed.as_bytes(), &self.signature)?;
        if self.typ.as_deref() != Some(typ) {
            return Err(Error::Type);
        }
        json::object(&self.payload)
    }
}

/// Signs a payload as a token of this type.
pub(crate) fn sign(key: &SigningKey, typ: &str, payload: &[u8]) -> Result<String, Error> {
    #[derive(Serialize)]
    struct Header<'a> {
        alg: &'a str,
        typ: &'a str,
        kid: &'a str,
    }
    let header = Header { alg: key.algorithm().as_str(), typ, kid: key.kid() };
    let header = serde_json::to_vec(&header).map_err(|_| Error::Malformed)?;
    let mut token = URL_SAFE_NO_PAD.encode(header);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    if token.len() > TOKEN_BYTES_MAX { Err(Error::Malformed) } else { Ok(token) }
}

fn decode(segment: &str) -> Result<Vec<u8>, Error> {
    URL_SAFE_NO_PAD.decode(segment).map_err(|_| Error::Malformed)
}

fn text<'a>(header: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    header.get(name).and_then(Value::as_str)
}
