//! The one settlement procedure.
//!
//! `verify` changes nothing and its refusals leave no trace. `Record` comes before anything leaves the house,
//! `Attach` before a transaction does, and `Credit` or `Abandon` only follow what the chain proves. A crash
//! between any two steps leaves a payment that the next caller, another process or the reconciler finishes.
//!
//! One task per payment and process does the work ([`inflight`]); the ledger's lease keeps two processes from
//! doing it at once ([`lease`]); callers only watch, so a caller that goes away takes nothing with it.

mod adopt;
mod answers;
mod cover;
mod debt;
mod failures;
mod guard;
mod inflight;
mod lease;
mod outgoing;
mod pace;
mod payout;
mod recheck;
mod reconcile;
mod refund;
mod schedule;
mod timing;
mod watch;
mod work;
mod young;

use crate::{Chain, Identified, PayoutTerms, Refusal, SettleError, Settled, SettlerConfig};
use adopt::{Adoption, Unrecorded};
use answers::{incomplete, unexpected};
use guard::Unguarded;
use inflight::{End, InFlight, Permit};
use recheck::{recheck, same_identity, unserved};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tollwire_ledger::model::{Fate, Intent, Payment, Session};
use tollwire_ledger::{Clock, Command, Ledger, Outcome};
use tollwire_x402::v2::PaymentRequirements;
use tollwire_x402::{Network, PaymentId, reason};
use work::{Job, Mode};

pub use cover::Cover;
pub(crate) use guard::Guard;
pub use payout::Round;
pub use reconcile::Reconciler;
pub use schedule::PayoutSchedule;

/// How much longer than `maxTimeoutSeconds` a payment may stay valid, in seconds. A payment that is valid for
/// ever could land long after everybody has forgotten it.
pub const VALIDITY_SLACK_SECS: u64 = 60;

/// Settles payments: once each, whatever is retried, raced or crashed.
pub struct Settler {
    shared: Arc<Shared>,
}

/// What the tasks need; they outlive every caller, but not the [`Settler`].
struct Shared {
    ledger: Arc<dyn Ledger>,
    chains: Vec<Arc<dyn Chain>>,
    clock: Arc<dyn Clock>,
    config: SettlerConfig,
    in_flight: InFlight,
    backlog: reconcile::Backlog,
    watch: watch::Watch,
    sending: outgoing::Sending,
    covers: cover::Covers,
    failures: failures::Failures,
    /// Held while this process pays providers.
    round: tokio::sync::Mutex<()>,
}

impl Settler {
    /// A settler over a ledger and the chains it may use, at most one per network (the first counts).
    pub fn new(
        ledger: Arc<dyn Ledger>,
        chains: Vec<Arc<dyn Chain>>,
        clock: Arc<dyn Clock>,
        config: SettlerConfig,
    ) -> Self {
        let in_flight = InFlight::new(config.in_flight_max);
        let backlog = reconcile::Backlog::default();
        let watch = watch::Watch::new(config.watch_every);
        let failures = failures::Failures::at_most(config.failures_per_payer);
        Self {
            shared: Arc::new(Shared {
                ledger,
                chains,
                clock,
                config,
                in_flight,
                backlog,
                watch,
                sending: outgoing::Sending::default(),
                covers: cover::Covers::default(),
                failures,
                round: tokio::sync::Mutex::default(),
            }),
        }
    }

    /// The chain of a network, if it is served here.
    pub fn chain(&self, network: Network) -> Option<&Arc<dyn Chain>> {
        self.shared.chain(network)
    }

    /// All chains served here.
    pub fn chains(&self) -> &[Arc<dyn Chain>] {
        &self.shared.chains
    }

    /// How providers are paid out.
    pub fn payout_terms(&self) -> &PayoutTerms {
        &self.shared.config.payouts
    }

