//! Buying sessions.

use crate::endpoint::Endpoint;
use crate::http_client::{Answer, HttpClient, request};
use crate::offer::{self, Terms};
use crate::payment::Payment;
use crate::session::{Session, settlement};
use crate::{Budget, Config, Error, Wallet, tls};
use bytes::Bytes;
use http::{Method, StatusCode};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tollwire_x402::v2::{self, PaymentRequired};
use tollwire_x402::{header, reason};

/// How many addresses one payer may buy from; it remembers each one's terms.
const FEEDS_MAX: usize = 4_096;

/// The longest text of a server's that an error repeats, in characters.
const MESSAGE_CHARS_MAX: usize = 256;

/// Buys sessions with one wallet, within one budget. Clones share both.
#[derive(Clone)]
pub struct Payer(Arc<Inner>);

struct Inner {
    wallet: Wallet,
    budget: Budget,
    config: Config,
    http: HttpClient,
    tls: Arc<rustls::ClientConfig>,
    now: Box<dyn Fn() -> u64 + Send + Sync>,
    /// By address. Each is locked for the length of a purchase, so that two never pay where one was meant.
    feeds: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Feed>>>>,
}

/// What is remembered of an address.
#[derive(Default)]
struct Feed {
    /// The terms of its first bill; empty until there was one.
    pinned: BTreeSet<Terms>,
    /// A payment that was signed and has no known fate: it is collected before another is ever signed.
    undecided: Option<Payment>,
}

/// What an answer to a payment means.
enum Verdict {
    Paid(Box<Session>),
    /// The server says that it will not take it.
    Refused(Error),
    /// Nothing is known; the payment may still be settled, or may have been.
    Unknown(Error),
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
        let feeds = Mutex::default();
        Ok(Self(Arc::new(Inner { wallet, budget, config, http, tls, now: Box::new(now), feeds })))
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

    /// Buys a session at an address such as `https://pay.example/feeds/ticks/session`: the first offer that fits
    /// networks, budget and the terms of the first bill.
    ///
    /// If an earlier purchase there ended undecided, that payment is collected instead. Dropping the future loses
    /// nothing either: the next call collects.
    pub async fn buy(&self, url: &str) -> Result<Session, Error> {
        let endpoint = Endpoint::http(url, self.0.config.allow_plain)?;
        let feed = self.feed(&endpoint)?;
        let mut feed = feed.lock().await;
        let payment = if let Some(payment) = &feed.undecided {
            payment.clone()
        } else {
            let bill = self.bill(&endpoint).await?;
            let payment = self.sign(endpoint, bill, &mut feed.pinned)?;
            // Remembered before it leaves.
            feed.undecided.insert(payment).clone()
        };
        let (outcome, decided) = match self.send(&payment).await {
            Verdict::Paid(session) => (Ok(*session), true),
            Verdict::Refused(error) => (Err(error), true),
            Verdict::Unknown(error) => (Err(error), false),
        };
        if decided {
            feed.undecided = None;
        }
        outcome
    }

    /// Collects what a payment bought, once more: the same session, with a fresh token.
    pub async fn collect(&self, payment: &Payment) -> Result<Session, Error> {
        match self.send(payment).await {
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

    /// Asks without paying.
    async fn bill(&self, endpoint: &Endpoint) -> Result<PaymentRequired, Error> {
        let request = request(Method::GET, endpoint, Bytes::new())?;
        let answer = self.0.http.send_until(&request, |answer| !answer.is_temporary()).await?;
        let Some(value) = answer.headers.get(header::PAYMENT_REQUIRED) else {
            return Err(match answer.status {
                StatusCode::PAYMENT_REQUIRED => Error::Protocol("a 402 without payment-required".into()),
                _ => answer.refusal(),
            });
        };
        let bill: PaymentRequired = header::decode(header::PAYMENT_REQUIRED, value.as_bytes())?;
        if bill.x402_version == v2::VERSION {
            Ok(bill)
        } else {
            Err(Error::Protocol("payment-required is not of x402 version 2".into()))
        }
    }

    fn sign(
        &self,
        endpoint: Endpoint,
        bill: PaymentRequired,
        pinned: &mut BTreeSet<Terms>,
    ) -> Result<Payment, Error> {
        let Inner { wallet, budget, config, now, .. } = &*self.0;
        if pinned.is_empty() {
            *pinned = offer::terms(&bill.accepts);
        }
        let chosen = offer::choose(&bill.accepts, &config.networks, pinned, budget)?.clone();
        budget.spend(chosen.amount)?;
        tracing::debug!(amount = %chosen.amount, network = chosen.network, "signing a payment");
        Payment::sign(wallet, endpoint, bill, chosen, now())
    }

    /// Sends a payment until there is an answer that decides.
    async fn send(&self, payment: &Payment) -> Verdict {
        let mut request = match request(Method::GET, &payment.endpoint, Bytes::new()) {
            Ok(request) => request,
            Err(error) => return Verdict::Unknown(error),
        };
        let headers = request.headers_mut();
        headers.insert(header::PAYMENT_SIGNATURE, payment.signature.clone());
        headers.insert(header::TOLLWIRE_CLAIM, payment.claim.clone());
        match self.0.http.send_until(&request, |answer| !is_undecided(answer)).await {
            Ok(answer) => self.judge(&answer, payment),
            Err(_) => Verdict::Unknown(Error::Undecided { transaction: None }),
        }
    }

    fn judge(&self, answer: &Answer, payment: &Payment) -> Verdict {
        if answer.status == StatusCode::OK {
            return match Session::read(answer, payment, self.0.config.allow_plain) {
                Ok(session) => Verdict::Paid(Box::new(session)),
                // It is paid for, so nothing else must be signed.
                Err(error) => Verdict::Unknown(error),
            };
        }
        let settled = settlement(answer);
        if is_undecided(answer) {
            let transaction = settled.map(|settled| settled.transaction).filter(|hash| !hash.is_empty());
            return Verdict::Unknown(Error::Undecided { transaction });
        }
        match (answer.status, settled) {
            (StatusCode::PAYMENT_REQUIRED, Some(settled)) => Verdict::Refused(Error::Refused {
                reason: cut(settled.error_reason),
                message: cut(settled.error_message),
            }),
            (StatusCode::BAD_REQUEST, _) => Verdict::Refused(answer.refusal()),
            // Refused without a word about the payment: believed once nobody can settle it any more.
            (StatusCode::PAYMENT_REQUIRED, None) if (self.0.now)() > payment.valid_before() => {
                Verdict::Refused(answer.refusal())
            }
            _ => Verdict::Unknown(answer.refusal()),
        }
    }
}

/// Whether the same payment must be sent again to learn its fate.
fn is_undecided(answer: &Answer) -> bool {
    let pending = || {
        let reason = settlement(answer).and_then(|settled| settled.error_reason);
        reason.as_deref() == Some(reason::SETTLEMENT_PENDING)
    };
    answer.is_temporary() || answer.status.is_server_error() || (!answer.status.is_success() && pending())
}

fn cut(text: Option<String>) -> String {
    text.unwrap_or_default().chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS_MAX).collect()
}

impl fmt::Debug for Payer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payer")
            .field("address", &self.address())
            .field("budget", &self.0.budget)
            .finish_non_exhaustive()
    }
}
