//! Private keys of ordinary accounts.

use super::signature::address_of;
use super::{Address, Error, Signature};
use secp256k1::{Message, SECP256K1, SecretKey};
use std::fmt;
use zeroize::Zeroizing;

/// A secp256k1 private key. Wiped from memory when dropped; `Debug` shows the address alone.
#[derive(Clone)]
pub struct PrivateKey(SecretKey);

impl Drop for PrivateKey {
    fn drop(&mut self) {
        self.0.non_secure_erase();
    }
}

impl PrivateKey {
    /// Reads 64 hexadecimal digits, with or without `0x`.
    pub fn from_hex(text: &str) -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        let digits = text.strip_prefix("0x").unwrap_or(text);
        hex::decode_to_slice(digits, bytes.as_mut()).map_err(|_| Error::Key)?;
        Self::from_bytes(&bytes)
    }

    /// From its 32 bytes, which must be above zero and below the curve's order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, Error> {
        SecretKey::from_byte_array(*bytes).map(Self).map_err(|_| Error::Key)
    }

    /// The account's address.
    pub fn address(&self) -> Address {
        address_of(&self.0.public_key(SECP256K1))
    }

    /// Signs a 32-byte digest: deterministic (RFC 6979), low `s`.
    pub fn sign_digest(&self, digest: &[u8; 32]) -> Result<Signature, Error> {
        let signed = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(*digest), &self.0);
        let (id, signature) = signed.serialize_compact();
        let mut bytes = [0; 65];
        let [rs @ .., v] = &mut bytes;
        rs.copy_from_slice(&signature);
        *v = u8::try_from(i32::from(id)).map_err(|_| Error::Signature("the digest could not be signed"))?;
        Signature::from_bytes(&bytes)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("address", &self.address()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn debug_shows_the_address_alone() {
        let key = PrivateKey::from_hex(&"11".repeat(32)).unwrap();
        assert_eq!(
            format!("{key:?}"),
            "PrivateKey { address: 0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A, .. }"
        );
    }

    #[test]
    fn refuses_what_is_no_key_and_quotes_nothing() {
        let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
        for text in ["", "0x11", &"00".repeat(32), order, &"zz".repeat(32)] {
            let error = PrivateKey::from_hex(text).unwrap_err();
            assert!(text.is_empty() || !error.to_string().contains(text), "{error}");
        }
    }

    proptest! {
        #[test]
        fn whoever_signs_is_recovered(secret: [u8; 32], digest: [u8; 32]) {
            let Ok(key) = PrivateKey::from_bytes(&secret) else { return Ok(()) };
            let signature = key.sign_digest(&digest).unwrap();
            prop_assert_eq!(signature.recover(&digest), Ok(key.address()));
            // What our own signer makes is what our own reader takes.
            prop_assert_eq!(Signature::from_bytes(signature.as_bytes()), Ok(signature));
        }
    }
}
