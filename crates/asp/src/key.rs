//! Keys that sign messages.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::Signer as _;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

const PREFIX: &str = "ed25519:";

/// Not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an Ed25519 key is 64 hexadecimal digits, and of a point on the curve")]
pub struct KeyError;

/// A server's key (Ed25519, RFC 8032). Its `Debug` shows only the public half.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// From its 32 secret bytes.
    pub fn from_bytes(secret: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(secret))
    }

    /// From 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), bytes.as_mut()).map_err(|_| KeyError)?;
        Ok(Self::from_bytes(&bytes))
    }

    /// Its public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.verifying_key())
    }

    /// Signs a message's canonical text: `ed25519:` and 128 hexadecimal digits.
    pub fn sign(&self, signed: &[u8]) -> String {
        format!("{PREFIX}{}", hex::encode(self.0.sign(signed).to_bytes()))
    }

    /// A secret for another purpose, which tells nothing about this key.
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let hash = Sha256::new()
            .chain_update(b"tollwire asp derived secret\0")
            .chain_update(self.0.as_bytes())
            .chain_update(purpose.as_bytes());
        Zeroizing::new(hash.finalize().into())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.verifying_key().to_string()).finish()
    }
}

/// A server's public key. Written as 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey(ed25519_dalek::VerifyingKey);

impl VerifyingKey {
    /// Whether this signature is by this key over this canonical text. Hexadecimal digits as we write them, or base64url
    /// without padding as others may.
    pub fn verifies(&self, signed: &[u8], signature: &str) -> bool {
        let Some(text) = signature.strip_prefix(PREFIX) else { return false };
        let mut bytes = [0; 64];
        let read = hex::decode_to_slice(text, &mut bytes).is_ok()
            || URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).is_ok_and(|length| length == 64);
        read && self.0.verify_strict(signed, &ed25519_dalek::Signature::from_bytes(&bytes)).is_ok()
    }

    /// From the `x` of a JWK (RFC 8037).
    pub fn from_x(x: &str) -> Result<Self, KeyError> {
        let mut bytes = [0; 32];
        let read = URL_SAFE_NO_PAD.decode_slice(x, &mut bytes).map_err(|_| KeyError)?;
        if read == 32 { Self::from_bytes(&bytes) } else { Err(KeyError) }
    }

    /// The `x` of its JWK.
    pub fn x(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.as_bytes())
    }

    /// The RFC 7638 thumbprint of its JWK, by which it is known.
    pub fn thumbprint(&self) -> String {
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, self.x());
        URL_SAFE_NO_PAD.encode(Sha256::digest(members))
    }

    fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        ed25519_dalek::VerifyingKey::from_bytes(bytes).map(Self).map_err(|_| KeyError)
    }
}

impl FromStr for VerifyingKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.trim(), &mut bytes).map_err(|_| KeyError)?;
        Self::from_bytes(&bytes)
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032 section 7.1, test 1; its thumbprint is that of RFC 8037 appendix A.3.
    #[test]
    fn the_rfc_s_key() {
        let key =
            SigningKey::from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        let public = key.verifying_key();
        assert_eq!(public.to_string(), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        assert_eq!(public.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!(VerifyingKey::from_x(&public.x()), Ok(public));
        let signature = key.sign(b"");
        assert!(signature.starts_with("ed25519:e5564300c360ac729086e2cc806e828a"), "{signature}");
        assert!(public.verifies(b"", &signature) && !public.verifies(b"x", &signature));
        let bytes = hex::decode(&signature[8..]).unwrap();
        assert!(public.verifies(b"", &format!("ed25519:{}", URL_SAFE_NO_PAD.encode(bytes))));
        assert!(!public.verifies(b"", &signature[8..]) && !public.verifies(b"", "ed25519:"));
        assert!(!format!("{key:?}").contains("9d61"));
        assert_ne!(key.derive("a"), key.derive("b"));
    }
}
