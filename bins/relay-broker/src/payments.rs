//! How calls are paid for that have a price: by a facilitator over HTTP, or in process on chains of our own.

use crate::accounts::{Accounts, Plan};
use crate::config::File;
use crate::failure::Failure;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tollwire_client::{Config, HttpFacilitator};
use tollwire_gate::Gate;
use tollwire_ledger::memory::MemoryLedger;
use tollwire_ledger::{Clock, Ledger, SystemClock};
use tollwire_ops::config::Loaded;
use tollwire_ops::store::StoreUrl;
use tollwire_relay::Payments;
use tollwire_relay::call::Payees;
use tollwire_settlement::dev::DevChain;
use tollwire_settlement::{Chain, ChangingFacilitator, Reconciler, Settler, SettlerConfig};
use tollwire_wiring::{Lease, RedisDemands};
use tollwire_x402::{Facilitator, Network};
use url::Url;

/// How long a facilitator over HTTP may take for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(40);

/// How calls are paid for.
pub(crate) struct Till {
    pub(crate) payments: Payments,
    /// Told the wallets that agents of the orchestrator are paid at.
    agents: Option<Payees>,
    own: Option<Own>,
}

/// Settlement in this process.
struct Own {
    /// Who may be paid changes with the APIs.
    facilitator: Arc<ChangingFacilitator>,
    settler: Arc<Settler>,
    accounts: Option<Accounts>,
    _reconciler: Reconciler,
}

/// What a file says about payments, if it says anything.
pub(crate) async fn open(file: &Loaded<File>) -> Result<Option<Till>, Failure> {
    let value = &file.value;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (facilitator, own): (Arc<dyn Facilitator>, _) = if value.facilitator.is_some() {
        (Arc::new(over_http(file)?), None)
    } else if value.chain.is_empty() {
        return Ok(None);
    } else {
        let own = in_process(file, &clock).await?;
        (Arc::<ChangingFacilitator>::clone(&own.facilitator), Some(own))
    };
    let [payees, agents] =
        own.as_ref().map(|own| payees(&own.facilitator)).map_or([None, None], |both| both.map(Some));
    let payments = Payments {
        facilitator,
        remembers: own.is_some(),
        public_url: value.public_url.clone(),
        clock,
        payees,
        own_wallets: own.as_ref().map(Own::real_wallets).unwrap_or_default(),
        accounts: own.as_ref().and_then(Own::gate),
    };
    Ok(Some(Till { payments, agents, own }))
}

/// Told the wallets that calls pay, and those that agents are paid at: each by itself, and both are allowed.
fn payees(facilitator: &Arc<ChangingFacilitator>) -> [Payees; 2] {
    let lists = Arc::new(Mutex::new([Vec::new(), Vec::new()]));
    [0, 1].map(|place: usize| {
        let (lists, facilitator) = (Arc::clone(&lists), Arc::clone(facilitator));
        let told: Payees = Arc::new(move |wallets| {
            let mut lists = lists.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(list) = lists.get_mut(place).filter(|list| **list != wallets) else { return };
            *list = wallets;
            facilitator.allow(lists.concat());
        });
        told
    })
}

/// The facilitator that a file names; contacts nobody.
pub(crate) fn over_http(file: &Loaded<File>) -> Result<HttpFacilitator, Failure> {
    let value = &file.value;
    let url = value.facilitator.as_ref().map(tollwire_ops::config::MaybeEnv::resolve).transpose()?;
    let mut config = Config::new([]);
    (config.tries, config.answer_wait) = (1, ANSWER_WITHIN);
    // It is the operator's own word; `check` warns of it.
    config.allow_plain = true;
    let fail = |error: tollwire_client::Error| file.error("facilitator", error.to_string());
    let facilitator = HttpFacilitator::new(&url.unwrap_or_default(), &config).map_err(fail)?;
    Ok(match &value.facilitator_key {
        None => facilitator,
        Some(key) => facilitator.with_bearer(key.read(&file.base)?.expose()).map_err(fail)?,
    })
}

