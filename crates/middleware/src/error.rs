//! What can go wrong while setting up, or while asking the facilitator.

use std::path::PathBuf;

/// Why something could not be set up or fetched. Refusing a token is not an error of this kind: that is a
/// [`VerifyError`](crate::VerifyError).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not an absolute `http://` or `https://` URL without credentials.
    #[error("{0}: an absolute http:// or https:// URL is expected")]
    Url(&'static str),
    /// A setting has no meaning; the text says what is expected.
    #[error("{0}")]
    Setting(&'static str),
    /// The key file cannot be read.
    #[error("cannot read the key set {path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The key set is not usable.
    #[error("the key set cannot be used")]
    Keys(#[source] tollwire_session::Error),
    /// The key set has no key that we can verify with.
    #[error("the key set has no Ed25519 or P-256 key for signatures")]
    NoKeys,
    /// No TLS with the ciphers this build has.
    #[error("TLS cannot be set up")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The facilitator could not be reached, or broke off.
    #[error("the facilitator cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The facilitator did not answer in time.
    #[error("the facilitator did not answer in time")]
    Timeout,
    /// The facilitator answered with a status that is not the expected one.
    #[error("the facilitator answered with status {0}")]
    Status(u16),
    /// The answer is longer than what we read.
    #[error("the facilitator's answer is longer than {0} bytes")]
    TooLong(usize),
    /// The answer is not what this route gives.
    #[error("the facilitator's answer is not understood")]
    Answer(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A verifier has been installed before.
    #[error("a verifier is installed already")]
    Installed,
}
