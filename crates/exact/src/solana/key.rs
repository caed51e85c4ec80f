//! Private keys of wallets.

use super::{Address, Error, Signature};
use ed25519_dalek::{Signer as _, SigningKey};
use std::fmt;
use zeroize::Zeroizing;

/// The longest text of a key: 64 numbers in a JSON array, with a blank after every comma.
const CHARS_MAX: usize = 512;

/// The longest base58 text of 64 bytes.
const BASE58_CHARS_MAX: usize = 88;

/// An Ed25519 private key. Wiped from memory when dropped; `Debug` shows the address alone.
#[derive(Clone)]
pub struct PrivateKey(SigningKey);

impl PrivateKey {
    /// From its 32 bytes (the seed of RFC 8032). Any will do.
    pub fn from_bytes(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// From the 64 bytes that wallets export, seed and public key, in base58 or as a JSON array of numbers (the file of
    /// `solana-keygen`). The two halves must belong together.
    pub fn from_text(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if text.len() > CHARS_MAX {
            return Err(Error::Key);
        }
        let mut pair = Zeroizing::new([0; 64]);
        if text.starts_with('[') {
            let numbers: Zeroizing<Vec<u8>> =
                serde_json::from_str(text).map(Zeroizing::new).map_err(|_| Error::Key)?;
            *pair = numbers.as_slice().try_into().map_err(|_| Error::Key)?;
        } else {
            let within = text.len() <= BASE58_CHARS_MAX;
            let written = within.then(|| bs58::decode(text).onto(pair.as_mut_slice()).ok()).flatten();
            if written != Some(64) {
                return Err(Error::Key);
            }
        }
        SigningKey::from_keypair_bytes(&pair).map(Self).map_err(|_| Error::Key)
    }

    /// The wallet's address.
    pub fn address(&self) -> Address {
        Address::new(self.0.verifying_key().to_bytes())
    }

    /// Signs a text as it is: deterministic (RFC 8032).
    pub fn sign_message(&self, message: &[u8]) -> Signature {
        Signature::new(self.0.sign(message).to_bytes())
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

    #[test]
    fn both_forms_of_wallets_are_read() {
        let key = PrivateKey::from_bytes(&[7; 32]);
        let pair = [[7; 32], *key.address().as_bytes()].concat();
        let base58 = bs58::encode(&pair).into_string();
        let json = serde_json::to_string(&pair).unwrap();
        for text in [&base58, &json, &format!(" {json}\n"), &json.replace(',', ", ")] {
            assert_eq!(PrivateKey::from_text(text).unwrap().address(), key.address(), "{text}");
        }
    }

    #[test]
    fn damaged_keys_are_refused_and_not_quoted() {
        let other = [[7; 32], *PrivateKey::from_bytes(&[8; 32]).address().as_bytes()].concat();
        let mismatched = bs58::encode(&other).into_string();
        for text in ["", "[]", "[1,2]", "[256]", "0", &"1".repeat(600), &"9".repeat(88), &mismatched, "0x11"]
        {
            let error = PrivateKey::from_text(text).unwrap_err();
            assert_eq!(error, Error::Key);
            assert!(text.len() < 8 || !error.to_string().contains(text));
        }
    }
}