    /// Would this payment settle now? Every check there is; changes nothing anywhere.
    pub async fn verify(
        &self,
        requirements: &PaymentRequirements,
        payload: &Value,
    ) -> Result<Result<Identified, Refusal>, SettleError> {
        let Some(chain) = requirements.known_network().and_then(|network| self.chain(network)) else {
            return Ok(Err(unserved(&requirements.network)));
        };
        let time = self.shared.clock.now();
        let now = time.secs();
        let identified = match chain.verify(requirements, payload, now).await? {
            Ok(identified) => identified,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Some(wait) = self.shared.failures.wait(&identified.payer, time) {
            let message = format!(
                "too many of this payer's payments passed and then failed on the chain; it may pay again in {} s",
                wait.as_secs()
            );
            return Ok(Err(Refusal::new(reason::SPONSOR_BUDGET_EXHAUSTED, message).by(identified.payer)));
        }
        let latest = now.saturating_add(requirements.max_timeout_seconds).saturating_add(VALIDITY_SLACK_SECS);
        if identified.valid_before > latest {
            let message = format!(
                "validBefore lies too far ahead; it may be at most maxTimeoutSeconds + {VALIDITY_SLACK_SECS} s from now"
            );
            return Ok(Err(Refusal::new(reason::EVM_VALID_BEFORE, message).by(identified.payer)));
        }
        Ok(Ok(identified))
    }

    /// Settles a payment, or joins whoever is settling it, and waits for the outcome at most `wait`.
    ///
    /// `intent` says what it buys and carries the scheme's payload; `id` is its canonical identity. For a payment
    /// recorded before, only form, terms and signature are checked again, not the time, nonce or balance. Dropping
    /// the future does not stop the settlement once it was recorded.
    ///
    /// A payment that somebody else submitted before it was presented is [`Settled::Unclaimed`], if it paid our deposit
    /// wallet for a session and its block is newer than the store; otherwise it is refused as used.
    pub async fn settle(
        &self,
        requirements: &PaymentRequirements,
        intent: Intent,
        id: PaymentId,
        wait: Duration,
    ) -> Result<Settled, SettleError> {
        self.pursue(requirements, intent, id, wait, (false, &Unguarded)).await
    }

    /// [`Settler::settle`] with a last word of the caller's before the payment is recorded, or answered if it was before;
    /// [`SettleError::Barred`] if that is no.
    pub(crate) async fn settle_guarded(
        &self,
        requirements: &PaymentRequirements,
        intent: Intent,
        id: PaymentId,
        wait: Duration,
        guard: &dyn Guard,
    ) -> Result<Settled, SettleError> {
        self.pursue(requirements, intent, id, wait, (false, guard)).await
    }

    /// [`Settler::settle`] for a caller who has proven to be the payer: an unclaimed payment is credited.
    pub async fn claim(
        &self,
        requirements: &PaymentRequirements,
        intent: Intent,
        id: PaymentId,
        wait: Duration,
    ) -> Result<Settled, SettleError> {
        self.pursue(requirements, intent, id, wait, (true, &Unguarded)).await
    }

    async fn pursue(
        &self,
        requirements: &PaymentRequirements,
        intent: Intent,
        id: PaymentId,
        wait: Duration,
        (by_payer, guard): (bool, &dyn Guard),
    ) -> Result<Settled, SettleError> {
        let deadline = Instant::now() + wait;
        let served = requirements.known_network().filter(|network| *network == intent.network);
        let Some(chain) = served.and_then(|network| self.chain(network)) else {
            return Ok(Settled::Refused(unserved(&requirements.network)));
        };
        let Ok(payload) = serde_json::from_str::<Value>(&intent.payload) else {
            return Ok(Settled::Refused(Refusal::new(reason::INVALID_PAYLOAD, "the payload is not JSON")));
        };
        let (mut permit, mut landed) = (None, false);
        let mut known = self.shared.ledger.payment(&id).await?;
        if known.is_none() {
            permit = Some(self.shared.in_flight.permit()?);
            if let Err(refusal) = self.admit(requirements, &payload, &id).await? {
                // Somebody may have recorded it, and even landed it, while we looked.
                known = self.shared.ledger.payment(&id).await?;
                if known.is_none() {
                    let (chain, payload, intent, id) = (chain.as_ref(), &payload, &intent, &id);
                    let unrecorded = Unrecorded { chain, requirements, payload, intent, id };
                    match self.adoption(&unrecorded, &refusal).await? {
                        Adoption::Adopt if by_payer => landed = true,
                        Adoption::Adopt => return Ok(Settled::Unclaimed),
                        Adoption::Wait(tx) => return Ok(Settled::Pending { tx: Some(tx) }),
                        Adoption::Refuse => {
                            work::count(chain, "refused");
                            return Ok(Settled::Refused(refusal));
                        }
                    }
                }
            }
        }
        if let Some(payment) = known {
            if let Err(refusal) = recheck(chain.as_ref(), requirements, &payload, &id, &payment) {
                return Ok(Settled::Refused(refusal));
            }
            if !payment.intent.same_purchase(&intent) {
                return Ok(Settled::Foreign);
            }
            if !guard.admits(true).await? {
                return Err(SettleError::Barred);
            }
            return self.answer(&id, Box::new(payment), None, deadline, false).await;
        }
        if !guard.admits(false).await? {
            return Err(SettleError::Barred);
        }
        // Somebody may record it between our look and this; the ledger decides who was first.
        let (view, fresh) = match self.record(id.clone(), intent, permit, landed).await? {
            Outcome::Done(view) => (view, true),
            Outcome::Replayed(view) => (view, false),
            Outcome::Foreign => return Ok(Settled::Foreign),
            // Its session was closed between the offer and the payment: nothing was taken.
            Outcome::Closed => {
                let message = "the session was closed; open a new one";
                let refusal = Refusal::new(reason::INVALID_PAYMENT_REQUIREMENTS, message);
                return Ok(Settled::Refused(refusal));
            }
            other => return Err(unexpected("Record", &other)),
        };
        let payment = view.payment.ok_or_else(|| incomplete("Record"))?;
        self.answer(&id, payment, view.session, deadline, fresh).await
    }

    /// Waits for the fate of a payment recorded before, at most `wait`, and has it pursued meanwhile.
    pub async fn await_fate(&self, id: &PaymentId, wait: Duration) -> Result<Settled, SettleError> {
        let deadline = Instant::now() + wait;
        let payment = self.shared.ledger.payment(id).await?.ok_or(SettleError::Unknown)?;
        self.answer(id, Box::new(payment), None, deadline, false).await
    }

    /// The books that it settles into.
    pub(crate) fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.shared.ledger
    }

