//! Buying sessions, and what goes with them.

mod exchange;
mod fetch;
mod online;
mod resume;
mod top_up;

pub use fetch::Fetched;
pub use online::Balance;
pub(crate) use top_up::Notice;
pub use top_up::ToppedUp;

use crate::endpoint::Endpoint;
use crate::http_client::HttpClient;
use crate::keys::KeyRing;
use crate::offer::{self, Pinned};
use crate::payment::{Payment, Purpose};
use crate::session::Session;
use crate::{Budget, Config, Error, Wallet, solana, tls};
use exchange::Verdict;
pub(crate) use exchange::{cut, read_bill, refused};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tollwire_session::KeySet;
use tollwire_x402::Network;
use tollwire_x402::v2::{PaymentRequired, PaymentRequirements};

/// How many addresses one payer may buy from; it remembers each one's terms.
const FEEDS_MAX: usize = 4_096;

/// Buys sessions with one wallet, within one budget. Clones share both.
#[derive(Clone)]
pub struct Payer(Arc<Inner>);

struct Inner {
    wallet: Wallet,
    budget: Budget,
    config: Config,
    http: HttpClient,
    tls: Arc<rustls::ClientConfig>,
    keys: KeyRing,
    now: Box<dyn Fn() -> u64 + Send + Sync>,
    /// By address. Each is locked for the length of a purchase, so that two never pay where one was meant.
    feeds: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Feed>>>>,
}

/// What is remembered of an address.
#[derive(Default)]
struct Feed {
    /// What its first bill said.
    pinned: Pinned,
    /// A payment that was signed and has no known fate: it is collected before another is ever signed.
    undecided: Option<Payment>,
}

impl Payer {
    /// A payer. Its budget is not optional.
    pub fn new(wallet: Wallet, budget: Budget, config: Config) -> Result<Self, Error> {
        Self::with_clock(wallet, budget, config, || {
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
        })
    }

    /// A payer whose time is `now`: seconds since the epoch.
    pub fn with_clock(
        wallet: Wallet,
        budget: Budget,
        config: Config,
        now: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let http = HttpClient::new(&config)?;
        let tls = Arc::new(tls::config(config.roots_pem.as_deref())?);
        let (keys, feeds, now) = (KeyRing::default(), Mutex::default(), Box::new(now));
        Ok(Self(Arc::new(Inner { wallet, budget, config, http, tls, keys, now, feeds })))
    }

    /// What it may spend, and has spent.
    pub fn budget(&self) -> &Budget {
        &self.0.budget
    }

    /// Its wallet's address.
    pub fn address(&self) -> String {
        self.0.wallet.address()
    }

