//! From a configuration file to running parts.

mod customers;
mod feed_file;
mod feeds;
mod proxy;

pub(crate) use customers::Clientele;
pub(crate) use feed_file::FeedFile;
pub(crate) use feeds::feeds;
pub(crate) use proxy::proxy_config;

use crate::config::{self, File};
use crate::failure::Failure;
use std::sync::Arc;
use std::time::Duration;
use tollwire_gate::{FeedStore, Gate, GateConfig, Parts, Sweeper};
use tollwire_ledger::{Backup, Clock, Ledger, SystemClock};
use tollwire_ops::config::Loaded;
use tollwire_ops::store::StoreUrl;
use tollwire_proxy::{Proxy, ProxyConfig};
use tollwire_settlement::dues::Unspent;
use tollwire_settlement::{
    Chain, GasBearer, PayoutSchedule, PayoutTerms, Reconciler, Settler, SettlerConfig,
};
use tollwire_wiring::{Keys, Lease, OpenLedger, RedisDemands};

/// How often balances whose life is over are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// The running parts. Dropping it stops the background work.
pub(crate) struct Node {
    pub(crate) gate: Arc<Gate>,
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) settler: Arc<Settler>,
    _reconciler: Reconciler,
    _sweeper: Sweeper,
    _payouts: Option<PayoutSchedule>,
}

/// What a node is made of, whether from a file or by hand.
pub(crate) struct Blueprint {
    pub(crate) config: GateConfig,
    pub(crate) ledger: Arc<dyn Ledger>,
    /// This process's name towards others on the same store; `None` if it is alone with it.
    pub(crate) alone: bool,
    pub(crate) chains: Vec<Arc<dyn Chain>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keys: Keys,
    /// Whom `/verify` and `/settle` serve.
    pub(crate) clientele: Clientele,
    pub(crate) proxy: ProxyConfig,
    pub(crate) settlement_lease: Duration,
    /// Payments of one payer and hour that may come to nothing.
    pub(crate) failed_payments: u32,
    /// Keeps registered feeds over restarts.
    pub(crate) feed_store: Option<Arc<dyn FeedStore>>,
    /// Copies the store while it is in use.
    pub(crate) backup: Option<Arc<dyn Backup>>,
    pub(crate) payouts: PayoutTerms,
    /// Time between two rounds of payouts; none are made by itself without.
    pub(crate) payout_every: Option<Duration>,
}

/// Builds all parts of a file, without its feeds.
pub(crate) async fn node(file: &Loaded<File>) -> Result<Node, Failure> {
    let value = &file.value;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = store(file, &clock).await?;
    let chains = chains(file, &store, &clock).await?;
    let mut config = GateConfig::new(value.public_url.clone());
    config.token_ttl = value.token.ttl.0;
    config.balance_ttl = value.balance_ttl.0;
    config.fee_bps = value.fee_bps;
    let payouts = payout_terms(file)?;
    config.unspent = payouts.unspent;
    config.settle_wait = value.limits.settlement_wait.0;
    config.stream_limits = Arc::new(feeds::stream_limits(file));
    config.upstream_hosts.clone_from(&value.upstream_hosts);
    Blueprint {
        config,
        alone: store.alone,
        ledger: store.ledger,
        chains,
        clock,
        keys: keys(file)?,
        clientele: Clientele::of(file)?,
        proxy: proxy_config(file)?,
        settlement_lease: value.limits.settlement_lease.0,
        failed_payments: value.limits.failed_payments,
        feed_store: Some(Arc::new(FeedFile::new(file.base.join(&value.registered_feeds)))),
        backup: store.backup,
        payouts,
        payout_every: value.payout.enabled.then_some(value.payout.every.0),
    }
    .build()
}

/// The open store of a file.
pub(crate) async fn store(file: &Loaded<File>, clock: &Arc<dyn Clock>) -> Result<OpenLedger, Failure> {
    let value = &file.value;
    let demands = RedisDemands { allow_volatile: value.allow_volatile, wait_replicas: value.wait_replicas };
    Ok(tollwire_wiring::open_ledger(&StoreUrl::of(file, &value.store)?, demands, clock).await?)
}