fn own(
    ledger: &Arc<dyn Ledger>,
    chains: Vec<Arc<dyn Chain>>,
    clock: &Arc<dyn Clock>,
    config: SettlerConfig,
    (plan, public_url): (Option<Plan>, &Url),
) -> Result<Own, Failure> {
    let settler = Arc::new(Settler::new(Arc::clone(ledger), chains, Arc::clone(clock), config));
    let accounts = plan.map(|plan| plan.open(public_url, ledger, &settler, clock)).transpose()?;
    let reconciler = settler.spawn_reconciler();
    let facilitator = Arc::new(ChangingFacilitator::new(Arc::clone(&settler)));
    Ok(Own { facilitator, settler, accounts, _reconciler: reconciler })
}

impl Own {
    /// The wallets of the chains that settle here.
    fn wallets(&self, real: bool) -> BTreeMap<Network, String> {
        let chains = self.settler.chains().iter().map(|chain| chain.info());
        let wanted = chains.filter(|info| !real || !info.is_dev());
        wanted.map(|info| (info.network, info.deposit_wallet.clone())).collect()
    }

    /// Those that take real money.
    fn real_wallets(&self) -> BTreeMap<Network, String> {
        self.wallets(true)
    }

    fn gate(&self) -> Option<Arc<Gate>> {
        self.accounts.as_ref().map(|accounts| Arc::clone(&accounts.gate))
    }
}

async fn in_process(file: &Loaded<File>, clock: &Arc<dyn Clock>) -> Result<Own, Failure> {
    let value = &file.value;
    let url = match StoreUrl::of(file, &value.store)? {
        StoreUrl::File(path) => StoreUrl::File(beside(&path)),
        other => other,
    };
    let demands = RedisDemands { allow_volatile: value.allow_volatile, wait_replicas: value.wait_replicas };
    let store = tollwire_wiring::open_ledger(&url, demands, clock).await?;
    let mut config = if store.alone { SettlerConfig::named("alone") } else { SettlerConfig::default() };
    config.lease = value.limits.settlement_lease.0;
    config.failures_per_payer = value.limits.failed_payments;
    let kept_in = (!store.alone).then(|| Arc::clone(&store.ledger));
    let lease = Lease { turn: config.lease, kept_in };
    let chains = tollwire_wiring::connect(&value.chain, &file.base, &lease, clock).await?;
    own(&store.ledger, chains, clock, config, (Plan::of(file)?, &value.public_url))
}

/// The ledger's file, beside the broker's own.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".ledger");
    PathBuf::from(name)
}

impl Till {
    /// Play money, which ends with the process. Must be called within a tokio runtime.
    pub(crate) fn dev(public_url: Url) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new(Arc::clone(&clock)));
        let chains: Vec<Arc<dyn Chain>> = vec![Arc::new(DevChain::new(Arc::clone(&clock)))];
        let plan = Plan::dev(&public_url)?;
        let own = own(&ledger, chains, &clock, SettlerConfig::named("alone"), (Some(plan), &public_url))?;
        let facilitator: Arc<dyn Facilitator> = Arc::<ChangingFacilitator>::clone(&own.facilitator);
        let accounts = own.gate();
        Ok(Self {
            payments: Payments {
                facilitator,
                remembers: true,
                public_url,
                clock,
                payees: None,
                own_wallets: BTreeMap::new(),
                accounts,
            },
            agents: None,
            own: Some(own),
        })
    }

    /// How the orchestrator's jobs are paid for.
    pub(crate) fn for_jobs(&self) -> Payments {
        Payments { payees: self.agents.clone(), ..self.payments.clone() }
    }

    /// The wallets of the chains that settle here.
    pub(crate) fn own_wallets(&self) -> BTreeMap<Network, String> {
        self.own.as_ref().map(|own| own.wallets(false)).unwrap_or_default()
    }

    /// Finishes what is being settled.
    pub(crate) async fn drain(&self) {
        if let Some(own) = &self.own {
            own.settler.drain().await;
        }
    }
}
