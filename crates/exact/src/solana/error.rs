//! What can be wrong with addresses and signatures.

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
    /// The signature is not by this address over this text.
    #[error("the signature is not this address's")]
    Mismatch,
}
