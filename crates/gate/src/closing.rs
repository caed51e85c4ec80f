//! The end of a session, and what becomes of what is left: it goes back to the payer, falls to the provider, or stays.
//!
//! A closed session serves nothing more from that moment on; its live streams learn of it within about a second. What
//! is left is dealt with once they have ended and no unit is held for them. Whoever asks waits for that a little; then
//! the sweeper goes on, here or on another node.

use crate::error::Error;
use crate::gate::Gate;
use crate::payment::{Claim, Presented, Proofs, single};
use crate::siwx::SignIn;
use http::HeaderMap;
use std::time::Duration;
use tokio::time::Instant;
use tollwire_ledger::command::EntryKind;
use tollwire_ledger::model::{Refund, RefundFate, Session};
use tollwire_ledger::{Command, Outcome};
use tollwire_settlement::dues::Unspent;
use tollwire_x402::{SessionId, header};

/// How long whoever closes a session is kept waiting for its end.
pub(crate) const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// How long after its end the streams of a session may still count as live: nodes close them within about a second, and
/// a node that died closes none, however long its streams might have lasted.
const STREAMS_END_WITHIN: Duration = Duration::from_secs(10);

/// Pause between two looks at a session whose streams are ending.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How far a session's end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It serves nothing more; its streams are ending, units are still held for them, or a deposit is missed that a
    /// reorganisation took away.
    Closing,
    /// What was left is on its way to the payer.
    Refunding,
    /// What was left is with the payer.
    Refunded,
    /// Nothing is left to be paid back.
    Closed,
}

/// A session at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closure {
    /// Which.
    pub jti: SessionId,
    /// How far it has come.
    pub stage: Stage,
    /// What is, or was, paid back.
    pub refund: Option<Refund>,
}

impl Stage {
    /// Its name in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closing => "closing",
            Self::Refunding => "refunding",
            Self::Refunded => "refunded",
            Self::Closed => "closed",
        }
    }
}

impl Gate {
    /// Ends a session for good, and deals with what is left by the configured rule. Waits a few seconds for that;
    /// asked again, it answers how far it has come. Nothing is paid back twice.
    pub async fn close(&self, session: &SessionId) -> Result<Closure, Error> {
        match self.ledger.apply(Command::Close { session: session.clone() }).await? {
            Outcome::Done(_) => tracing::info!(%session, "session closed"),
            Outcome::Replayed(_) => {}
            _ => return Err(Error::SessionUnknown),
        }
        let closure = self.wind_up(session, self.config.unspent, CLOSE_WAIT).await;
        if let Err(Error::Refund(error)) = &closure {
            tracing::warn!(%session, %error, "what is left of a closed session is refunded later");
            self.closing().insert(session.clone());
        }
        closure
    }

    /// Pays back what is left of a session that is over, whatever the configured rule is.
    pub async fn refund(&self, session: &SessionId) -> Result<Closure, Error> {
        let row = self.ledger.session(session).await?.ok_or(Error::SessionUnknown)?;
        if !(row.closed || row.revoked || self.clock.now() >= row.balance_until) {
            return Err(Error::SessionOpen);
        }
        self.wind_up(session, Unspent::Refund, CLOSE_WAIT).await
    }

    /// Deals with what is left of a session that is over, once nobody uses it any more.
    pub(crate) async fn wind_up(
        &self,
        session: &SessionId,
        rule: Unspent,
        wait: Duration,
    ) -> Result<Closure, Error> {
        let deadline = Instant::now() + wait;
        let at = |stage, refund| Closure { jti: session.clone(), stage, refund };
        let row = loop {
            let row = self.ledger.session(session).await?.ok_or(Error::SessionUnknown)?;
            if !self.is_in_use(session, &row).await? {
                break row;
            }
            if Instant::now() >= deadline {
                self.closing().insert(session.clone());
                return Ok(at(Stage::Closing, None));
            }
            tokio::time::sleep_until(deadline.min(Instant::now() + LOOK_EVERY)).await;
        };
        let refund = match rule {
            Unspent::Keep => None,
            Unspent::Provider => {
                if row.remaining() > 0 {
                    // Conflict: it is not over. Then nothing is due.
                    let _due = self.ledger.apply(Command::Expire { session: session.clone() }).await?;
                }
                None
            }
            Unspent::Refund => self.settler.refund(session).await.map_err(Error::Refund)?,
        };
        let Some((id, _)) = refund else { return Ok(at(Stage::Closed, None)) };
        let left = deadline.saturating_duration_since(Instant::now());
        let refund = self.settler.await_refund(&id, left).await.map_err(Error::Refund)?;
        let stage = match refund.fate {
            RefundFate::Pending => Stage::Refunding,
            RefundFate::Paid(_) => Stage::Refunded,
            RefundFate::Nothing => Stage::Closed,
        };
        Ok(at(stage, Some(refund)))
    }

    /// Whether units are held, or streams live that will end by themselves soon, or what is left waits for a deposit.
    async fn is_in_use(&self, session: &SessionId, row: &Session) -> Result<bool, Error> {
        let waits = row.held() > 0 || (row.is_frozen() && row.remaining() > 0);
        if waits || row.live.is_empty() {
            return Ok(waits);
        }
        let journal = self.ledger.journal(session).await?;
        let told = journal.iter().rfind(|line| matches!(line.kind, EntryKind::Close | EntryKind::Revoke));
        let ended = told.map_or(row.balance_until, |line| line.at.min(row.balance_until));
        Ok(self.clock.now() < ended.after(STREAMS_END_WITHIN))
    }

    /// Whether a request proves to come from the session's payer: by the wallet's signature under a challenge of ours,
    /// or by the quote or the claim of one of the payer's own payments for it.
    pub(crate) async fn check_payer(
        &self,
        jti: &SessionId,
        session: &Session,
        headers: &HeaderMap,
    ) -> Result<(), Error> {
        let mut proofs = Presented::read(headers)?.map(|presented| presented.proofs).unwrap_or_default();
        proofs.claim = Claim::read(headers)?;
        proofs.sign_in = single(headers, header::SIGN_IN_WITH_X)?.map(SignIn::decode).transpose()?;
        if self.paid_with(jti, session, &proofs).await? {
            return Ok(());
        }
        match &proofs.sign_in {
            Some(sign_in) => self.check_sign_in(&session.feed, sign_in, &session.payer).await,
            None => Err(Error::ProofRequired),
        }
    }

    async fn paid_with(&self, jti: &SessionId, session: &Session, proofs: &Proofs) -> Result<bool, Error> {
        if proofs.quote.is_none() && proofs.claim.is_none() {
            return Ok(false);
        }
        let journal = self.ledger.journal(jti).await?;
        for id in journal.iter().filter_map(|line| line.payment.as_ref()) {
            if let Some(payment) = self.ledger.payment(id).await?
                && payment.intent.payer == session.payer
                && proofs.match_record(&payment.intent)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
