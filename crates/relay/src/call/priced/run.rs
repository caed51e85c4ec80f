//! Making a paid call: verify, ask the API, keep its answer, settle, keep the settlement. Nothing is shown before that.

use super::bill::Unpaid;
use super::desk::{Desk, Job, Outcome, Paid, Phase};
use super::follow::LEASE;
use super::held::Held;
use super::judge::{Fate, fate};
use super::owned::Owned;
use super::presented::Means;
use super::recall::Decision;
use super::reconcile::parsed;
use super::row::{Due, Settlement, State};
use crate::call::CallError;
use crate::runtime::Budget;
use crate::store::StoreError;
use crate::telemetry;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tollwire_gate::Charge;
use tollwire_ledger::Timestamp;
use tollwire_x402::facilitator::{Failure, Request, VerifyResponse};
use tollwire_x402::reason;

/// How long a facilitator may take to verify.
pub(super) const VERIFY_WITHIN: Duration = Duration::from_secs(10);

/// How long it may take to settle; ours answers within 30 seconds that it does not know yet.
pub(super) const SETTLE_WITHIN: Duration = Duration::from_secs(45);

/// How long after that nobody else asks.
const SETTLE_MARGIN: Duration = Duration::from_secs(5);

/// How long until a facilitator is asked again, from first to last; doubled every time.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// Seconds added to a call's own time for what comes before and after it.
const OFFER_MARGIN_SECS: u64 = 60;

/// `maxTimeoutSeconds` of offers for calls that take this long at most: their payments are settled after the answer.
pub(crate) fn offer_timeout_secs(call: Duration) -> u64 {
    call.as_secs().saturating_add(OFFER_MARGIN_SECS)
}

/// What came of asking facilitator and API.
enum Asked {
    Answer(Held),
    Outcome(Outcome),
}

impl Desk {
    /// Makes the call of a row that is ours; `None` if somebody took it over.
    pub(super) async fn run(
        &self,
        job: &Job,
        mut owned: Owned,
        phase: &watch::Sender<Phase>,
        decision: &Decision,
    ) -> Result<Option<Outcome>, StoreError> {
        phase.send_replace(Phase::Executing);
        let charge = match self.reserve(job).await {
            Ok(charge) => charge,
            Err(outcome) => {
                owned.release().await;
                return Ok(Some(outcome));
            }
        };
        let asked = {
            let mut asking = Box::pin(self.ask(job));
            loop {
                tokio::select! {
                    asked = &mut asking => break asked,
                    () = decision.cancelled() => break Asked::Outcome(Outcome::Failed(CallError::Cancelled)),
                    () = sleep(LEASE / 3) => {
                        let until = self.clock.now().after(LEASE).millis();
                        let renewed = owned.paid.with(State::Executing { until });
                        // A store that does not answer now may answer in time for what counts.
                        if matches!(owned.become_(renewed).await, Ok(false)) {
                            self.give_back(charge.as_ref()).await;
                            return Ok(None);
                        }
                        if let Some(charge) = &charge {
                            self.prolong(charge).await;
                        }
                    }
                }
            }
        };
        let asked = match asked {
            Asked::Answer(_) if !decision.close() => Asked::Outcome(Outcome::Failed(CallError::Cancelled)),
            asked => asked,
        };
        let held = match asked {
            Asked::Answer(held) => held,
            Asked::Outcome(outcome) => {
                self.give_back(charge.as_ref()).await;
                owned.release().await;
                return Ok(Some(outcome));
            }
        };
        let due = due(job, charge.clone())?;
        let state =
            State::Settling { until: self.settled_by(), doubts: 0, held: held.kept(), due: due.clone() };
        if !owned.become_(owned.paid.with(state)).await? {
            self.give_back(charge.as_ref()).await;
            return Ok(None);
        }
        phase.send_replace(Phase::Settling);
        let settled = self.settle(&due, false).await;
        let outcome = self.record(owned, settled, Some(held)).await;
        if let (Outcome::Settled(..), Means::Account(_, price)) = (&outcome, &job.presented.means) {
            telemetry::charged(job.api.id.as_str(), price.atomic());
        }
        Ok(Some(outcome))
    }

    /// Until when nobody else need ask the facilitator, in milliseconds since the epoch.
    pub(super) fn settled_by(&self) -> u64 {
        self.clock.now().after(SETTLE_WITHIN).after(SETTLE_MARGIN).millis()
    }

    /// Is the payment good, and what does the API say?
    async fn ask(&self, job: &Job) -> Asked {
        if let Means::Payment(request) = &job.presented.means
            && let Err(outcome) = self.verify(job, request).await
        {
            return Asked::Outcome(outcome);
        }
        let budget = Budget::unbounded();
        let answer = match self.upstream.ask(&job.api, job.request.clone()).await {
            Ok(begun) => self.upstream.whole(begun, &budget).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(answer) if answer.status.as_u16() < 400 => Asked::Answer(Held::of(&answer)),
            Ok(answer) => Asked::Outcome(Outcome::Unsettled(Held::of(&answer))),
            Err(error) => Asked::Outcome(Outcome::Failed(error)),
        }
    }

