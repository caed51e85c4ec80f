//! Keys: the private one that signs, the public ones that verify. The only file that sees josekit.

use crate::{Algorithm, Error};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use josekit::jwk::alg::ed::{EdCurve, EdKeyPair};
use josekit::jwk::{Jwk, KeyPair};
use josekit::jws::{ES256, EdDSA, JwsSigner, JwsVerifier};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The bytes of a coordinate, on both curves.
const COORDINATE_BYTES: usize = 32;

/// A private key that signs tokens. Its `Debug` shows only the key's name.
#[derive(Clone)]
pub struct SigningKey {
    pair: Arc<dyn KeyPair>,
    signer: Arc<dyn JwsSigner>,
    /// The private scalar or seed.
    secret: Arc<Zeroizing<Vec<u8>>>,
    public: PublicKey,
}

impl SigningKey {
    /// A new key from the operating system's randomness.
    pub fn generate(algorithm: Algorithm) -> Result<Self, Error> {
        match algorithm {
            Algorithm::EdDsa => Self::from_ed(EdKeyPair::generate(EdCurve::Ed25519).map_err(unusable)?),
            Algorithm::Es256 => Self::from_ec(EcKeyPair::generate(EcCurve::P256).map_err(unusable)?),
        }
    }

    /// Reads a PEM file: PKCS#8 (`PRIVATE KEY`) of Ed25519 or P-256, or SEC 1 (`EC PRIVATE KEY`) of P-256. The
    /// algorithm is the key's.
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        let pem = pem.trim_ascii();
        if let Ok(pair) = EdKeyPair::from_pem(pem) {
            return Self::from_ed(pair);
        }
        Self::from_ec(EcKeyPair::from_pem(pem, Some(EcCurve::P256)).map_err(unusable)?)
    }

    fn from_ed(pair: EdKeyPair) -> Result<Self, Error> {
        if pair.curve() != EdCurve::Ed25519 {
            return Err(Error::Key(EXPECTED));
        }
        let signer = EdDSA.signer_from_der(secret_der(&pair)).map_err(unusable)?;
        Self::assemble(pair, signer, Algorithm::EdDsa)
    }

    fn from_ec(pair: EcKeyPair) -> Result<Self, Error> {
        let signer = ES256.signer_from_der(secret_der(&pair)).map_err(unusable)?;
        Self::assemble(pair, signer, Algorithm::Es256)
    }

    fn assemble(
        pair: impl KeyPair + 'static,
        signer: impl JwsSigner + 'static,
        algorithm: Algorithm,
    ) -> Result<Self, Error> {
        let secret = coordinate(&pair.to_jwk_private_key(), "d")?;
        let jwk = pair.to_jwk_public_key();
        let x = coordinate(&jwk, "x")?;
        let public = match algorithm {
            Algorithm::EdDsa => PublicKey::ed25519(&x, None)?,
            Algorithm::Es256 => PublicKey::p256(&x, &coordinate(&jwk, "y")?, None)?,
        };
        let secret = Arc::new(Zeroizing::new(secret));
        Ok(Self { pair: Arc::new(pair), signer: Arc::new(signer), secret, public })
    }

    /// The key as PKCS#8 PEM, to be written to a file that only its owner can read.
    pub fn to_pem(&self) -> Result<Pem, Error> {
        let bytes = Zeroizing::new(self.pair.to_pem_private_key());
        let text = std::str::from_utf8(&bytes).map_err(|_| Error::Key(EXPECTED))?;
        Ok(Pem(Zeroizing::new(text.to_owned())))
    }

    /// The key's name: its RFC 7638 thumbprint.
    pub fn kid(&self) -> &str {
        self.public.kid()
    }

    /// The algorithm it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.public.algorithm
    }

    /// A 256-bit secret that everybody who holds this key agrees on: HMAC-SHA256 of `label` under the private key.
    ///
    /// Different labels give independent secrets, and none reveals the key.
    pub fn derive_secret(&self, label: &str) -> Result<[u8; 32], Error> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).map_err(|_| Error::Key("an HMAC key"))?;
        mac.update(b"tollwire derived secret v1\0");
        mac.update(label.as_bytes());
        Ok(mac.finalize().into_bytes().into())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.signer.sign(message).map_err(unusable)
    }

    pub(crate) fn public(&self) -> &PublicKey {
        &self.public
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid()).finish_non_exhaustive()
    }
}

