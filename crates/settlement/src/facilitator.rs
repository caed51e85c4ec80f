//! The x402 facilitator interface for plain resource servers: `/verify`, `/settle`, `/supported`.
//!
//! A payment settled here opens no session; otherwise it goes the same way as every other, so that settling is
//! idempotent across retries, dialects, processes and crashes. Refusals carry the official SDKs' strings.

mod allowlist;
mod answer;
mod changing;
mod customer;
mod gas;
mod identifier;
mod rates;
mod terms;
mod toll;

pub use allowlist::Allowlist;
pub use changing::ChangingFacilitator;
pub use identifier::PAYMENT_IDENTIFIER;
pub use terms::{Minimum, QUOTA_WINDOW, Rate, Terms};

use answer::{failure, invalid, pending, refused, succeeded};
use customer::Customer;
use rates::Rates;
use toll::{Stop, Toll};

use crate::{Chain, Identified, Refusal, SettleError, Settled, Settler};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;
use tollwire_ledger::model::Intent;
use tollwire_x402::facilitator::{
    BoxFuture, Failure, Kind, Request, SettleResponse, Supported, VerifyResponse,
};
use tollwire_x402::v2::{Extra, PaymentRequirements};
use tollwire_x402::{Facilitator, FeedId, Network, PaymentId, SessionId, Unit, reason, v1, v2};

/// How long `/settle` waits for an outcome before it answers `settlement_pending`. The official resource servers
/// give up after 90 s and ask once more after a pending answer.
pub const WAIT: Duration = Duration::from_secs(30);

/// The only scheme served.
const SCHEME: &str = "exact";

/// What the ledger calls the purchase of a plain payment.
const PLAIN_FEED: &str = "x402";

/// A [`Facilitator`] in process, over a [`Settler`].
///
/// Each customer has one of its own ([`LocalFacilitator::for_account`]), over the same settler.
#[derive(Clone)]
pub struct LocalFacilitator {
    settler: Arc<Settler>,
    customer: Arc<Customer>,
    wait: Duration,
}

/// A request whose static part is in order.
struct Admitted<'a> {
    chain: &'a Arc<dyn Chain>,
    requirements: PaymentRequirements,
    payload: Value,
    identified: Identified,
    network: Network,
}

impl LocalFacilitator {
    /// A facilitator for the payees and assets of `allowlist`, without limits.
    pub fn new(settler: Arc<Settler>, allowlist: Allowlist) -> Self {
        Self::with_terms(settler, Terms::of(allowlist))
    }

    /// A facilitator for whoever comes without a key, under these terms.
    pub fn with_terms(settler: Arc<Settler>, terms: Terms) -> Self {
        let customer = Customer { name: None, terms, rates: Rates::default(), gauge: Arc::default() };
        Self { settler, customer: Arc::new(customer), wait: WAIT }
    }

    /// The facilitator of an account: its own terms, rates, quotas and budgets. The name stands for the account in the
    /// ledger, on all nodes.
    #[must_use]
    pub fn for_account(&self, name: &str, terms: Terms) -> Self {
        let (name, gauge) = (Some(name.to_owned()), Arc::clone(&self.customer.gauge));
        let customer = Customer { name, terms, rates: Rates::default(), gauge };
        Self { settler: Arc::clone(&self.settler), customer: Arc::new(customer), wait: self.wait }
    }

