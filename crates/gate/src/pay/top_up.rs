//! Adding units to a session there is.
//!
//! The same procedure as for a new session, with the session as a part of what is bought: a payment recorded for one
//! session buys nothing for another, and a session that is over is refused before anything is settled.

use super::Paid;
use super::identify::Target;
use crate::error::Error;
use crate::gate::Gate;
use crate::payment::Presented;
use tollwire_ledger::Timestamp;
use tollwire_ledger::model::Session;
use tollwire_x402::SessionId;

impl Gate {
    /// Takes a payment that adds to a session, or answers one taken before. Its live streams go on with what it brings.
    ///
    /// Whoever calls it has seen that the payer may use the session; that the payment is the payer's is checked here.
    pub async fn top_up(&self, jti: &SessionId, presented: &Presented) -> Result<Paid, Error> {
        let session = self.ledger.session(jti).await?.ok_or(Error::SessionUnknown)?;
        let paid = self.add_to(jti, &session, presented).await;
        self.count(&session.feed, "top-up", &paid);
        if paid.is_ok() {
            self.proxy.look_again(jti);
        }
        paid
    }

    async fn add_to(&self, jti: &SessionId, session: &Session, presented: &Presented) -> Result<Paid, Error> {
        check_living(session, self.clock.now())?;
        let target = Target { feed: &session.feed, top_up: Some((jti, session)) };
        self.take(target, presented).await
    }
}

/// Whether a session still serves, and so can be added to.
pub(crate) fn check_living(session: &Session, now: Timestamp) -> Result<(), Error> {
    if session.barred() {
        return Err(Error::SessionRevoked);
    }
    if session.closed {
        return Err(Error::SessionClosed);
    }
    if now >= session.balance_until { Err(Error::BalanceExpired) } else { Ok(()) }
}
