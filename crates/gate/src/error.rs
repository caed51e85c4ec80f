//! Why a request was not served, whatever protocol it came by.

use crate::feed::FeedError;
use crate::payment::Dialect;
use std::time::Duration;
use tollwire_proxy::OpenError;
use tollwire_settlement::SettleError;

/// A refusal or a failure. The HTTP face turns each into one status and one RFC 9457 problem; none carries a
/// secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A header, a query parameter or a body is malformed: correct it.
    #[error("{field}: {rule}")]
    Malformed {
        /// Which field.
        field: &'static str,
        /// What would be right.
        rule: String,
    },
    /// No feed of that id is sold here.
    #[error("no such feed")]
    UnknownFeed,
    /// Nothing was paid: pay one of the offers.
    #[error("payment required")]
    PaymentRequired,
    /// The payment was not taken and never will be: sign another.
    #[error("payment refused: {}", .0.message)]
    Refused(Box<Unpaid>),
    /// The payment was made for another feed, size or purpose.
    #[error("this payment was made for another purchase")]
    Foreign,
    /// The payment is known; show that it is yours: by its quote, its `Tollwire-Claim`, or by signing in.
    #[error(
        "this payment was made before; prove that it is yours with its quote, its tollwire-claim header, or by answering the sign-in challenge"
    )]
    ProofRequired,
    /// The sign-in did not prove anything: answer the new challenge.
    #[error("sign-in refused: {0}")]
    SignIn(&'static str),
    /// The payment's fate is not known yet: send the same payment again, never another.
    #[error("settlement pending: send the same payment again, do not sign another")]
    Undecided(Box<Unpaid>),
    /// The token does not admit.
    #[error(transparent)]
    Token(#[from] tollwire_session::Error),
    /// No credentials where they are required.
    #[error("send the session token as Authorization: Bearer")]
    TokenMissing,
    /// The token is bound to a key, and nothing shows that its holder has the key.
    #[error("the token is bound to a key; send it as Authorization: DPoP, beside a DPoP proof")]
    TokenBound,
    /// The token is bound to no key, but was presented as if it were.
    #[error("the token is bound to no key; send it as Authorization: Bearer")]
    TokenNotBound,
    /// A proof of possession of a key proves nothing.
    #[error(transparent)]
    Proof(#[from] tollwire_session::dpop::Error),
    /// A proof of possession of a key was used before.
    #[error("the DPoP proof was used before; make one for each request")]
    ProofUsed,
    /// The feed's sessions are bound to a key, and none came with the payment: nothing was settled.
    #[error("sessions of this feed are bound to a key; send a DPoP proof with the payment")]
    KeyRequired,
    /// The feed is paused: nothing of it is sold, what was sold is served.
    #[error("the feed is paused: nothing was charged; what was bought before is served")]
    FeedPaused,
    /// What was asked for is not sold any more.
    #[error("{0}")]
    NotForSale(&'static str),
    /// The session is not in the ledger.
    #[error("no such session")]
    SessionUnknown,
    /// The session was revoked.
    #[error("the session was revoked")]
    SessionRevoked,
    /// The session was closed.
    #[error("the session was closed")]
    SessionClosed,
    /// The session goes on: close or revoke it first.
    #[error("the session is not over; close or revoke it first")]
    SessionOpen,
    /// The session is over, but what is left cannot be paid back now: ask again.
    #[error("what is left cannot be paid back now: {0}")]
    Refund(SettleError),
    /// Providers cannot be paid now: ask again.
    #[error("providers cannot be paid now: {0}")]
    Payout(SettleError),
    /// The session's balance has expired.
    #[error("the session's balance has expired")]
    BalanceExpired,
    /// The stream could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The ledger could not answer: retry.
    #[error(transparent)]
    Store(#[from] tollwire_ledger::Error),
    /// Too many requests in flight: retry later.
    #[error("too many requests in flight")]
    Busy,
    /// The system gave no randomness; nothing can be signed or quoted.
    #[error("no randomness from the system")]
    Random,
    /// A feed cannot be registered as written.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// Registered feeds cannot be kept, so nothing was changed.
    #[error("registered feeds cannot be kept: {0}")]
    FeedStore(std::io::Error),
}

/// A payment that bought nothing (yet), in the words of the request's dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpaid {
    /// How it arrived, and so how it is answered.
    pub dialect: Dialect,
    /// One of `tollwire_x402::reason`.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// Who pays, where known.
    pub payer: Option<String>,
    /// The transaction waited for, if there is one.
    pub tx: Option<String>,
    /// The network as the request named it.
    pub network: String,
}

impl Error {
    pub(crate) fn malformed(field: &'static str, rule: impl Into<String>) -> Self {
        Self::Malformed { field, rule: rule.into() }
    }

    /// When to try again, where trying again can help.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Undecided(_) => Some(Duration::from_secs(2)),
            Self::Refund(_) | Self::Payout(_) => Some(Duration::from_secs(5)),
            Self::Store(_) | Self::Busy | Self::Random => Some(Duration::from_secs(1)),
            Self::FeedPaused => Some(Duration::from_mins(1)),
            Self::Open(error) => error.retry_after(),
            _ => None,
        }
    }
}

impl From<tollwire_x402::Error> for Error {
    /// The vocabulary's own messages name the field and never quote the input.
    fn from(error: tollwire_x402::Error) -> Self {
        match error {
            tollwire_x402::Error::Header { header, expected } => Self::malformed(header, expected),
            tollwire_x402::Error::Message { message, detail } => Self::malformed(message, detail),
            other => Self::malformed("request", other.to_string()),
        }
    }
}
