//! Finding out how far a paid call is: ours to make, somebody's to make, or made.

use super::desk::{Concluded, Desk, Found, Job, Outcome, Paid, Phase};
use super::owned::{Owned, Wanted};
use super::presented::Proofs;
use super::recall::Decision;
use super::row::{PaidCall, Settlement, State};
use crate::call::CallError;
use crate::store::{Row, StoreError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tollwire_x402::facilitator::SettleResponse;

/// How long a broker that asks an API holds the row without a sign of life.
pub(super) const LEASE: Duration = Duration::from_secs(15);

/// The longest wait for a call that another broker makes.
const FOLLOW_MAX: Duration = Duration::from_mins(3);

/// How often it is looked at, from first to last.
const LOOK_AFTER: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// What is to be done about a row of somebody's.
enum Next {
    Look,
    /// Nobody asks the API any more: whoever did has gone.
    TakeOver(u64),
    /// Nobody asks the facilitator any more.
    Resume(u64, Box<PaidCall>),
    Conclude(Outcome),
}

impl Desk {
    /// Makes the call, or waits for whoever makes it. `phase` tells those who wait here how far it is.
    pub(super) async fn conclude(
        &self,
        job: &Job,
        phase: &watch::Sender<Phase>,
        decision: &Decision,
    ) -> Concluded {
        let mut found = None;
        let mut proofs = job.presented.proofs;
        let outcome = match self.follow(job, (phase, decision), &mut found, &mut proofs).await {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::error!(%error, "the state of a paid call cannot be kept");
                Outcome::Failed(CallError::StoreUnavailable)
            }
        };
        Concluded { outcome, found: found.unwrap_or(Found::Early), proofs }
    }

    async fn follow(
        &self,
        job: &Job,
        (phase, decision): (&watch::Sender<Phase>, &Decision),
        found: &mut Option<Found>,
        proofs: &mut Proofs,
    ) -> Result<Outcome, StoreError> {
        let key = job.presented.key.clone();
        let (began, mut wait) = (Instant::now(), LOOK_AFTER.0);
        let mut from = None;
        while began.elapsed() < FOLLOW_MAX {
            let fresh = PaidCall::executing(&job.presented, self.clock.now().after(LEASE));
            let alias = job.presented.alias.clone();
            let wanted = Owned::want(&self.rows, &self.clock, &key, from.take(), alias, fresh).await?;
            let theirs = match wanted {
                Wanted::Ours(owned) => {
                    found.get_or_insert(Found::Early);
                    *proofs = job.presented.proofs;
                    match self.run(job, *owned, phase, decision).await? {
                        Some(outcome) => return Ok(outcome),
                        None => continue,
                    }
                }
                Wanted::Taken => return Ok(Outcome::Failed(CallError::IdentifierReused)),
                Wanted::Gone => continue,
                Wanted::Theirs(theirs) => theirs,
            };
            let paid = PaidCall::read(&theirs)?;
            if !paid.is_of(&job.presented) {
                return Ok(Outcome::Failed(CallError::PaymentReused));
            }
            // Whoever makes it is not to be reached from here.
            if !decision.close() {
                return Ok(Outcome::Failed(CallError::Cancelled));
            }
            *proofs = paid.proofs();
            let early = matches!(paid.state, State::Executing { .. });
            found.get_or_insert(if early { Found::Early } else { Found::Late });
            phase.send_replace(if early { Phase::Executing } else { Phase::Settling });
            match self.next(&theirs, paid)? {
                Next::Conclude(outcome) => return Ok(outcome),
                Next::TakeOver(version) => from = Some(version),
                Next::Resume(version, paid) => {
                    if let Some(outcome) = self.resume(&key, version, *paid).await? {
                        return Ok(outcome);
                    }
                }
                Next::Look => {
                    sleep(wait).await;
                    wait = wait.saturating_mul(2).min(LOOK_AFTER.1);
                }
            }
        }
        Ok(Outcome::Failed(CallError::SettlementUnknown))
    }

    fn next(&self, theirs: &Row, paid: PaidCall) -> Result<Next, StoreError> {
        let now = self.clock.now().millis();
        Ok(match &paid.state {
            State::Executing { until } if *until < now => Next::TakeOver(theirs.version),
            State::Settling { until, .. } if *until < now => Next::Resume(theirs.version, Box::new(paid)),
            State::Executing { .. } | State::Settling { doubts: 0, .. } => Next::Look,
            State::Settling { .. } => Next::Conclude(Outcome::Failed(CallError::SettlementUnknown)),
            State::Settled { held, settlement } => {
                let paid = match settlement {
                    Settlement::Account(remaining) => Paid::Account { remaining: *remaining },
                    Settlement::Payment(settlement) => {
                        let settlement: SettleResponse = serde_json::from_str(settlement)
                            .map_err(|error| StoreError::Corrupt(format!("settlement: {error}")))?;
                        Paid::Payment(Box::new(settlement))
                    }
                };
                Next::Conclude(Outcome::Settled(held.clone(), paid))
            }
        })
    }
}
