//! Why something was not bought or not opened.

use tollwire_x402::Usdc;

/// Why something was not bought or not opened. No variant holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An address cannot be used: correct it.
    #[error("cannot use this address: {0}")]
    Url(&'static str),
    /// The wallet's key is not one.
    #[error(transparent)]
    Key(#[from] tollwire_exact::evm::Error),
    /// The same of a Solana wallet, or an address or a transaction of it.
    #[error(transparent)]
    Solana(#[from] tollwire_exact::solana::Error),
    /// The DPoP key cannot make a proof.
    #[error(transparent)]
    Proof(#[from] tollwire_session::dpop::Error),
    /// Something that was to be signed by the facilitator is not: a receipt, or its key set.
    #[error(transparent)]
    Signed(#[from] tollwire_session::Error),
    /// A payment was signed and could not be written down ([`Config::on_signed`](crate::Config)): it was not sent.
    #[error("the payment could not be written down, and was not sent: {0}")]
    NotKept(String),
    /// What was kept of a session cannot be read.
    #[error("not a saved session: {0}")]
    Saved(&'static str),
    /// An amount or a message is malformed.
    #[error(transparent)]
    X402(#[from] tollwire_x402::Error),
    /// The extra certificate authorities cannot be read.
    #[error("TLS set-up: {0}")]
    Tls(String),
    /// The system gave no randomness; nothing was signed.
    #[error("no randomness from the system")]
    Random,
    /// The server could not be reached, or did not answer in time.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// The server answered something else than the protocol has.
    #[error("answered out of protocol: {0}")]
    Protocol(String),
    /// The server refused; nothing was paid.
    #[error("refused with status {status}{}", .problem.as_deref().map(|kind| format!(" ({kind})")).unwrap_or_default())]
    Status {
        /// The HTTP status.
        status: u16,
        /// What kind of problem (the last part of its `type`), where the server says so.
        problem: Option<String>,
    },
    /// None of the offers can be taken; the text says how far the best one came. Nothing was signed.
    #[error("no offer can be taken: {0}")]
    NoOffer(&'static str),
    /// The budget does not allow it. Nothing was signed.
    #[error("over budget: {asked} asked, at most {per_payment} per payment, {left} left")]
    Budget {
        /// The cheapest acceptable offer.
        asked: Usdc,
        /// The cap per payment.
        per_payment: Usdc,
        /// What is left of the budget.
        left: Usdc,
    },
    /// The payment was refused and will not be taken: see the reason.
    #[error("payment refused: {reason}: {message}")]
    Refused {
        /// One of [`tollwire_x402::reason`].
        reason: String,
        /// For people.
        message: String,
    },
    /// The payment was sent and its fate is not known. Buy again later: the same payment is sent, not another.
    #[error("the payment's fate is not known yet; buy again to ask with the same payment")]
    Undecided {
        /// The settlement's transaction, where known.
        transaction: Option<String>,
    },
    /// The feed has become dearer than it was, and the budget does not allow that. Nothing was signed.
    #[error("dearer than before: {asked} per unit, at most {most}")]
    Dearer {
        /// The price per unit that is asked now.
        asked: Usdc,
        /// The highest that is paid.
        most: Usdc,
    },
    /// Payment after payment brought no message; no more is paid.
    #[error("paid {0} times in a row without a message received")]
    Unserved(u32),
    /// This payer has bought from too many addresses.
    #[error("one payer buys from at most {0} addresses")]
    TooManyFeeds(usize),
    /// The stream's connection was lost. `reconnect` opens another, which costs a unit.
    #[error("connection lost: {0}")]
    Lost(String),
    /// The stream is not open.
    #[error("the stream is not open")]
    Closed,
}
