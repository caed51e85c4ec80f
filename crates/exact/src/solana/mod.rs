//! Solana: wallets and what they sign. Ed25519 keys, whose public half in base58 is the address.
//!
//! ```
//! use tollwire_exact::solana::{PrivateKey, Signature};
//!
//! let key = PrivateKey::from_bytes(&[7; 32]);
//! let signature: Signature = key.sign_message(b"a text").to_string().parse()?;
//! key.address().verify_message(b"a text", &signature)?;
//! # Ok::<(), tollwire_exact::solana::Error>(())
//! ```

mod address;
mod error;
mod key;
mod signature;

pub use address::Address;
pub use error::Error;
pub use key::PrivateKey;
pub use signature::Signature;
