//! What can be wrong with keys, addresses and signatures, and why a payment is refused.

use super::Address;

/// A value that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not an address: write `0x` and 40 hexadecimal digits.
    #[error("not an EVM address; write 0x and 40 hexadecimal digits")]
    Address,
    /// Not a private key: write 64 hexadecimal digits. The message never quotes the text.
    #[error("not a private key; write 64 hexadecimal digits (0x is optional) below the order of secp256k1")]
    Key,
    /// Not a signature that an ordinary account can have made.
    #[error("not a signature: {0}")]
    Signature(&'static str),
}

/// A payment that will not be taken, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct Refusal {
    /// One of [`tollwire_x402::reason`].
    pub reason: &'static str,
    /// For people; names the field and the fix, never quotes the payment.
    pub message: String,
    /// Who would have paid (EIP-55), where known.
    pub payer: Option<String>,
}

impl Refusal {
    pub(super) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), payer: None }
    }

    pub(super) fn by(mut self, payer: &Address) -> Self {
        self.payer = Some(payer.to_string());
        self
    }
}
