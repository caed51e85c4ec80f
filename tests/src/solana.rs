//! Wallets on Solana.

use tollwire_exact::solana::PrivateKey;

/// A wallet, and its key as wallets export it: a JSON array.
#[derive(Debug, Clone)]
pub struct Wallet {
    pub key: String,
    pub address: String,
}

impl Wallet {
    /// The one whose secret is this byte over and over.
    pub fn of(byte: u8) -> Self {
        let key = PrivateKey::from_bytes(&[byte; 32]);
        let pair = [[byte; 32], *key.address().as_bytes()].concat();
        Self { key: serde_json::json!(pair).to_string(), address: key.address().to_string() }
    }
}