    /// Whether a payment is good.
    async fn verify(&self, job: &Job, request: &Request) -> Result<(), Outcome> {
        let refused = |reason, message| {
            let payer = Some(job.presented.payer.clone());
            Err(Outcome::Refused(Unpaid { payer, ..unpaid(request, reason, message) }))
        };
        match timeout(VERIFY_WITHIN, self.facilitator.verify(request.clone())).await {
            Ok(Ok(VerifyResponse { is_valid: true, .. })) => Ok(()),
            Ok(Ok(invalid)) => {
                let reason = invalid.invalid_reason.unwrap_or_else(|| reason::INVALID_PAYLOAD.to_owned());
                let message = invalid.invalid_message.unwrap_or_else(|| format!("not taken: {reason}"));
                refused(reason, message)
            }
            Ok(Err(Failure::Malformed(why) | Failure::Conflict(why) | Failure::Identifier(why))) => {
                refused(reason::INVALID_PAYLOAD.to_owned(), why)
            }
            failed => {
                tracing::warn!(?failed, "the facilitator does not verify");
                Err(Outcome::Failed(CallError::CannotBePaid))
            }
        }
    }

    /// Takes what is due: asks the facilitator to settle, or charges the account. `again` if it may have been asked before.
    pub(super) async fn settle(&self, due: &Due, again: bool) -> Fate {
        let request = match due {
            Due::Charge(charge) => return self.capture(charge).await,
            Due::Payment(request) => parsed(request),
        };
        let Some(request) = request else {
            tracing::error!("a payment that was written down cannot be read");
            return Fate::Unknown;
        };
        let answer = timeout(SETTLE_WITHIN, self.facilitator.settle(request)).await;
        let answer = answer.unwrap_or_else(|_| Err(Failure::Unreachable("no answer in time".to_owned())));
        fate(answer, again, self.remembers)
    }

    /// Writes down what became of a payment, and says what its callers get. `whole` is the answer with more of it than was
    /// kept.
    pub(super) async fn record(&self, mut owned: Owned, settled: Fate, whole: Option<Held>) -> Outcome {
        let State::Settling { doubts, held, due, .. } = owned.paid.state.clone() else {
            return Outcome::Failed(CallError::SettlementUnknown);
        };
        match settled {
            Fate::Settled(paid) => {
                self.keep(&mut owned, &held, &paid).await;
                Outcome::Settled(whole.unwrap_or(held), paid)
            }
            Fate::Refused(reason, message) => {
                owned.release().await;
                let request = match &due {
                    Due::Payment(request) => parsed(request),
                    Due::Charge(_) => None,
                };
                match request {
                    Some(request) => Outcome::Refused(unpaid(&request, reason, message)),
                    None => Outcome::Failed(CallError::CannotBePaid),
                }
            }
            Fate::Short => {
                owned.release().await;
                Outcome::Short
            }
            Fate::Over(why) => {
                owned.release().await;
                Outcome::Failed(CallError::AccountRefused(why))
            }
            Fate::Unknown => {
                let doubts = doubts.saturating_add(1);
                let until = again_at(self.clock.now(), doubts);
                let state = State::Settling { until, doubts, held, due };
                if let Err(error) = owned.become_(owned.paid.with(state)).await {
                    tracing::error!(%error, "a payment in doubt is asked after later than it should be");
                }
                tracing::warn!(payment = owned.key, doubts, "a payment is in doubt");
                Outcome::Failed(CallError::SettlementUnknown)
            }
        }
    }

    /// A settlement that cannot be written down is found out again by asking again; its answer is due now all the same.
    async fn keep(&self, owned: &mut Owned, held: &Held, paid: &Paid) {
        let settlement = match paid {
            Paid::Payment(settlement) => {
                Settlement::Payment(serde_json::to_string(settlement).unwrap_or_default())
            }
            Paid::Account { remaining } => Settlement::Account(*remaining),
        };
        let state = State::Settled { held: held.clone(), settlement };
        match owned.become_(owned.paid.with(state)).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(payment = owned.key, "somebody else has written down a settlement"),
            Err(error) => {
                tracing::error!(%error, payment = owned.key, "a settlement is not written down yet");
            }
        }
    }
}

fn again_at(now: Timestamp, doubts: u32) -> u64 {
    let factor = 1_u32.checked_shl(doubts.saturating_sub(1)).unwrap_or(u32::MAX);
    now.after(ASK_AGAIN.0.saturating_mul(factor).min(ASK_AGAIN.1)).millis()
}

/// What is to be taken once the API has answered.
fn due(job: &Job, charge: Option<Charge>) -> Result<Due, StoreError> {
    match (&job.presented.means, charge) {
        (Means::Payment(request), _) => {
            let request = request.to_raw().ok().and_then(|raw| serde_json::to_string(&raw).ok());
            request
                .map(Due::Payment)
                .ok_or_else(|| StoreError::Corrupt("a payment cannot be written down".to_owned()))
        }
        (Means::Account(..), Some(charge)) => Ok(Due::Charge(charge)),
        (Means::Account(..), None) => Err(StoreError::Corrupt("an account was not charged".to_owned())),
    }
}

fn unpaid(request: &Request, reason: String, message: String) -> Unpaid {
    let (dialect, network) = (request.dialect(), request.network_text().to_owned());
    Unpaid { dialect, reason, message, payer: None, network }
}
