//! A payment's way from its record to its fate.

use super::Shared;
use super::answers::{incomplete, unexpected};
use super::inflight::{End, Permit, Progress, Voice};
use super::lease::Lease;
use super::pace::Pace;
use super::timing::Timing;
use crate::{Chain, ChainError, Observation, Refusal, SettleError};
use std::sync::Arc;
use tokio::time::Instant;
use tollwire_ledger::model::{Attempt, Fate, Landing, Payment, Session};
use tollwire_ledger::{Command, Outcome};
use tollwire_x402::{Network, PaymentId};

/// How long before the end of its validity a payment is still worth a new transaction, in seconds.
const VALIDITY_MARGIN_SECS: u64 = 6;

/// How many times sooner another transaction follows one that is known to have no effect any more.
const SPENT_SOONER: u32 = 16;

/// What a task is to do.
pub(super) struct Job {
    /// The payment.
    pub(super) id: PaymentId,
    /// For whom.
    pub(super) mode: Mode,
    /// True if it was verified a moment ago and recorded just now, so that the chain cannot know of it yet.
    pub(super) verified: bool,
}

/// For whom a task works.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// For callers: while another process works on the payment, watch the ledger for the outcome.
    Serve,
    /// For the reconciler: leave what others work on, and do not stay long.
    Reconcile,
}

/// What one look at a payment led to.
enum Step {
    /// Its fate is known.
    Known(End),
    /// Something was sent just now: look again at once.
    Sent,
    /// Nothing to do but wait.
    Wait,
}

impl Shared {
    pub(super) fn chain(&self, network: Network) -> Option<&Arc<dyn Chain>> {
        self.chains.iter().find(|chain| chain.info().network == network)
    }

    pub(super) fn pace(&self) -> Pace {
        Pace::new(self.config.poll_first, self.config.poll_max)
    }

    /// Puts a task on a payment, or joins the one it has.
    pub(super) fn start(self: &Arc<Self>, job: Job, permit: Permit) -> Result<Progress, SettleError> {
        let shared = self.clone();
        self.in_flight.start(job.id.clone(), move |voice| async move {
            let _permit = permit;
            let end = shared.pursue(job, &voice).await;
            voice.end(end);
        })
    }

    /// Works on a payment, as its only worker anywhere, until its fate is known or patience ends.
    async fn pursue(&self, mut job: Job, voice: &Voice) -> End {
        let patience = match job.mode {
            Mode::Serve => self.config.patience,
            Mode::Reconcile => self.config.reconcile_patience,
        };
        let deadline = Instant::now() + patience;
        let mut pace = self.pace();
        loop {
            match tokio::time::timeout_at(deadline, self.claim(&job.id)).await {
                Ok(Ok(Claim::Known(end))) => return end,
                Ok(Ok(Claim::Mine(lease))) => {
                    if let Some(end) = self.work_while(lease, &job, voice, deadline).await {
                        return end;
                    }
                }
                Ok(Ok(Claim::Elsewhere)) if job.mode == Mode::Reconcile => return End::Left,
                Ok(Ok(Claim::Elsewhere)) => {}
                Ok(Err(error)) => tracing::warn!(payment = %job.id, %error, "ledger does not answer"),
                Err(_elapsed) => return End::Left,
            }
            // Whatever happened meanwhile, the chain may know of the payment now.
            job.verified = false;
            if tokio::time::timeout_at(deadline, pace.rest()).await.is_err() {
                return End::Left;
            }
        }
    }