async fn chains(
    file: &Loaded<File>,
    store: &OpenLedger,
    clock: &Arc<dyn Clock>,
) -> Result<Vec<Arc<dyn Chain>>, Failure> {
    let kept_in = (!store.alone).then(|| Arc::clone(&store.ledger));
    let lease = Lease { turn: file.value.limits.settlement_lease.0, kept_in };
    Ok(tollwire_wiring::connect(&file.value.chain, &file.base, &lease, clock).await?)
}

/// How a file has providers paid, and what of a session is theirs.
pub(crate) fn payout_terms(file: &Loaded<File>) -> Result<PayoutTerms, Failure> {
    let value = &file.value;
    Ok(PayoutTerms {
        fee_bps: value.fee_bps,
        unspent: match value.unspent {
            config::Unspent::Refund => Unspent::Refund,
            config::Unspent::Provider => Unspent::Provider,
            config::Unspent::Keep => Unspent::Keep,
        },
        threshold: value
            .payout
            .threshold
            .parse()
            .map_err(|error: tollwire_x402::Error| file.error("payout.threshold", error.to_string()))?,
        gas: match value.payout.gas {
            config::GasBearer::Operator => GasBearer::Operator,
            config::GasBearer::Provider => GasBearer::Provider,
        },
    })
}

/// What a file's tokens are signed with.
pub(crate) fn keys(file: &Loaded<File>) -> Result<Keys, tollwire_ops::Error> {
    file.value.token.keys(&file.value.public_url, &file.base)
}

/// The settler of a file alone, for commands that work on its store beside the nodes.
pub(crate) async fn settler(file: &Loaded<File>) -> Result<(Arc<dyn Ledger>, Arc<Settler>), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = store(file, &clock).await?;
    let chains = chains(file, &store, &clock).await?;
    let config = SettlerConfig {
        lease: file.value.limits.settlement_lease.0,
        payouts: payout_terms(file)?,
        ..SettlerConfig::default()
    };
    let settler = Settler::new(Arc::clone(&store.ledger), chains, clock, config);
    Ok((store.ledger, Arc::new(settler)))
}

/// The store of a file alone.
pub(crate) async fn ledger(file: &Loaded<File>) -> Result<Arc<dyn Ledger>, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Ok(store(file, &clock).await?.ledger)
}

impl Blueprint {
    /// Puts the parts together and starts the background work.
    pub(crate) fn build(self) -> Result<Node, Failure> {
        let mut settling = if self.alone { SettlerConfig::named("alone") } else { SettlerConfig::default() };
        settling.lease = self.settlement_lease;
        settling.failures_per_payer = self.failed_payments;
        settling.payouts = self.payouts;
        let settler =
            Arc::new(Settler::new(Arc::clone(&self.ledger), self.chains, Arc::clone(&self.clock), settling));
        let [tokens, streams] = self.keys.issuers;
        let proxy = Proxy::new(
            Arc::clone(&self.ledger),
            Some(Arc::new(streams)),
            Arc::clone(&self.clock),
            self.proxy,
        )
        .map_err(Failure::start)?;
        let proxy = Arc::new(proxy);
        let wait = self.config.settle_wait;
        let gate = Gate::new(Parts {
            config: self.config,
            ledger: self.ledger,
            settler: Arc::clone(&settler),
            customers: self.clientele.served_by(&settler, wait),
            proxy: Arc::clone(&proxy),
            issuer: tokens,
            keys: self.keys.previous,
            clock: self.clock,
            feed_store: self.feed_store,
            backup: self.backup,
        })
        .map_err(Failure::start)?;
        let gate = Arc::new(gate);
        let reconciler = settler.spawn_reconciler();
        let sweeper = gate.spawn_sweeper(SWEEP_EVERY);
        let payouts = self.payout_every.map(|every| settler.spawn_payouts(every));
        Ok(Node { gate, proxy, settler, _reconciler: reconciler, _sweeper: sweeper, _payouts: payouts })
    }
}

impl Node {
    /// Signs new tokens, of sessions and of streams, by these keys from now on.
    pub(crate) fn rotate(&self, keys: Keys) -> Result<(), Failure> {
        let [tokens, streams] = keys.issuers;
        self.gate.rotate(tokens, keys.previous).map_err(Failure::start)?;
        self.proxy.set_issuer(Some(Arc::new(streams)));
        Ok(())
    }
}
