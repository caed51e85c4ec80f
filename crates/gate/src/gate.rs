//! The gate itself: what it is made of, and its keys.

use crate::caps::{Limiter, Pass};
use crate::config::GateConfig;
use crate::customers::Customers;
use crate::error::Error;
use crate::feed::{FeedRegistry, FeedStore};
use crate::keys::Keys;
use crate::settlements::Heads;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use tollwire_ledger::{Backup, Clock, Ledger};
use tollwire_proxy::Proxy;
use tollwire_session::{Issuer, KeySet, Verifier};
use tollwire_settlement::Settler;
use tollwire_x402::SessionId;

/// How far the clocks of replicas may differ when they read each other's tokens.
pub const TOKEN_LEEWAY: Duration = Duration::from_secs(30);

/// What a gate is built from.
pub struct Parts {
    /// Settings.
    pub config: GateConfig,
    /// Payments and balances.
    pub ledger: Arc<dyn Ledger>,
    /// Settles payments for sessions; its chains are those feeds can be sold on.
    pub settler: Arc<Settler>,
    /// Whom `/verify`, `/settle` and `/supported` answer, and by what.
    pub customers: Customers,
    /// Opens streams.
    pub proxy: Arc<Proxy>,
    /// Signs session tokens.
    pub issuer: Issuer,
    /// Public keys of tokens still in use that the issuer's key did not sign.
    pub keys: KeySet,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Keeps feeds of the admin API over restarts; without one they last until the process ends.
    pub feed_store: Option<Arc<dyn FeedStore>>,
    /// Copies the ledger's store on demand of the admin API; only a store in a file can.
    pub backup: Option<Arc<dyn Backup>>,
}

/// The one flow: quote, pay, admit; and what an operator sees of it. Knows no HTTP server and no framework.
pub struct Gate {
    pub(crate) config: GateConfig,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) settler: Arc<Settler>,
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) verifier: Verifier,
    pub(crate) feed_store: Option<Arc<dyn FeedStore>>,
    pub(crate) backup: Option<Arc<dyn Backup>>,
    /// Held while one feed is changed and kept.
    pub(crate) feed_changes: tokio::sync::Mutex<()>,
    pub(crate) heads: Heads,
    customers: RwLock<Arc<Customers>>,
    pub(crate) overview: crate::overview::Kept,
    feeds: FeedRegistry,
    keys: RwLock<Arc<Keys>>,
    limiter: Arc<Limiter>,
    draining: AtomicBool,
    /// Sessions whose end was begun here and waits for their streams; the sweeper looks after them.
    closing: Mutex<BTreeSet<SessionId>>,
}

impl Gate {
    /// A gate without feeds.
    pub fn new(parts: Parts) -> Result<Self, Error> {
        let (name, audience) = (parts.issuer.issuer().to_owned(), parts.issuer.audience().to_owned());
        let (keys, public) = Keys::new(parts.issuer, parts.keys, None)?;
        let chains = parts.settler.chains().iter().map(|chain| chain.info().clone()).collect();
        Ok(Self {
            feeds: FeedRegistry::new(chains, parts.config.offer_timeout),
            limiter: Limiter::new(parts.config.caps),
            draining: AtomicBool::new(false),
            closing: Mutex::default(),
            verifier: Verifier::new(public, name, audience, TOKEN_LEEWAY),
            keys: RwLock::new(Arc::new(keys)),
            config: parts.config,
            ledger: parts.ledger,
            settler: parts.settler,
            customers: RwLock::new(Arc::new(parts.customers)),
            heads: Heads::default(),
            overview: crate::overview::Kept::default(),
            proxy: parts.proxy,
            clock: parts.clock,
            feed_store: parts.feed_store,
            backup: parts.backup,
            feed_changes: tokio::sync::Mutex::new(()),
        })
    }

    /// The feeds it sells.
    pub fn feeds(&self) -> &FeedRegistry {
        &self.feeds
    }

    /// Its settings.
    pub fn config(&self) -> &GateConfig {
        &self.config
    }

    /// Signs with another key from now on. `keys` are the public keys that stay good beside it; quotes and sign-in
    /// challenges of the last keys are still recognised.
    pub fn rotate(&self, issuer: Issuer, keys: KeySet) -> Result<(), Error> {
        let streams = Arc::new(issuer.clone());
        let (next, public) = Keys::new(issuer, keys, Some(&self.keys()))?;
        self.proxy.set_issuer(Some(streams));
        self.verifier.replace_keys(public);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        Ok(())
    }

    /// Serves these customers from now on. What was counted for an account in this process is counted anew; what stands
    /// in the ledger stays.
    pub fn set_customers(&self, customers: Customers) {
        *self.customers.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(customers);
    }

    pub(crate) fn customers(&self) -> Arc<Customers> {
        Arc::clone(&self.customers.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Says `/readyz` no from now on, so that nobody sends new agents here. Serving goes on; whoever shuts down
    /// drains the settler and the proxy next.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(crate) fn closing(&self) -> MutexGuard<'_, BTreeSet<SessionId>> {
        self.closing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A pass for work that costs more than a look-up.
    pub(crate) fn pass(&self, address: Option<IpAddr>) -> Result<Pass, Error> {
        self.limiter.pass(address).ok_or(Error::Busy)
    }
}

/// Fresh random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| Error::Random)?;
    Ok(bytes)
}