/// A private key as text. Erased from memory when dropped; its `Debug` shows nothing.
pub struct Pem(Zeroizing<String>);

impl Pem {
    /// The text, to be written to a file.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pem(..)")
    }
}

/// A public key with its name and its one algorithm.
#[derive(Clone)]
pub(crate) struct PublicKey {
    kid: Box<str>,
    algorithm: Algorithm,
    /// As in a JWK: base64url, `y` for P-256 alone.
    x: Box<str>,
    y: Option<Box<str>>,
    verifier: Arc<dyn JwsVerifier>,
}

impl PublicKey {
    /// An Ed25519 key; named by its thumbprint unless it has a name.
    pub(crate) fn ed25519(x: &[u8], kid: Option<&str>) -> Result<Self, Error> {
        let x = encode_coordinate(x)?;
        let jwk = jwk("OKP", "Ed25519", &[("x", &x)])?;
        let verifier = EdDSA.verifier_from_jwk(&jwk).map_err(unusable)?;
        let thumbprint = || thumbprint(&format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
        let kid = kid.map_or_else(thumbprint, str::to_owned).into();
        Ok(Self { kid, algorithm: Algorithm::EdDsa, x: x.into(), y: None, verifier: Arc::new(verifier) })
    }

    /// A P-256 key; the point must lie on the curve.
    pub(crate) fn p256(x: &[u8], y: &[u8], kid: Option<&str>) -> Result<Self, Error> {
        let (x, y) = (encode_coordinate(x)?, encode_coordinate(y)?);
        let jwk = jwk("EC", "P-256", &[("x", &x), ("y", &y)])?;
        let verifier = ES256.verifier_from_jwk(&jwk).map_err(unusable)?;
        let thumbprint = || thumbprint(&format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#));
        let kid = kid.map_or_else(thumbprint, str::to_owned).into();
        let verifier = Arc::new(verifier);
        Ok(Self { kid, algorithm: Algorithm::Es256, x: x.into(), y: Some(y.into()), verifier })
    }

    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn coordinates(&self) -> (&str, Option<&str>) {
        (&self.x, self.y.as_deref())
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        self.verifier.verify(message, signature).map_err(|_| Error::Signature)
    }
}

const EXPECTED: &str = "an Ed25519 or P-256 private key in PEM (PKCS#8) is expected";

/// josekit's messages may quote what they were given: they are never passed on.
fn unusable(_: josekit::JoseError) -> Error {
    Error::Key(EXPECTED)
}

fn secret_der(pair: &impl KeyPair) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(pair.to_der_private_key())
}

fn coordinate(jwk: &Jwk, name: &str) -> Result<Vec<u8>, Error> {
    let text = jwk.parameter(name).and_then(Value::as_str).ok_or(Error::Key(EXPECTED))?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Error::Key(EXPECTED))
}

fn encode_coordinate(bytes: &[u8]) -> Result<String, Error> {
    if bytes.len() == COORDINATE_BYTES {
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    } else {
        Err(Error::Key("a coordinate of 32 bytes is expected"))
    }
}

fn jwk(kty: &str, crv: &str, coordinates: &[(&str, &str)]) -> Result<Jwk, Error> {
    let mut jwk = Jwk::new(kty);
    jwk.set_curve(crv);
    for (name, value) in coordinates {
        jwk.set_parameter(name, Some(Value::from(*value))).map_err(unusable)?;
    }
    Ok(jwk)
}

/// RFC 7638: SHA-256 over the required members in lexical order, without white space.
fn thumbprint(canonical: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical))
}
