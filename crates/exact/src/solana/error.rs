//! What can be wrong with addresses, keys, signatures and transactions, and why a payment is refused.

use super::Address;

/// A value that is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not an address: write the 32 bytes of a public key in base58.
    #[error("not a Solana address; write 32 bytes in base58")]
    Address,
    /// Not a signature: write its 64 bytes in base58.
    #[error("not a Solana signature; write 64 bytes in base58")]
    Signature,
    /// Not a private key. The message never quotes the text.
    #[error("not a Solana private key; write 64 bytes (seed and public key) in base58 or as a JSON array")]
    Key,
    /// The signature is not by this address over this text, or this key is none of those that sign.
    #[error("the signature is not this address's")]
    Mismatch,
    /// Not a transaction: base64 of a legacy or version 0 transaction of at most 1,232 bytes.
    #[error("not a Solana transaction, legacy or version 0, of at most 1232 bytes in base64")]
    Transaction,
}

/// A payment that will not be taken, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct Refusal {
    /// One of [`tollwire_x402::reason`].
    pub reason: &'static str,
    /// For people; names the fix, never quotes the payment.
    pub message: String,
    /// Who would have paid, where known.
    pub payer: Option<Address>,
}

impl Refusal {
    pub(super) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), payer: None }
    }

    pub(super) fn by(mut self, payer: Address) -> Self {
        self.payer = Some(payer);
        self
    }
}