    /// Takes no new payments and waits until those being worked on are finished or left to the reconciler, at
    /// most [`SettlerConfig::patience`]. Idempotent.
    pub async fn drain(&self) {
        self.shared.in_flight.drain().await;
    }

    /// The answer about a recorded payment, now or when its fate is known.
    async fn answer(
        &self,
        id: &PaymentId,
        payment: Box<Payment>,
        session: Option<Box<Session>>,
        deadline: Instant,
        fresh: bool,
    ) -> Result<Settled, SettleError> {
        if payment.fate == Fate::Pending {
            return self.follow(id, deadline, fresh).await;
        }
        let (payment, session) = self.shared.with_session(payment, session).await?;
        Ok(Settled::from_fate(payment, session, fresh))
    }

    /// Verifies a payment nobody has recorded.
    async fn admit(
        &self,
        requirements: &PaymentRequirements,
        payload: &Value,
        id: &PaymentId,
    ) -> Result<Result<(), Refusal>, SettleError> {
        Ok(self.verify(requirements, payload).await?.and_then(|identified| same_identity(&identified, id)))
    }

    /// Records a payment and, if its fate is open, puts a task on it. Runs as a task of its own: from the moment
    /// the command may have reached the store, the caller's life no longer matters. `landed` if the chain has it already.
    async fn record(
        &self,
        id: PaymentId,
        intent: Intent,
        permit: Option<Permit>,
        landed: bool,
    ) -> Result<Outcome, SettleError> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let shared = self.shared.clone();
        self.shared.in_flight.spawn(async move {
            let command = Command::Record { payment: id.clone(), intent: Box::new(intent) };
            let outcome = shared.ledger.apply(command).await;
            if let (Ok(Outcome::Done(_)), Some(permit)) = (&outcome, permit) {
                // The caller learns of a failure to start when it follows; the reconciler covers the rest.
                let job = Job { id, mode: Mode::Serve, verified: !landed };
                shared
                    .start(job, permit)
                    .err()
                    .inspect(|error| tracing::debug!(%error, "payment left for later"));
            }
            // A caller that went away needs no answer.
            reply.send(outcome).ok();
        })?;
        Ok(answer.await.map_err(|_| SettleError::Draining)??)
    }

    /// Waits for a pending payment's fate, with a task on it as long as somebody waits.
    async fn follow(&self, id: &PaymentId, deadline: Instant, fresh: bool) -> Result<Settled, SettleError> {
        let mut pace = self.shared.pace();
        loop {
            let mut progress = if let Some(running) = self.shared.in_flight.join(id) {
                running
            } else {
                let permit = self.shared.in_flight.permit()?;
                self.shared.start(Job { id: id.clone(), mode: Mode::Serve, verified: false }, permit)?
            };
            match tokio::time::timeout_at(deadline, progress.end()).await {
                Ok(End::Known(payment, session)) => return Ok(Settled::from_fate(payment, session, fresh)),
                Ok(End::Left) => {}
                Err(_elapsed) => return Ok(Settled::Pending { tx: progress.tx() }),
            }
            if tokio::time::timeout_at(deadline, pace.rest()).await.is_err() {
                return Ok(Settled::Pending { tx: progress.tx() });
            }
        }
    }
}

impl Drop for Settler {
    /// Stops its tasks where they stand. Nothing is lost by it: what they did is durable, and what they did not
    /// is for the next process.
    fn drop(&mut self) {
        self.shared.in_flight.abort();
    }
}
