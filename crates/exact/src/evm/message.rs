//! Signed texts (EIP-191 version `0x45`, "personal sign"), as sign-in-with-x uses them on EVM.

use super::{Address, Error, PrivateKey, Signature, keccak256};

fn digest(message: &[u8]) -> [u8; 32] {
    let mut bytes = format!("\x19Ethereum Signed Message:\n{}", message.len()).into_bytes();
    bytes.extend_from_slice(message);
    keccak256(&bytes)
}

impl PrivateKey {
    /// Signs a text under EIP-191.
    pub fn sign_message(&self, message: &[u8]) -> Result<Signature, Error> {
        self.sign_digest(&digest(message))
    }
}

/// Who signed a text under EIP-191. Ordinary accounts only: 65 bytes, strict as [`Signature::from_bytes`].
pub fn recover_message(message: &[u8], signature: &[u8]) -> Result<Address, Error> {
    Signature::from_bytes(signature)?.recover(&digest(message))
}
