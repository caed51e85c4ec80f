//! What can be wrong with x402 text.

/// A value that does not parse. Every variant names the field and says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A USDC amount is malformed: write digits, at most six after the point, and no sign or exponent.
    #[error("not a USDC amount: {0}; write digits with at most six decimals, such as 0.01")]
    Amount(&'static str),
    /// An identifier has the wrong length or characters.
    #[error("{field} is not valid: {rule}")]
    Id {
        /// Which identifier.
        field: &'static str,
        /// What a valid one looks like.
        rule: &'static str,
    },
    /// A network that is neither a CAIP-2 identifier we know how to read nor an x402 v1 name.
    #[error("unknown network; write a CAIP-2 identifier such as eip155:8453")]
    Network,
    /// A unit that is none of stream, second, message, kib.
    #[error("unknown unit; write stream, second, message or kib")]
    Unit,
    /// A payment header is not standard base64 of JSON text.
    #[error("{header} is not {expected}")]
    Header {
        /// The header's name.
        header: &'static str,
        /// What it should have been.
        expected: &'static str,
    },
    /// A message is not JSON text (UTF-8, nested at most 128 deep).
    #[error("{message} is not JSON")]
    Json {
        /// The message's name.
        message: &'static str,
    },
    /// A JSON message lacks a field, or a field has the wrong form.
    #[error("malformed {message}: {detail}")]
    Message {
        /// The message's name in the x402 specification.
        message: &'static str,
        /// What is wrong, from the parser; never contains values of the message.
        detail: String,
    },
}
