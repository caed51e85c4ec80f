//! The agent's key.

use crate::Error;
use tollwire_exact::evm::{Address, Authorization, Domain, Payload, PrivateKey};

/// A key that pays. Wiped from memory when dropped; `Debug` shows the address alone.
#[derive(Debug, Clone)]
pub struct Wallet(PrivateKey);

impl Wallet {
    /// An EVM account, from 64 hexadecimal digits.
    pub fn evm(private_key: &str) -> Result<Self, Error> {
        Ok(Self(PrivateKey::from_hex(private_key)?))
    }

    /// A new EVM account with a random key: for demonstrations and tests, as the key cannot be read back.
    pub fn random() -> Result<Self, Error> {
        loop {
            // Practically every 32 bytes are a key; the others are above the curve's order.
            if let Ok(key) = PrivateKey::from_bytes(&random()?) {
                return Ok(Self(key));
            }
        }
    }

    /// Its address (EIP-55).
    pub fn address(&self) -> String {
        self.0.address().to_string()
    }

    pub(crate) fn account(&self) -> Address {
        self.0.address()
    }

    /// Signs a text under EIP-191: `0x` and 130 hexadecimal digits.
    pub(crate) fn sign_text(&self, text: &str) -> Result<String, Error> {
        Ok(format!("0x{}", hex::encode(self.0.sign_message(text.as_bytes())?.as_bytes())))
    }

    pub(crate) fn sign(&self, authorization: Authorization, domain: &Domain) -> Result<Payload, Error> {
        let signature = authorization.sign(&self.0, domain)?;
        Ok(Payload::new(authorization, &signature))
    }
}

/// Random bytes from the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| Error::Random)?;
    Ok(bytes)
}
