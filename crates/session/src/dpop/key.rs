//! The client's side: the key, and the proofs it makes.

use super::proof::{Request, is_jti, token_hash};
use super::{Error, PROOF_BYTES_MAX, PROOF_TYPE, target};
use crate::key_set::KeyJwk;
use crate::{Algorithm, SigningKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

/// A key that proves possession of the tokens bound to it. Its `Debug` shows only its thumbprint.
#[derive(Debug, Clone)]
pub struct DpopKey(SigningKey);

impl DpopKey {
    /// Uses this key. Do not sign anything else with it.
    pub const fn new(key: SigningKey) -> Self {
        Self(key)
    }

    /// A new key from the operating system's randomness. To keep it, use [`SigningKey::to_pem`] and
    /// [`SigningKey::from_pem`].
    pub fn generate(algorithm: Algorithm) -> Result<Self, crate::Error> {
        SigningKey::generate(algorithm).map(Self)
    }

    /// The key itself, for instance to write it to a file.
    pub const fn signing_key(&self) -> &SigningKey {
        &self.0
    }

    /// Its RFC 7638 thumbprint: the `cnf.jkt` of tokens bound to it.
    pub fn jkt(&self) -> &str {
        self.0.kid()
    }

    /// Makes the value of the `DPoP` header for one request, at `iat` (Unix seconds). `jti` is fresh for each: 1 to
    /// [`JTI_BYTES_MAX`](super::JTI_BYTES_MAX) printable ASCII characters, such as 128 random bits in hex.
    ///
    /// Refuses what [`verify`](super::verify) would refuse, with the same error.
    pub fn prove(&self, request: &Request<'_>, iat: u64, jti: &str) -> Result<String, Error> {
        if !is_jti(jti) {
            return Err(Error::Claims("jti"));
        }
        if iat >= 1 << 53 {
            return Err(Error::Claims("iat"));
        }
        let header =
            Header { typ: PROOF_TYPE, alg: self.0.algorithm().as_str(), jwk: KeyJwk::of(self.0.public()) };
        let claims = Claims {
            jti,
            htm: request.method,
            htu: &target::normal(request.url)?,
            iat,
            ath: request.token.map(token_hash),
        };
        let mut proof = encode(&header)?;
        proof.push('.');
        proof.push_str(&encode(&claims)?);
        let signature = self.0.sign(proof.as_bytes()).map_err(|_| Error::Key("the key could not sign"))?;
        proof.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut proof);
        if proof.len() > PROOF_BYTES_MAX { Err(Error::Malformed) } else { Ok(proof) }
    }
}

fn encode(part: &impl Serialize) -> Result<String, Error> {
    serde_json::to_vec(part).map(|json| URL_SAFE_NO_PAD.encode(json)).map_err(|_| Error::Malformed)
}

#[derive(Serialize)]
struct Header<'a> {
    typ: &'static str,
    alg: &'static str,
    jwk: KeyJwk<'a>,
}

#[derive(Serialize)]
struct Claims<'a> {
    jti: &'a str,
    htm: &'a str,
    htu: &'a str,
    iat: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<String>,
}