    /// Tries to make a payment this process's own.
    async fn claim(&self, id: &PaymentId) -> Result<Claim<'_>, tollwire_ledger::Error> {
        if let Some(payment) = self.ledger.payment(id).await?
            && payment.fate != Fate::Pending
        {
            return Ok(Claim::Known(self.known(Box::new(payment), None).await?));
        }
        let taken = Lease::take(self.ledger.as_ref(), id, &self.config.holder, self.config.lease).await?;
        Ok(taken.map_or(Claim::Elsewhere, Claim::Mine))
    }

    /// Works as long as the lease holds; `None` if it was lost.
    async fn work_while(
        &self,
        mut lease: Lease<'_>,
        job: &Job,
        voice: &Voice,
        deadline: Instant,
    ) -> Option<End> {
        let end = tokio::select! {
            biased;
            () = lease.keep() => {
                tracing::warn!(payment = %job.id, "lease lost; another process goes on");
                return None;
            }
            end = tokio::time::timeout_at(deadline, self.work(job, voice)) => end.unwrap_or(End::Left),
        };
        lease.give_back().await;
        Some(end)
    }

    /// Looks and acts, again and again, until the payment's fate is known.
    async fn work(&self, job: &Job, voice: &Voice) -> End {
        let mut pace = self.pace();
        let mut timing = Timing::new();
        let mut blind = job.verified;
        loop {
            match self.round(&job.id, voice, blind, &mut timing).await {
                Ok(Step::Known(end)) => return end,
                Ok(Step::Sent) => {
                    blind = false;
                    continue;
                }
                Ok(Step::Wait) => {}
                Err(SettleError::Unknown) => return End::Left,
                Err(SettleError::Chain(ChainError::Busy)) => {
                    tracing::debug!(payment = %job.id, "the settlement account's turn is another's; waiting");
                }
                // Never evidence of anything: look again.
                Err(error) => {
                    tracing::warn!(payment = %job.id, %error, "settlement step failed; will repeat");
                }
            }
            blind = false;
            match timing.watch_pause(&self.config, self.in_flight.count()) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => pace.rest().await,
            }
        }
    }

    /// One look at a payment, and what it calls for. `blind` leaves out the look.
    async fn round(
        &self,
        id: &PaymentId,
        voice: &Voice,
        blind: bool,
        timing: &mut Timing,
    ) -> Result<Step, SettleError> {
        let payment = self.ledger.payment(id).await?.ok_or(SettleError::Unknown)?;
        if payment.fate != Fate::Pending {
            return Ok(Step::Known(self.known(Box::new(payment), None).await?));
        }
        let chain =
            self.chain(payment.intent.network).ok_or_else(|| unserved(payment.intent.network))?.as_ref();
        if let Some(last) = payment.attempts.last() {
            voice.tx(&last.tx);
            timing.in_company_of(chain.company(&payment));
        }
        let mut spent = false;
        if !(blind && payment.attempts.is_empty()) {
            match chain.observe(&payment).await? {
                Observation::Landed(landing) => return self.credit(chain, id, payment, landing).await,
                Observation::Dead(refusal) => return self.abandon(chain, id, payment, refusal).await,
                Observation::Failed(refusal) => {
                    self.failed(&payment, timing);
                    return self.abandon(chain, id, payment, refusal).await;
                }
                Observation::Pending(Some(tx)) => voice.tx(&tx),
                Observation::Pending(None) => {
                    spent = !payment.attempts.is_empty();
                    self.failed(&payment, timing);
                }
            }
        }
        if self.wants_attempt(&payment, spent) && (spent || timing.attempt_due()) {
            return self.attempt(chain, id, &payment, voice, timing, spent).await;
        }
        if let Some(last) = payment.attempts.last()
            && !spent
            && timing.resend_due()
        {
            match chain.broadcast(last).await {
                // It will have no effect any more; another need not wait until it would have been given up.
                Err(ChainError::Superseded(_)) if self.wants_attempt(&payment, true) => {
                    return self.attempt(chain, id, &payment, voice, timing, true).await;
                }
                answer => answer?,
            }
        }
        Ok(Step::Wait)
    }

    /// Counts against a payer that the last transaction for a payment moved nothing, once.
    fn failed(&self, payment: &Payment, timing: &mut Timing) {
        if timing.have_failed(payment.attempts.len()) {
            self.failures.add(&payment.intent.payer, self.clock.now());
        }
    }

    /// Whether a (further) transaction is due: none was made, or the last has been out for so long that it will
    /// not come back; and there is time left for another. `spent` ones are known to have no effect any more: another
    /// follows sooner.
    fn wants_attempt(&self, payment: &Payment, spent: bool) -> bool {
        let now = self.clock.now();
        if now.secs().saturating_add(VALIDITY_MARGIN_SECS) > payment.intent.valid_before {
            return false;
        }
        let made = payment.attempts.len();
        let Some(last) = payment.attempts.last() else { return true };
        let doublings = u32::try_from(made.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
        let first = if spent { self.config.attempt_after / SPENT_SOONER } else { self.config.attempt_after };
        let patience = first.saturating_mul(1_u32 << doublings);
        made < self.config.attempts_bound() && now.since(last.at) >= patience
    }

    /// Makes a transaction, remembers it, and only then lets it out.
    async fn attempt(
        &self,
        chain: &dyn Chain,
        id: &PaymentId,
        payment: &Payment,
        voice: &Voice,
        timing: &mut Timing,
        spent: bool,
    ) -> Result<Step, SettleError> {
        let turn = chain.turn_for(payment).await?;
        if !self.wants_attempt(payment, spent) {
            return Ok(Step::Wait); // The turn was long in coming.
        }
        let mut current = Box::new(payment.clone());
        let mut left = self.config.attempts_bound().saturating_sub(current.attempts.len());
        loop {
            let attempt = chain.prepare(&current, turn.as_ref()).await?;
            current = self.attach(id, &current, &attempt).await?;
            timing.attempted(self.config.attempt_after);
            voice.tx(&attempt.tx);
            left = left.saturating_sub(1);
            match self.broadcast(chain, &attempt).await {
                Ok(()) => {
                    timing.sent();
                    return Ok(Step::Sent);
                }
                // It can never land: another takes its place, while the account is still ours.
                Err(ChainError::Superseded(why)) if left > 0 && current.fate == Fate::Pending => {
                    tracing::warn!(payment = %id, tx = %attempt.tx, why, "transaction superseded; making another");
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Remembers a transaction; the payment as it stands then.
    async fn attach(
        &self,
        id: &PaymentId,
        payment: &Payment,
        attempt: &Attempt,
    ) -> Result<Box<Payment>, SettleError> {
        let session = payment.intent.session.clone();
        let command = Command::Attach { payment: id.clone(), session, attempt: attempt.clone() };
        match self.ledger.apply(command).await? {
            Outcome::Done(view) | Outcome::Replayed(view) => view.payment.ok_or_else(|| incomplete("Attach")),
            other => Err(unexpected("Attach", &other)),
        }
    }

    /// Sends a transaction, with a few immediate repetitions.
    async fn broadcast(&self, chain: &dyn Chain, attempt: &Attempt) -> Result<(), ChainError> {
        let mut pace = self.pace();
        for _ in 0..self.config.broadcast_retries {
            match chain.broadcast(attempt).await {
                Ok(()) => return Ok(()),
                Err(error @ ChainError::Superseded(_)) => return Err(error),
                Err(error) => tracing::debug!(tx = %attempt.tx, %error, "broadcast not answered; repeating"),
            }
            pace.rest().await;
        }
        chain.broadcast(attempt).await
    }

    async fn credit(
        &self,
        chain: &dyn Chain,
        id: &PaymentId,
        payment: Payment,
        landing: Landing,
    ) -> Result<Step, SettleError> {
        let took = self.clock.now().since(payment.recorded);
        let tx = landing.tx.clone();
        let command = Command::Credit { payment: id.clone(), session: payment.intent.session, landing };
        let view = match self.ledger.apply(command).await? {
            Outcome::Done(view) => {
                count(chain, "credited");
                let claim = chain.info().claim.clone();
                metrics::histogram!("tollwire_settlement_seconds", "chain" => claim).record(took);
                tracing::info!(payment = %id, %tx, "payment credited");
                // If there is no room, a walk finds it later.
                let _watched = self.watch.add(id);
                view
            }
            Outcome::Replayed(view) => view,
            other => return Err(unexpected("Credit", &other)),
        };
        let payment = view.payment.ok_or_else(|| incomplete("Credit"))?;
        Ok(Step::Known(self.known(payment, view.session).await?))
    }

    async fn abandon(
        &self,
        chain: &dyn Chain,
        id: &PaymentId,
        payment: Payment,
        refusal: Refusal,
    ) -> Result<Step, SettleError> {
        let reason = refusal.reason.to_owned();
        let command = Command::Abandon { payment: id.clone(), session: payment.intent.session, reason };
        let view = match self.ledger.apply(command).await? {
            Outcome::Done(view) => {
                count(chain, "abandoned");
                tracing::info!(payment = %id, reason = refusal.reason, "payment abandoned: it can never land");
                view
            }
            Outcome::Replayed(view) => view,
            other => return Err(unexpected("Abandon", &other)),
        };
        let payment = view.payment.ok_or_else(|| incomplete("Abandon"))?;
        Ok(Step::Known(self.known(payment, view.session).await?))
    }

    async fn known(
        &self,
        payment: Box<Payment>,
        session: Option<Box<Session>>,
    ) -> Result<End, tollwire_ledger::Error> {
        let (payment, session) = self.with_session(payment, session).await?;
        Ok(End::Known(payment, session))
    }

    /// Adds the session a credited payment bought, if the store did not send it along.
    pub(super) async fn with_session(
        &self,
        payment: Box<Payment>,
        session: Option<Box<Session>>,
    ) -> Result<(Box<Payment>, Option<Box<Session>>), tollwire_ledger::Error> {
        let owed = !payment.intent.plain && matches!(payment.fate, Fate::Credited(_));
        let session = match session {
            None if owed => self.ledger.session(&payment.intent.session).await?.map(Box::new),
            session => session.filter(|_| owed),
        };
        Ok((payment, session))
    }
}

/// Whose a payment is.
enum Claim<'a> {
    /// Nobody's any more.
    Known(End),
    /// Ours.
    Mine(Lease<'a>),
    /// Another process's.
    Elsewhere,
}

/// Counts how a payment came out.
pub(super) fn count(chain: &dyn Chain, outcome: &'static str) {
    let claim = chain.info().claim.clone();
    metrics::counter!("tollwire_settlements_total", "chain" => claim, "outcome" => outcome).increment(1);
}

fn unserved(network: Network) -> ChainError {
    ChainError::Unavailable(format!("no chain is configured for {network}"))
}
