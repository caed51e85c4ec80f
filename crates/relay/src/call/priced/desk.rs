//! Where calls are paid for: what is asked twice is done once, and its answer goes to all who asked.

use super::Price;
use super::bill::{Unpaid, bill};
use super::held::{Held, Settled};
use super::offers::Served;
use super::presented::{Hash, Presented, Proofs, fingerprint, take};
use super::recall::{Decision, Recall};
use super::sign_in::SignIns;
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
use tollwire_gate::Gate;
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
    pub(super) sign_ins: SignIns,
    /// Prepaid accounts, if there are any.
    pub(super) accounts: Option<Arc<Gate>>,
    served: Served,
    /// Our public URL, without a slash at its end.
    public_url: String,
    /// `maxTimeoutSeconds`: a call is settled once its API has answered, so a payment must last that long.
    offer_timeout_secs: u64,
    runs: Mutex<HashMap<RunKey, Running>>,
    tasks: TaskTracker,
}

/// A payment, and what it is presented for.
type RunKey = (String, Hash);

/// A call that is made here: how far it is, and whether it may be taken back.
type Running = (watch::Receiver<Phase>, Arc<Decision>);

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
    Settled(Held, Paid),
    /// The API's answer is none that is paid for.
    Unsettled(Held),
    /// The payment was not taken.
    Refused(Unpaid),
    /// The account does not suffice.
    Short,
    Failed(CallError),
}

/// What paid for a call.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Paid {
    Payment(Box<SettleResponse>),
    /// With what is left, in atomic units.
    Account {
        remaining: u64,
    },
}

impl Concluded {
    /// Whether the answer was there before it was asked for.
    pub(super) fn is_replayed(&self) -> bool {
        self.found == Found::Late
    }
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
            sign_ins: SignIns::new(
                Arc::clone(&rows),
                Arc::clone(&payments.clock),
                payments.public_url.clone(),
            ),
            rows,
            clock: payments.clock,
            upstream,
            accounts: payments.accounts,
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
        recall: &Recall,
    ) -> Result<ApiAnswer, CallError> {
        let carried = take(&mut request.headers)?;
        request.paid = false;
        if let (None, Some(token)) = (&carried.payment, &carried.session) {
            return self.on_account(token, &carried, (api, price), request, recall).await;
        }
        let url = format!("{}/relay/{}{}", self.public_url, api.id, request.path);
        let offers = self.served.offers(price, self.offer_timeout_secs).await?;
        let Some(payment) = &carried.payment else {
            return bill(url, &self.served.dated(offers).await, None);
        };
        let resource = ResourceInfo { url: url.clone(), description: None, mime_type: None };
        let fingerprint = fingerprint(api.id.as_str(), &request);
        let presented = match Presented::read(payment, carried.claim(), &offers, &resource, fingerprint) {
            Ok(presented) => presented,
            Err(unpaid) => return bill(url, &self.served.dated(offers).await, Some(&unpaid)),
        };
        let (proofs, dialect) = (presented.proofs, payment.dialect());
        let (id, payer) = (api.id.clone(), presented.payer.clone());
        let (concluded, early) = self.attend(Job { presented, api, request }, recall).await?;
        match &concluded.outcome {
            Outcome::Refused(unpaid) => bill(url, &self.served.dated(offers).await, Some(unpaid)),
            Outcome::Failed(error) => Err(error.clone()),
            Outcome::Unsettled(held) => Ok(held.answer(None, false)),
            Outcome::Short | Outcome::Settled(_, Paid::Account { .. }) => Err(CallError::CannotBePaid),
            Outcome::Settled(held, Paid::Payment(settlement)) => {
                if !early && !proofs.show(&concluded.proofs) {
                    let networks: Vec<_> = offers.iter().map(|offer| offer.network).collect();
                    self.check_sign_in(&id, carried.sign_in.as_ref(), &payer, &networks).await?;
                }
                Ok(held.answer(
                    Some(Settled::Payment(dialect, &in_dialect(settlement, dialect))),
                    concluded.is_replayed(),
                ))
            }
        }
    }

    /// Waits for the call that a payment pays for; makes it if nobody here does. With whether it was asked for before the
    /// payment can have been public.
    pub(super) async fn attend(
        self: &Arc<Self>,
        job: Job,
        recall: &Recall,
    ) -> Result<(Arc<Concluded>, bool), CallError> {
        let key = (job.presented.key.clone(), job.presented.fingerprint);
        let (mut phase, joined) = {
            let mut runs = self.runs();
            if let Some((phase, decision)) = runs.get(&key) {
                recall.join(decision);
                (phase.clone(), phase.borrow().clone())
            } else {
                let (sender, phase) = watch::channel(Phase::Looking);
                let decision = recall.begin();
                runs.insert(key.clone(), (phase.clone(), Arc::clone(&decision)));
                let desk = Arc::clone(self);
                self.tasks.spawn(Box::pin(desk.lead(key, job, sender, decision)));
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

    async fn lead(
        self: Arc<Self>,
        key: RunKey,
        job: Job,
        phase: watch::Sender<Phase>,
        decision: Arc<Decision>,
    ) {
        let concluded = Arc::new(self.conclude(&job, &phase, &decision).await);
        // First, so that whoever comes now looks for the row, which says how it ended.
        self.runs().remove(&key);
        phase.send_replace(Phase::Over(concluded));
    }

    pub(super) fn runs(&self) -> MutexGuard<'_, HashMap<RunKey, Running>> {
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