    /// The same with another wait for outcomes; the default is [`WAIT`].
    #[must_use]
    pub fn with_wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Everything that can be said without I/O: dialect, scheme, network, allowlist, terms, signature.
    fn admit(&self, request: &Request) -> Result<Admitted<'_>, Refusal> {
        same_offer(request)?;
        let scheme = match request {
            Request::V1(_, requirements) => &requirements.scheme,
            Request::V2(_, requirements) => &requirements.scheme,
        };
        if scheme != SCHEME {
            let message = format!("scheme {scheme} is not served here; use {SCHEME}");
            return Err(Refusal::new(reason::UNSUPPORTED_SCHEME, message));
        }
        let unserved = || {
            let message = format!("network {} is not served here", request.network_text());
            Refusal::new(reason::INVALID_NETWORK, message)
        };
        let (requirements, payload) = request.canonical().ok_or_else(unserved)?;
        let network = requirements.known_network().ok_or_else(unserved)?;
        let chain = self.settler.chain(network).ok_or_else(unserved)?;
        self.customer.terms.allowlist.check(chain.info(), &requirements)?;
        let identified = chain.identify(&requirements, payload)?;
        Ok(Admitted { chain, payload: payload.clone(), identified, network, requirements })
    }

    async fn verify_now(&self, request: &Request) -> Result<VerifyResponse, Failure> {
        self.customer.rates.request(&self.customer.terms).map_err(rate_limited)?;
        identifier::of(request)?;
        let admitted = match self.admit(request) {
            Ok(admitted) => admitted,
            Err(refusal) => return Ok(invalid(request, refusal)),
        };
        self.customer.rates.payer(&self.customer.terms, &admitted.identified.payer).map_err(rate_limited)?;
        let verified = self.settler.verify(&admitted.requirements, &admitted.payload).await;
        let identified = match verified.map_err(|error| failure(&error))? {
            Ok(identified) => identified,
            Err(refusal) => return Ok(invalid(request, refusal)),
        };
        let small = self.customer.too_small(&**admitted.chain, identified.amount, &identified.payer).await;
        Ok(match small.map_err(|error| failure(&error))? {
            None => VerifyResponse::valid(Some(identified.payer)),
            Some(refusal) => invalid(request, refusal),
        })
    }

    async fn settle_now(&self, request: &Request) -> Result<SettleResponse, Failure> {
        self.customer.rates.request(&self.customer.terms).map_err(rate_limited)?;
        let identifier = identifier::of(request)?;
        let admitted = match self.admit(request) {
            Ok(admitted) => admitted,
            Err(refusal) => return Ok(refused(request, refusal)),
        };
        let Identified { id, payer, .. } = &admitted.identified;
        self.customer.rates.payer(&self.customer.terms, payer).map_err(rate_limited)?;
        let intent = plain_intent(&admitted)?;
        let toll = Toll {
            customer: &self.customer,
            ledger: &**self.settler.ledger(),
            chain: &**admitted.chain,
            id,
            intent: &intent,
            identifier,
            stop: OnceLock::new(),
        };
        let terms = &admitted.requirements;
        let settled = self.settler.settle_guarded(terms, intent.clone(), id.clone(), self.wait, &toll).await;
        match settled {
            Ok(settled) => Ok(answered(request, settled, payer)),
            Err(SettleError::Barred) => match toll.stop.into_inner() {
                Some(Stop::Refused(refusal)) => Ok(refused(request, refusal)),
                Some(Stop::Failed(why)) => Err(why),
                None => Err(failure(&SettleError::Barred)),
            },
            Err(error) => Err(failure(&error)),
        }
    }

    fn kinds(&self) -> Supported {
        let mut kinds = Vec::new();
        let mut signers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for chain in self.settler.chains() {
            let info = chain.info();
            // EVM resource servers know the token's name and version themselves; a Solana one needs `feePayer`.
            let (family, extra) = match info.network {
                Network::Eip155(_) => ("eip155:*", None),
                Network::Solana(_) => ("solana:*", Some(info.offer_extra.clone())),
            };
            let kind = |version, network: String| Kind {
                x402_version: version,
                scheme: SCHEME.into(),
                network,
                extra: extra.clone(),
            };
            kinds.push(kind(v2::VERSION, info.network.to_string()));
            kinds.extend(info.network.v1_name().map(|name| kind(v1::VERSION, name.into())));
            let known = signers.entry(family.into()).or_default();
            known.extend(chain.signers());
            known.sort();
            known.dedup();
        }
        Supported { kinds, extensions: vec![PAYMENT_IDENTIFIER.to_owned()], signers }
    }
}