    /// Its configuration.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    pub(crate) fn tls(&self) -> &Arc<rustls::ClientConfig> {
        &self.0.tls
    }

    /// Seconds since the epoch.
    pub(crate) fn now(&self) -> u64 {
        (self.0.now)()
    }

    /// The keys of the facilitator that serves a session's streams; see [`KeyRing::get`].
    pub(crate) async fn keys(&self, session: &Session, again: bool) -> KeySet {
        self.0.keys.get(&self.0.http, session, again).await
    }

    /// Buys a session at an address such as `https://pay.example/feeds/ticks/session`: the first offer that fits
    /// networks, budget and the terms of the first bill.
    ///
    /// If an earlier purchase there ended undecided, that payment is collected instead; only if it turns out that it
    /// will not be taken, another is made. Dropping the future loses nothing either: the next call collects.
    pub async fn buy(&self, url: &str) -> Result<Session, Error> {
        let endpoint = Endpoint::http(url, self.0.config.allow_plain)?;
        let feed = self.feed(&endpoint)?;
        let mut feed = feed.lock().await;
        if let Some(payment) = feed.undecided.clone() {
            match self.send(&payment, None, &feed.pinned).await {
                Verdict::Paid(session) => {
                    feed.undecided = None;
                    return Ok(*session);
                }
                Verdict::Refused(_) => feed.undecided = None,
                Verdict::Unknown(error) => return Err(error),
            }
        }
        let bill = self.bill(&endpoint).await?;
        feed.pinned.pin(&bill);
        let payment = self.sign_up_to_date((endpoint, Purpose::Session), bill, &feed.pinned).await?;
        // Remembered before it leaves.
        feed.undecided = Some(payment.clone());
        let (outcome, decided) = match self.send(&payment, None, &feed.pinned).await {
            Verdict::Paid(session) => (Ok(*session), true),
            Verdict::Refused(error) => (Err(error), true),
            Verdict::Unknown(error) => (Err(error), false),
        };
        if decided {
            feed.undecided = None;
        }
        outcome
    }

    /// Collects what a payment for a session bought, once more: the same session, with a fresh token.
    pub async fn collect(&self, payment: &Payment) -> Result<Session, Error> {
        if payment.tops_up().is_some() {
            return Err(Error::Protocol("a top-up is collected by topping up its session".into()));
        }
        let pinned = self.pinned(&payment.endpoint).await?;
        match self.send(payment, None, &pinned).await {
            Verdict::Paid(session) => Ok(*session),
            Verdict::Refused(error) | Verdict::Unknown(error) => Err(error),
        }
    }

    /// Gives up the undecided payment of an address, if there is one, and hands it out: the next purchase signs
    /// another. Until [`Payment::valid_before`] the one given up may still be settled.
    pub async fn give_up(&self, url: &str) -> Result<Option<Payment>, Error> {
        let endpoint = Endpoint::http(url, self.0.config.allow_plain)?;
        let feed = self.feed(&endpoint)?;
        let payment = feed.lock().await.undecided.take();
        Ok(payment)
    }

    fn feed(&self, endpoint: &Endpoint) -> Result<Arc<tokio::sync::Mutex<Feed>>, Error> {
        let mut feeds = self.0.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        if feeds.len() >= FEEDS_MAX && !feeds.contains_key(endpoint.as_str()) {
            return Err(Error::TooManyFeeds(FEEDS_MAX));
        }
        Ok(feeds.entry(endpoint.as_str().to_owned()).or_default().clone())
    }

    async fn pinned(&self, endpoint: &Endpoint) -> Result<Pinned, Error> {
        let feed = self.feed(endpoint)?;
        let pinned = feed.lock().await.pinned.clone();
        Ok(pinned)
    }

    /// Signs the first offer that fits, and tells who wants to know. Asks nobody: an offer on Solana must hint at a
    /// blockhash.
    fn sign(
        &self,
        target: (Endpoint, Purpose),
        bill: PaymentRequired,
        pinned: &Pinned,
    ) -> Result<Payment, Error> {
        let chosen = self.choose(&bill, pinned)?;
        let blockhash = solana::hinted(&chosen);
        self.finish(target, bill, chosen, blockhash)
    }

    /// The same, and asks the configured Solana node where that is needed.
    pub(crate) async fn sign_up_to_date(
        &self,
        target: (Endpoint, Purpose),
        bill: PaymentRequired,
        pinned: &Pinned,
    ) -> Result<Payment, Error> {
        let chosen = self.choose(&bill, pinned)?;
        let blockhash = solana::blockhash(&self.0.http, &self.0.config, &chosen).await?;
        self.finish(target, bill, chosen, blockhash)
    }

    fn choose(&self, bill: &PaymentRequired, pinned: &Pinned) -> Result<PaymentRequirements, Error> {
        let Inner { wallet, budget, config, .. } = &*self.0;
        let networks: Vec<_> =
            config.networks.iter().copied().filter(|network| wallet.pays_on(*network)).collect();
        offer::choose(bill, &networks, pinned, budget).cloned()
    }

    fn finish(
        &self,
        target: (Endpoint, Purpose),
        bill: PaymentRequired,
        chosen: PaymentRequirements,
        blockhash: Option<[u8; 32]>,
    ) -> Result<Payment, Error> {
        let Inner { wallet, budget, config, .. } = &*self.0;
        // What cannot be signed must not count as spent.
        if matches!(chosen.known_network(), Some(Network::Solana(_))) && blockhash.is_none() {
            return Err(Error::NoOffer("it hints at no blockhash"));
        }
        budget.spend(chosen.amount)?;
        tracing::debug!(amount = %chosen.amount, network = chosen.network, "signing a payment");
        let payment = Payment::sign(wallet, target, bill, chosen, self.now(), blockhash)?;
        if let Some(signed) = &config.on_signed {
            signed.tell(&payment)?;
        }
        Ok(payment)
    }
}

impl fmt::Debug for Payer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payer")
            .field("address", &self.address())
            .field("budget", &self.0.budget)
            .finish_non_exhaustive()
    }
}
