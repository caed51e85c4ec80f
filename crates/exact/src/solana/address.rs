//! Wallet addresses.

use super::{Error, Signature};
use ed25519_dalek::VerifyingKey;
use std::fmt;
use std::str::FromStr;

/// The longest base58 text of 32 bytes.
const CHARS_MAX: usize = 44;

/// A Solana address: 32 bytes, written in base58. A wallet's is its Ed25519 public key; an address of a program need
/// not be a key at all, and has signed nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address([u8; 32]);

impl Address {
    /// From its 32 bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether this wallet signed this text: Ed25519 over its bytes, as wallets sign messages.
    ///
    /// Strict, as Solana itself is: keys and nonces of small order are refused, with which one signature would fit any
    /// text, and so is a second form of the same signature.
    pub fn verify_message(&self, message: &[u8], signature: &Signature) -> Result<(), Error> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| Error::Mismatch)?;
        let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
        key.verify_strict(message, &signature).map_err(|_| Error::Mismatch)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bs58::encode(self.0.as_slice()).into_string())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        super::signature::base58::<32>(text, CHARS_MAX).map(Self).ok_or(Error::Address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_base58_of_32_bytes() {
        // USDC's mint, and the system program: 32 zeros.
        for text in ["EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", "11111111111111111111111111111111"] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
        assert_eq!("11111111111111111111111111111111".parse(), Ok(Address::new([0; 32])));
        for text in [
            "",
            "1111111111111111111111111111111",
            "111111111111111111111111111111111",
            "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt",
            "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1vv",
            "0PjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
            " EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
            "\u{e9}PjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
            &"z".repeat(44),
            &"1".repeat(100_000),
        ] {
            assert_eq!(text.parse::<Address>(), Err(Error::Address), "{text:.50}");
        }
    }
}
