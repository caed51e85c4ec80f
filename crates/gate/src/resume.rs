//! Going on without paying: a fresh token for what was bought and not used, also when the old token is lost or expired.

use crate::error::Error;
use crate::gate::Gate;
use crate::pay::check_living;
use crate::siwx::SignIn;
use crate::token::Token;
use tollwire_ledger::model::Session;
use tollwire_session::Claims;
use tollwire_x402::{FeedId, SessionId};

/// How many of a wallet's sessions are looked through, newest first.
const SESSIONS_MAX: usize = 256;

/// A session with a fresh token.
#[derive(Debug, Clone)]
pub(crate) struct Resumed {
    pub(crate) jti: SessionId,
    pub(crate) session: Session,
    pub(crate) token: Token,
}

impl Gate {
    /// The newest session of a feed that a wallet paid for, that still serves and has units left. The wallet shows
    /// itself by signing a challenge of ours, once.
    pub(crate) async fn resume_by_wallet(&self, feed: &FeedId, sign_in: &SignIn) -> Result<Resumed, Error> {
        let payer = self.check_signer(feed, sign_in).await?;
        let now = self.clock.now();
        let sessions = self.ledger.sessions_of(&payer, SESSIONS_MAX).await?;
        let found = sessions.into_iter().find(|(_, session)| {
            session.feed == *feed && check_living(session, now).is_ok() && has_units(session)
        });
        let (jti, session) = found.ok_or(Error::PaymentRequired)?;
        self.resumed(jti, session)
    }

    /// The session of a token that may have expired, for whoever showed the key it is bound to.
    pub(crate) async fn resume_by_key(&self, feed: &FeedId, claims: Claims) -> Result<Resumed, Error> {
        if claims.feed != *feed {
            return Err(Error::Token(tollwire_session::Error::WrongFeed));
        }
        let session = self.ledger.session(&claims.jti).await?.ok_or(Error::SessionUnknown)?;
        check_living(&session, self.clock.now())?;
        if !has_units(&session) {
            return Err(Error::PaymentRequired);
        }
        self.resumed(claims.jti, session)
    }

    fn resumed(&self, jti: SessionId, session: Session) -> Result<Resumed, Error> {
        let token = self.token(&jti, &session, self.clock.now())?;
        metrics::counter!("tollwire_sessions_resumed_total", "feed" => session.feed.to_string()).increment(1);
        Ok(Resumed { jti, session, token })
    }
}

/// Whether anything is left, be it held by a stream that may have gone.
fn has_units(session: &Session) -> bool {
    session.remaining() > 0 || session.held() > 0
}
