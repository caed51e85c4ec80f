//! Session tokens from ledger sessions.

use crate::error::Error;
use crate::gate::Gate;
use crate::pay::check_living;
use crate::rfc3339;
use tollwire_ledger::Timestamp;
use tollwire_ledger::model::Session;
use tollwire_session::Claims;
use tollwire_x402::SessionId;

/// The only generation so far: no session has a token that another of its tokens retires.
const GENERATION: u64 = 1;

/// A session token and when it stops admitting.
#[derive(Clone)]
pub struct Token {
    text: String,
    expires: u64,
}

impl Token {
    /// The token, for its owner alone.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// `exp` as RFC 3339.
    pub fn expires_at(&self) -> String {
        rfc3339::seconds(self.expires)
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl Gate {
    /// A token for a session with a living balance.
    ///
    /// `exp` counts from `since`; once that has passed, it counts from now. It never outlives the balance.
    pub(crate) fn token(&self, jti: &SessionId, session: &Session, since: Timestamp) -> Result<Token, Error> {
        let now = self.clock.now();
        check_living(session, now)?;
        let first = since.after(self.config.token_ttl);
        let expires = if first > now { first } else { now.after(self.config.token_ttl) };
        let expires = expires.min(session.balance_until).secs().max(now.secs().saturating_add(1));
        let keys = self.keys();
        let claims = Claims {
            iss: keys.issuer.issuer().to_owned(),
            aud: keys.issuer.audience().to_owned(),
            sub: session.payer.clone(),
            jti: jti.clone(),
            feed: session.feed.clone(),
            deposited: session.deposited.to_string(),
            streams_remaining: session.remaining(),
            unit: session.unit,
            network: session.network,
            chain: session.chain.clone(),
            iat: now.secs(),
            nbf: now.secs(),
            exp: expires,
            generation: GENERATION,
            jkt: session.jkt.clone(),
        };
        Ok(Token { text: keys.issuer.issue(&claims)?, expires })
    }
}
