//! Private keys of wallets.

use super::{Address, Signature};
use ed25519_dalek::{Signer as _, SigningKey};
use std::fmt;

/// An Ed25519 private key. Wiped from memory when dropped; `Debug` shows the address alone.
#[derive(Clone)]
pub struct PrivateKey(SigningKey);

impl PrivateKey {
    /// From its 32 bytes (the seed of RFC 8032). Any will do.
    pub fn from_bytes(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
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
