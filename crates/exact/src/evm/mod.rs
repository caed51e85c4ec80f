//! EVM: EIP-3009 authorizations, their EIP-712 digests, signatures, and the static checks of x402's `exact`.
//!
//! ```
//! use tollwire_exact::evm::{Authorization, Domain, PrivateKey};
//! use tollwire_x402::{Network, Usdc};
//!
//! let key = PrivateKey::from_hex(&"11".repeat(32))?;
//! let authorization = Authorization {
//!     from: key.address(),
//!     to: "0x209693Bc6afc0C5328bA36FaF03C514EF312287C".parse()?,
//!     value: Usdc::from_atomic(10_000).unwrap_or_default(),
//!     valid_after: 0,
//!     valid_before: 1_893_456_000,
//!     nonce: [0x22; 32],
//! };
//! let domain = Domain::usdc(Network::BASE).ok_or("no USDC there")?;
//! let signature = authorization.sign(&key, &domain)?;
//! assert_eq!(signature.recover(&authorization.digest(&domain))?, key.address());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod authorization;
mod check;
mod error;
mod hash;
mod key;
mod message;
mod payload;
mod signature;
mod signers;

pub use address::Address;
pub use authorization::{Authorization, Domain};
pub use check::{
    Checked, Dialect, VALID_BEFORE_MARGIN, VALIDITY_SLACK, check_at, check_at_by, check_static,
    check_static_by,
};
pub use error::{Error, Refusal};
pub use hash::keccak256;
pub use key::PrivateKey;
pub use message::recover_message;
pub use payload::{Payload, payment_id};
pub use signature::Signature;
pub use signers::Signers;
