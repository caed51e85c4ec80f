//! Where calls are paid for: what is asked twice is done once, and its answer goes to all who asked.

use super::bill::{Unpaid, bill};
use super::held::Held;
use super::offers::Served;
use super::presented::{Hash, Presented, Proofs, fingerprint, take};
use super::{Price, row};
use crate::call::CallError;
use crate::call::api::Api;
use crate::call::request::ApiRequest;
use crate::call::upstream::{ApiAnswer, Upstream};
use crate::relay::Payments;
use crate::store::Rows;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tollwire_ledger::Clock;
use tollwire_x402::facilitator::SettleResponse;
use tollwire_x402::v2::ResourceInfo;
use tollwire_x402::{Dialect, Facilitator};

/// Where calls are paid for.
pub(crate) struct Desk {
    pub(super) facilitator: Arc<dyn Facilitator>,
    /// Whether it answers the same payment the same, however often it is asked.
    pub(super) remembers: bool,
    pub(super) rows: Arc<dyn Rows>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) upstream: Arc<Upstream>,
    served: Served,
    /// Our public URL, without a slash at its end.
    public_url: String,
    /// `maxTimeoutSeconds`: a call is settled once its API has answered, so a payment must last that long.
    offer_timeout_secs: u64,
    runs: Mutex<HashMap<RunKey, watch::Receiver<Phase>>>,
    tasks: TaskTracker,
}

/// A payment, and what it is presented for.
type RunKey = (String, Hash);

/// How far a call is, for those who wait for it here.
#[derive(Clone)]
pub(super) enum Phase {
    /// Its row is being looked for.
    Looking,
    /// Its API is being asked: nobody but its payer can have the payment.
    Executing,
    /// The payment may be public from here on.
    Settling,
    Over(Arc<Concluded>),
}

/// How a call ended.
pub(super) struct Concluded {
    pub(super) outcome: Outcome,
    /// How far it was when it was looked for.
    pub(super) found: Found,
    /// What its payer has shown.
    pub(super) proofs: Proofs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nobody had settled it.
    Early,
    /// It was being settled, or had been.
    Late,
}

pub(super) enum Outcome {
    Settled(Held, Box<SettleResponse>),
    /// The API's answer is none that is paid for.
    Unsettled(Held),
    /// The payment was not taken.
    Refused(Unpaid),
    Failed(CallError),
}

/// A call to be made once.
pub(super) struct Job {
    pub(super) presented: Presented,
    pub(super) api: Arc<Api>,
    pub(super) request: ApiRequest,
}

impl Desk {
    pub(crate) fn new(
        payments: Payments,
        rows: Arc<dyn Rows>,
        upstream: Arc<Upstream>,
        offer_timeout_secs: u64,
        tasks: TaskTracker,
    ) -> Self {
        Self {
            served: Served::by(Arc::clone(&payments.facilitator)),
            facilitator: payments.facilitator,
            remembers: payments.remembers,
            rows,
            clock: payments.clock,
            upstream,
            public_url: payments.public_url.as_str().trim_end_matches('/').to_owned(),
            offer_timeout_secs,
            runs: Mutex::default(),
            tasks,
        }
    }

    /// Answers a call that costs something. It goes on when its caller does not wait any more.
    pub(in crate::call) async fn call(
        self: &Arc<Self>,
        api: Arc<Api>,
        price: &Price,
        mut request: ApiRequest,
    ) -> Result<ApiAnswer, CallError> {
        let carried = take(&mut request.headers)?;
        request.paid = false;
        let url = format!("{}/relay/{}{}", self.public_url, api.id, request.path);
        let offers = self.served.offers(price, self.offer_timeout_secs).await?;
        let Some(payment) = &carried.payment else { return bill(url, &offers, None) };
        let resource = ResourceInfo { url: url.clone(), description: None, mime_type: None };
        let fingerprint = fingerprint(api.id.as_str(), &request);
        let presented = match Presented::read(payment, carried.claim(), &offers, &resource, fingerprint) {
            Ok(presented) => presented,
            Err(unpaid) => return bill(url, &offers, Some(&unpaid)),
        };
        let (proofs, dialect) = (presented.proofs, payment.dialect());
        let (concluded, early) = self.attend(Job { presented, api, request }).await?;
        match &concluded.outcome {
            Outcome::Refused(unpaid) => bill(url, &offers, Some(unpaid)),
            Outcome::Failed(error) => Err(error.clone()),
            Outcome::Unsettled(held) => Ok(held.answer(None, false)),
            Outcome::Settled(held, settlement) => {
                if !early && !proofs.show(&concluded.proofs) {
                    return Err(CallError::ProofRequired);
                }
                Ok(held.answer(
                    Some((dialect, &in_dialect(settlement, dialect))),
                    concluded.found == Found::Late,
                ))
            }
        }
    }

    /// Waits for the call that a payment pays for; makes it if nobody here does. With whether it was asked for before the
    /// payment can have been public.
    async fn attend(self: &Arc<Self>, job: Job) -> Result<(Arc<Concluded>, bool), CallError> {
        let key = (row::key(&job.presented.id), job.presented.fingerprint);
        let (mut phase, joined) = {
            let mut runs = self.runs();
            if let Some(phase) = runs.get(&key) {
                (phase.clone(), phase.borrow().clone())
            } else {
                let (sender, phase) = watch::channel(Phase::Looking);
                runs.insert(key.clone(), phase.clone());
                let desk = Arc::clone(self);
                self.tasks.spawn(Box::pin(desk.lead(key, job, sender)));
                (phase, Phase::Looking)
            }
        };
        let over = phase.wait_for(|phase| matches!(phase, Phase::Over(_))).await;
        // A task that ended without a word was cut off by the end of the process.
        let Phase::Over(concluded) = over.map_err(|_| CallError::SettlementUnknown)?.clone() else {
            return Err(CallError::SettlementUnknown);
        };
        let early = match joined {
            Phase::Looking => concluded.found == Found::Early,
            Phase::Executing => true,
            Phase::Settling | Phase::Over(_) => false,
        };
        Ok((concluded, early))
    }

    async fn lead(self: Arc<Self>, key: RunKey, job: Job, phase: watch::Sender<Phase>) {
        let concluded = Arc::new(self.conclude(&job, &phase).await);
        // First, so that whoever comes now looks for the row, which says how it ended.
        self.runs().remove(&key);
        phase.send_replace(Phase::Over(concluded));
    }

    pub(super) fn runs(&self) -> MutexGuard<'_, HashMap<RunKey, watch::Receiver<Phase>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A settlement in the words of the version that is answered: a payment may be collected in the other one.
fn in_dialect(settlement: &SettleResponse, dialect: Dialect) -> SettleResponse {
    let mut settlement = settlement.clone();
    if let Ok(network) = tollwire_x402::Network::from_any_name(&settlement.network) {
        settlement.network = dialect.network(network);
    }
    settlement
}
