//! The sweeper: what becomes of balances whose life is over, and of closed sessions.

use crate::error::Error;
use crate::gate::Gate;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tollwire_ledger::model::Session;
use tollwire_ledger::{Command, Outcome};
use tollwire_settlement::dues::Unspent;
use tollwire_settlement::{ChainError, SettleError};
use tollwire_x402::SessionId;

/// Sessions looked at per step.
const PAGE: usize = 256;

/// Pause between two looks at sessions that were closed here and whose streams are ending.
const CLOSING_EVERY: Duration = Duration::from_secs(1);

/// A running sweeper; stops when dropped.
pub struct Sweeper(tokio::task::JoinHandle<()>);

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Gate {
    /// Deals, by the configured rule, with what is left of every session that is closed or at the end of its balance's
    /// life: it is refunded, falls due, or stays. Returns how many there were. One that cannot be refunded now does not
    /// keep the others from it.
    pub async fn sweep(&self) -> Result<u64, Error> {
        let mut due = 0_u64;
        let mut after = None;
        loop {
            let page = self.ledger.sessions(after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(due) };
            after = Some(last.clone());
            for (session, state) in page {
                let over = state.closed || self.clock.now() >= state.balance_until;
                if over && state.remaining() > 0 && self.is_dealt_with(session, &state).await? {
                    due = due.saturating_add(1);
                }
            }
        }
    }

    async fn is_dealt_with(&self, session: SessionId, before: &Session) -> Result<bool, Error> {
        match self.config.unspent {
            Unspent::Keep => Ok(false),
            Unspent::Provider => {
                let outcome = self.ledger.apply(Command::Expire { session }).await?;
                Ok(matches!(outcome, Outcome::Done(_)))
            }
            Unspent::Refund => match self.wind_up(&session, Unspent::Refund, Duration::ZERO).await {
                Ok(closure) => {
                    let number = closure.refund.map_or(0, |refund| refund.order.number);
                    Ok(number > before.refunds)
                }
                Err(Error::Refund(error)) => {
                    tracing::warn!(%session, %error, "an unspent balance cannot be refunded now");
                    Ok(false)
                }
                Err(error) => Err(error),
            },
        }
    }

    /// Goes on with sessions whose end was begun here.
    pub async fn finish_closing(&self) {
        let closing: Vec<SessionId> = self.closing().iter().cloned().collect();
        for session in closing {
            self.closing().remove(&session);
            match self.wind_up(&session, self.config.unspent, Duration::ZERO).await {
                // What cannot be paid is for the next sweep: asking every second would change nothing.
                Ok(_) | Err(Error::Refund(SettleError::Chain(ChainError::CannotPay(_)))) => {}
                Err(error) => {
                    tracing::debug!(%session, %error, "a closed session is left for later");
                    self.closing().insert(session);
                }
            }
        }
    }

    /// Sweeps once per `every`, and looks after sessions closed here every second, until the handle is dropped.
    pub fn spawn_sweeper(self: &Arc<Self>, every: Duration) -> Sweeper {
        let gate = Arc::clone(self);
        Sweeper(tokio::spawn(async move {
            // At the start too: a process may have died between a session's end and its refund.
            let mut next = Instant::now();
            loop {
                tokio::time::sleep(CLOSING_EVERY.min(every)).await;
                gate.finish_closing().await;
                if Instant::now() < next {
                    continue;
                }
                next = Instant::now() + every;
                match gate.sweep().await {
                    Ok(0) => {}
                    Ok(balances) => tracing::info!(balances, "unspent balances fell due"),
                    Err(error) => tracing::warn!(%error, "sweep interrupted"),
                }
            }
        }))
    }
}
