//! What a verified token says.

use tollwire_session::{Claims, StreamClaims};
use tollwire_x402::{FeedId, Network, SessionId, StreamId, Unit};

/// Who may open what: the result of a successful verification.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionContext {
    /// The session (`jti`).
    pub session: SessionId,
    /// The feed it admits to.
    pub feed: FeedId,
    /// The payer's address (`sub`).
    pub payer: String,
    /// When the token stops admitting, in Unix seconds.
    pub expires_at: u64,
    /// What kind of token was shown, and what that kind says besides.
    pub grant: Grant,
}

/// What the token was good for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Grant {
    /// One opening of one stream, metered by the proxy in front of us.
    Stream {
        /// The stream.
        stream: StreamId,
        /// Which opening of it.
        fence: u64,
    },
    /// A session. How much is left of it only the facilitator knows.
    Session {
        /// What the units are.
        unit: Unit,
        /// The units that were left when the token was issued.
        units_at_issue: u64,
        /// What was paid, such as `$10.00`.
        deposited: String,
        /// On which network.
        network: Network,
    },
}

impl From<Claims> for SessionContext {
    fn from(claims: Claims) -> Self {
        Self {
            session: claims.jti,
            feed: claims.feed,
            payer: claims.sub,
            expires_at: claims.exp,
            grant: Grant::Session {
                unit: claims.unit,
                units_at_issue: claims.streams_remaining,
                deposited: claims.deposited,
                network: claims.network,
            },
        }
    }
}

impl From<StreamClaims> for SessionContext {
    fn from(claims: StreamClaims) -> Self {
        Self {
            session: claims.jti,
            feed: claims.feed,
            payer: claims.sub,
            expires_at: claims.exp,
            grant: Grant::Stream { stream: claims.stream, fence: claims.fence },
        }
    }
}