impl Facilitator for LocalFacilitator {
    fn verify(&self, request: Request) -> BoxFuture<'_, Result<VerifyResponse, Failure>> {
        Box::pin(async move { self.verify_now(&request).await })
    }

    fn settle(&self, request: Request) -> BoxFuture<'_, Result<SettleResponse, Failure>> {
        Box::pin(async move { self.settle_now(&request).await })
    }

    fn supported(&self) -> BoxFuture<'_, Result<Supported, Failure>> {
        Box::pin(std::future::ready(Ok(self.kinds())))
    }

    fn hints(&self, network: Network) -> BoxFuture<'_, Extra> {
        match self.settler.chain(network) {
            Some(chain) => chain.offer_hints(),
            None => Box::pin(std::future::ready(Extra::new())),
        }
    }
}

/// The payload must answer this offer: same scheme, same network.
fn same_offer(request: &Request) -> Result<(), Refusal> {
    let ((scheme, network), (offered_scheme, offered_network)) = match request {
        Request::V1(payload, requirements) => {
            ((&payload.scheme, &payload.network), (&requirements.scheme, &requirements.network))
        }
        Request::V2(payload, requirements) => (
            (&payload.accepted.scheme, &payload.accepted.network),
            (&requirements.scheme, &requirements.network),
        ),
    };
    if scheme != offered_scheme {
        let message = format!("the payload is for scheme {scheme}, the requirements for {offered_scheme}");
        let unserved = scheme != SCHEME && offered_scheme != SCHEME;
        let reason = match (unserved, is_solana(offered_network)) {
            (true, _) => reason::UNSUPPORTED_SCHEME,
            (false, true) => reason::SVM_UNSUPPORTED_SCHEME,
            (false, false) => reason::EVM_SCHEME,
        };
        return Err(Refusal::new(reason, message));
    }
    if network != offered_network {
        let message = format!("the payload is for network {network}, the requirements for {offered_network}");
        let solana = is_solana(offered_network);
        let reason = if solana { reason::SVM_NETWORK_MISMATCH } else { reason::EVM_NETWORK_MISMATCH };
        return Err(Refusal::new(reason, message));
    }
    Ok(())
}

/// Whether a network's name, of either dialect, is that of a Solana cluster.
fn is_solana(network: &str) -> bool {
    network.starts_with("solana")
}

/// The record of a payment that opens no session. The same payment always gives the same record.
fn plain_intent(admitted: &Admitted<'_>) -> Result<Intent, Failure> {
    let info = admitted.chain.info();
    let feed: FeedId = PLAIN_FEED.parse().map_err(|error| Failure::Protocol(format!("{error}")))?;
    Ok(Intent {
        session: session_of(&admitted.identified.id)
            .map_err(|error| Failure::Protocol(format!("payment identity: {error}")))?,
        feed,
        unit: Unit::Stream,
        units: 1,
        amount: admitted.identified.amount,
        tariff: 0,
        network: admitted.network,
        chain: info.claim.clone(),
        asset: admitted.requirements.asset.clone(),
        payer: admitted.identified.payer.clone(),
        pay_to: admitted.requirements.pay_to.clone(),
        quote: None,
        claim: None,
        valid_before: admitted.identified.valid_before,
        payload: admitted.payload.to_string(),
        balance_ttl_ms: 0,
        plain: true,
        top_up: false,
        jkt: None,
        provider: None,
    })
}

/// A session identity that depends on nothing but the payment. No session of this name ever opens.
fn session_of(id: &PaymentId) -> Result<SessionId, tollwire_x402::Error> {
    let digest = hex::encode(Sha256::digest(id.as_str()));
    let part = |from: usize, to: usize| digest.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(12, 15), part(15, 18), part(18, 30)).parse()
}

fn answered(request: &Request, settled: Settled, payer: &str) -> SettleResponse {
    match settled {
        Settled::Credited { payment, .. } => succeeded(request, &payment),
        Settled::Pending { tx } => pending(request, tx, payer.to_owned()),
        Settled::Refused(refusal) => refused(request, refusal),
        // Never said of a plain payment: those are not adopted.
        Settled::Unclaimed | Settled::Foreign => {
            let message = "this payment was presented before for another purchase";
            refused(request, Refusal::new(reason::INVALID_PAYMENT_REQUIREMENTS, message).by(payer))
        }
    }
}

fn rate_limited(retry_after: Duration) -> Failure {
    Failure::TooMany { reason: reason::RATE_LIMITED, retry_after }
}
