//! The x402 facilitator interface for plain resource servers: `/verify`, `/settle`, `/supported`.
//!
//! A payment settled here opens no session; otherwise it goes the same way as every other, so that settling is
//! idempotent across retries, dialects, processes and crashes. Refusals carry the official SDKs' strings.

mod allowlist;

pub use allowlist::Allowlist;

use crate::{Chain, Identified, Refusal, SettleError, Settled, Settler};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tollwire_ledger::model::{Fate, Intent, Payment};
use tollwire_x402::facilitator::{
    BoxFuture, Failure, Kind, Request, SettleResponse, Supported, VerifyResponse,
};
use tollwire_x402::v2::PaymentRequirements;
use tollwire_x402::{Facilitator, FeedId, Network, PaymentId, SessionId, Unit, reason, v1, v2};

/// How long `/settle` waits for an outcome before it answers `settlement_pending`. The official resource servers
/// give up after 90 s and ask once more after a pending answer.
pub const WAIT: Duration = Duration::from_secs(30);

/// The only scheme served.
const SCHEME: &str = "exact";

/// What the ledger calls the purchase of a plain payment.
const PLAIN_FEED: &str = "x402";

/// A [`Facilitator`] in process, over a [`Settler`].
#[derive(Clone)]
pub struct LocalFacilitator {
    settler: Arc<Settler>,
    allowlist: Allowlist,
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
    /// A facilitator for the payees and assets of `allowlist`.
    pub fn new(settler: Arc<Settler>, allowlist: Allowlist) -> Self {
        Self { settler, allowlist, wait: WAIT }
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
        self.allowlist.check(chain.info(), &requirements)?;
        let identified = chain.identify(&requirements, payload)?;
        Ok(Admitted { chain, payload: payload.clone(), identified, network, requirements })
    }

    async fn verify_now(&self, request: &Request) -> Result<VerifyResponse, Failure> {
        let admitted = match self.admit(request) {
            Ok(admitted) => admitted,
            Err(refusal) => return Ok(invalid(request, refusal)),
        };
        match self.settler.verify(&admitted.requirements, &admitted.payload).await.map_err(|e| failure(&e))? {
            Ok(identified) => Ok(VerifyResponse::valid(Some(identified.payer))),
            Err(refusal) => Ok(invalid(request, refusal)),
        }
    }

    async fn settle_now(&self, request: &Request) -> Result<SettleResponse, Failure> {
        let admitted = match self.admit(request) {
            Ok(admitted) => admitted,
            Err(refusal) => return Ok(refused(request, refusal)),
        };
        let intent = plain_intent(&admitted)?;
        let (id, payer) = (admitted.identified.id, admitted.identified.payer);
        let settled = self.settler.settle(&admitted.requirements, intent, id, self.wait).await;
        Ok(match settled.map_err(|e| failure(&e))? {
            Settled::Credited { payment, .. } => succeeded(request, &payment),
            Settled::Pending { tx } => pending(request, tx, payer),
            Settled::Refused(refusal) => refused(request, refusal),
            // Never said of a plain payment: those are not adopted.
            Settled::Unclaimed | Settled::Foreign => refused(
                request,
                Refusal::new(
                    reason::INVALID_PAYMENT_REQUIREMENTS,
                    "this payment was presented before for another purchase",
                )
                .by(payer),
            ),
        })
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
        Supported { kinds, extensions: Vec::new(), signers }
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
    })
}

/// A session identity that depends on nothing but the payment. No session of this name ever opens.
fn session_of(id: &PaymentId) -> Result<SessionId, tollwire_x402::Error> {
    let digest = hex::encode(Sha256::digest(id.as_str()));
    let part = |from: usize, to: usize| digest.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(12, 15), part(15, 18), part(18, 30)).parse()
}

fn succeeded(request: &Request, payment: &Payment) -> SettleResponse {
    let transaction = match &payment.fate {
        Fate::Credited(landing) => landing.tx.clone(),
        Fate::Pending | Fate::Abandoned(_) => String::new(),
    };
    let amount = match request {
        Request::V1(..) => None,
        Request::V2(..) => Some(payment.intent.amount.atomic().to_string()),
    };
    SettleResponse {
        success: true,
        error_reason: None,
        error_message: None,
        payer: Some(payment.intent.payer.clone()),
        transaction,
        network: request.network_text().into(),
        amount,
        extensions: None,
    }
}

fn pending(request: &Request, tx: Option<String>, payer: String) -> SettleResponse {
    let message = "sent, outcome not known yet; settle the same payload again, never a new one";
    let refusal = Refusal::new(reason::SETTLEMENT_PENDING, message).by(payer);
    SettleResponse { transaction: tx.unwrap_or_default(), ..refused(request, refusal) }
}

fn refused(request: &Request, refusal: Refusal) -> SettleResponse {
    SettleResponse {
        success: false,
        error_reason: Some(in_dialect(request, refusal.reason).into()),
        error_message: Some(refusal.message),
        payer: refusal.payer,
        transaction: String::new(),
        network: request.network_text().into(),
        amount: None,
        extensions: None,
    }
}

fn invalid(request: &Request, refusal: Refusal) -> VerifyResponse {
    VerifyResponse::invalid(in_dialect(request, refusal.reason), refusal.message, refusal.payer)
}

/// v1 has its own word for a wrong amount.
fn in_dialect(request: &Request, reason: &'static str) -> &'static str {
    match request {
        Request::V1(..) if reason == reason::EVM_VALUE_MISMATCH => reason::EVM_VALUE_V1,
        Request::V1(..) | Request::V2(..) => reason,
    }
}

fn failure(error: &SettleError) -> Failure {
    Failure::Unreachable(error.to_string())
}
