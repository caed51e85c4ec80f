//! Prepaid accounts, sold by a gate of the broker's own.

use crate::config::{self, File};
use crate::failure::Failure;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tollwire_gate::{Customers, Feed, Gate, GateConfig, Parts, Sweeper};
use tollwire_ledger::{Clock, Ledger};
use tollwire_ops::config::Loaded;
use tollwire_proxy::{Proxy, ProxyConfig};
use tollwire_settlement::Settler;
use tollwire_wiring::Keys;
use tollwire_x402::{Network, Usdc};
use url::Url;

/// What accounts are sold as: `/feeds/prepaid/session`.
const FEED: &str = "prepaid";

/// Where they are spent.
const SPENT_AT: &str = "/api/ws/relay";

/// How often balances whose life is over are looked for.
const SWEEP_EVERY: Duration = Duration::from_mins(10);

/// What a file says about accounts, if it has any.
pub(crate) struct Plan {
    keys: Keys,
    token_ttl: Option<Duration>,
    balance_ttl: Option<Duration>,
    deposits: Vec<Usdc>,
    pay_to: BTreeMap<Network, String>,
}

/// The accounts' gate; dropping it stops what it does by itself.
pub(crate) struct Accounts {
    pub(crate) gate: Arc<Gate>,
    _sweeper: Sweeper,
}

impl Plan {
    /// Reads a file's keys.
    pub(crate) fn of(file: &Loaded<File>) -> Result<Option<Self>, tollwire_ops::Error> {
        let value = &file.value;
        let Some(token) = &value.token else { return Ok(None) };
        let prepaid = value.prepaid.clone().unwrap_or_default();
        Ok(Some(Self {
            keys: token.keys(&value.public_url, &file.base)?,
            token_ttl: Some(token.ttl.0),
            balance_ttl: Some(prepaid.balance_ttl.0),
            deposits: config::deposits(file)?,
            pay_to: prepaid.pay_to,
        }))
    }

    /// For play money: keys and accounts end with the process.
    pub(crate) fn dev(public_url: &Url) -> Result<Self, Failure> {
        let deposits = ["10", "1", "0.1"].map(str::parse).into_iter().collect::<Result<_, _>>();
        Ok(Self {
            keys: Keys::fresh(public_url)?,
            token_ttl: None,
            balance_ttl: None,
            deposits: deposits.map_err(Failure::start)?,
            pay_to: BTreeMap::new(),
        })
    }

    /// Opens the accounts of a ledger. Must be called within a tokio runtime.
    pub(crate) fn open(
        self,
        public_url: &Url,
        ledger: &Arc<dyn Ledger>,
        settler: &Arc<Settler>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Accounts, Failure> {
        let mut config = GateConfig::new(public_url.clone());
        config.token_ttl = self.token_ttl.unwrap_or(config.token_ttl);
        config.balance_ttl = self.balance_ttl.unwrap_or(config.balance_ttl);
        SPENT_AT.clone_into(&mut config.accounts_at);
        // No stream is opened by it: accounts have none.
        let proxy = Proxy::new(Arc::clone(ledger), None, Arc::clone(clock), ProxyConfig::default());
        let [issuer, _] = self.keys.issuers;
        let gate = Gate::new(Parts {
            config,
            ledger: Arc::clone(ledger),
            settler: Arc::clone(settler),
            customers: Customers::with_keys(),
            proxy: Arc::new(proxy.map_err(Failure::start)?),
            issuer,
            keys: self.keys.previous,
            clock: Arc::clone(clock),
            feed_store: None,
            backup: None,
        })
        .map_err(Failure::start)?;
        let networks = settler.chains().iter().map(|chain| chain.info().network).collect();
        let id = FEED.parse().map_err(Failure::start)?;
        let feed = Feed::account(id, public_url.clone(), &self.deposits, networks, self.pay_to);
        gate.feeds()
            .configure(vec![feed], clock.now())
            .map_err(|error| Failure::Start(format!("prepaid: {error}")))?;
        let gate = Arc::new(gate);
        let sweeper = gate.spawn_sweeper(SWEEP_EVERY);
        Ok(Accounts { gate, _sweeper: sweeper })
    }
}
