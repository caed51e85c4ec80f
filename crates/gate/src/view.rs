//! What a session's holder, or a provider it was shown to, can see of it.

use crate::error::Error;
use crate::gate::Gate;
use crate::rfc3339;
use serde::Serialize;
use tollwire_ledger::Command;
use tollwire_ledger::model::Session;
use tollwire_session::Claims;
use tollwire_x402::{FeedId, SessionId, Unit};

/// How a session stands now: the online check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionView {
    /// Whether it can be used now: neither revoked nor closed nor frozen nor past its balance's life.
    pub active: bool,
    /// The session.
    pub jti: SessionId,
    /// Its feed.
    pub feed: FeedId,
    /// What its units are.
    pub unit: Unit,
    /// Units neither used nor set aside; 0 when it is not active.
    pub units_remaining: u64,
    /// Streams open now.
    pub live_streams: u64,
    /// Whether it was ended for good.
    pub closed: bool,
    /// Whether the chain took back a deposit of it: nothing is served until the chain has it again.
    pub frozen: bool,
    /// When the presented token stops admitting.
    pub expires_at: String,
}

impl Gate {
    /// Checks a token as an upgrade would: signature, type, issuer, audience, then time. Of a token that is bound to a
    /// key (`jkt`), that its holder has the key is for the caller to see to.
    pub fn check_token(&self, token: &str) -> Result<Claims, Error> {
        Ok(self.verifier.verify(token, self.clock.now().secs())?)
    }

    /// Checks a token for a feed, likewise. Whether units are left is the ledger's to say, when a stream is opened.
    pub fn admit(&self, token: &str, feed: &FeedId) -> Result<Claims, Error> {
        Ok(self.verifier.verify_for(token, feed, self.clock.now().secs())?)
    }

    /// The session of a token that was checked.
    pub async fn session_view(&self, claims: &Claims) -> Result<SessionView, Error> {
        let session = self.ledger.session(&claims.jti).await?.ok_or(Error::SessionUnknown)?;
        let active = !session.barred() && !session.closed && self.clock.now() < session.balance_until;
        Ok(SessionView {
            active,
            units_remaining: if active { session.remaining() } else { 0 },
            live_streams: live_streams(&session),
            closed: session.closed,
            frozen: session.is_frozen(),
            jti: claims.jti.clone(),
            unit: session.unit,
            feed: session.feed,
            expires_at: rfc3339::seconds(claims.exp),
        })
    }

    /// Revokes a session: nothing more is served from it, and its live streams end within about a second.
    pub async fn revoke(&self, session: &SessionId) -> Result<(), Error> {
        match self.ledger.apply(Command::Revoke { session: session.clone() }).await? {
            tollwire_ledger::Outcome::Done(_) | tollwire_ledger::Outcome::Replayed(_) => Ok(()),
            _ => Err(Error::SessionUnknown),
        }
    }
}

pub(crate) fn live_streams(session: &Session) -> u64 {
    u64::try_from(session.live.len()).unwrap_or(u64::MAX)
}
