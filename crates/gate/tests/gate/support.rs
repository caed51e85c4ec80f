//! A gate on the dev chain with a ledger in memory, an agent's wallet, and a way to call services without sockets.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tollwire_exact::evm::{Authorization, Domain, Payload, PrivateKey};
use tollwire_gate::feed::Origin;
use tollwire_gate::http::{AdminService, AdminToken, GateService};
use tollwire_gate::{Customers, Feed, Gate, GateConfig, Parts};
use tollwire_ledger::memory::MemoryLedger;
use tollwire_ledger::{Clock, Ledger, Timestamp};
use tollwire_proxy::{FeedRoute, Proxy, ProxyConfig};
use tollwire_session::{Algorithm, Issuer, KeySet, SigningKey};
use tollwire_settlement::dev::{DevChain, NETWORK};
use tollwire_settlement::{Allowlist, Chain, LocalFacilitator, Settler, SettlerConfig};
use tollwire_x402::facilitator::SettleResponse;
use tollwire_x402::v2::{PaymentRequired, PaymentRequirements};
use tollwire_x402::{Usdc, header, v1};
use tower_service::Service;

pub(crate) const PUBLIC_URL: &str = "http://pay.example:4020";
pub(crate) const ADMIN_TOKEN: &str = "an-admin-token-of-some-length";

/// A clock that tests move.
pub(crate) struct TestClock(AtomicU64);

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Everything of one node.
pub(crate) struct World {
    pub(crate) clock: Arc<TestClock>,
    pub(crate) chain: Arc<DevChain>,
    pub(crate) ledger: Arc<MemoryLedger>,
    pub(crate) gate: Arc<Gate>,
    signing: SigningKey,
}

impl World {
    /// A node that sells the feed `ticks` at $0.01 in deposits of 100, 10 and 1, and `other` likewise.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(adjust: impl FnOnce(&mut GateConfig)) -> Self {
        Self::keyed(key(), adjust)
    }

    /// The same, signing with this key.
    pub(crate) fn keyed(signing: SigningKey, adjust: impl FnOnce(&mut GateConfig)) -> Self {
        let clock = Arc::new(TestClock(AtomicU64::new(1_800_000_000_000)));
        let chain = Arc::new(DevChain::new(clock.clone()));
        let ledger = Arc::new(MemoryLedger::new(clock.clone()));
        let gate = node(&clock, &chain, &ledger, &signing, adjust);
        for feed in ["ticks", "other"] {
            gate.feeds().add(feed_to(feed, "ws://127.0.0.1:1/stream"), Origin::Configuration).unwrap();
        }
        Self { clock, chain, ledger, gate, signing }
    }

    /// The world through another node, on the same chain, ledger and key, that sells the same feeds.
    pub(crate) fn replica(&self) -> Self {
        self.on_chain(self.chain.clone())
    }

    /// The same on another chain.
    pub(crate) fn on_chain(&self, chain: Arc<DevChain>) -> Self {
        let gate = node(&self.clock, &chain, &self.ledger, &self.signing, |_| {});
        for entry in self.gate.feeds().list() {
            gate.feeds().add(Feed::clone(&entry.feed), entry.origin).unwrap();
        }
        let (clock, ledger) = (self.clock.clone(), self.ledger.clone());
        Self { clock, chain, ledger, gate, signing: self.signing.clone() }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.call(request(Method::GET, path)).await
    }

    pub(crate) async fn call(&self, request: Request<Full<Bytes>>) -> Reply {
        Reply::read(GateService::new(self.gate.clone()).call(request).await.unwrap()).await
    }

    pub(crate) async fn admin(&self, request: Request<Full<Bytes>>) -> Reply {
        let render = Arc::new(|| "tollwire_up 1\n".to_owned());
        let mut service = AdminService::new(self.gate.clone(), AdminToken::new(ADMIN_TOKEN), render);
        Reply::read(service.call(request).await.unwrap()).await
    }

    /// The bill of a feed.
    pub(crate) async fn bill(&self, feed: &str) -> PaymentRequired {
        let reply = self.get(&format!("/feeds/{feed}/session")).await;
        assert_eq!(reply.status, StatusCode::PAYMENT_REQUIRED);
        reply.required()
    }

    /// Pays `atomic` by v2, with whatever further headers.
    pub(crate) async fn pay(&self, feed: &str, payment: &str, more: &[(&str, &str)]) -> Reply {
        self.paid_with(feed, header::PAYMENT_SIGNATURE, payment, more).await
    }

    pub(crate) async fn paid_with(
        &self,
        feed: &str,
        name: &str,
        value: &str,
        more: &[(&str, &str)],
    ) -> Reply {
        let mut request = request(Method::GET, &format!("/feeds/{feed}/session"));
        for (name, value) in [(name, value)].iter().chain(more) {
            request.headers_mut().append(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        self.call(request).await
    }

    /// A request with headers.
    pub(crate) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
        let mut request = request(method, path);
        for (name, value) in headers {
            request.headers_mut().append(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        self.call(request).await
    }

    /// A session of `ticks` that wallet 7 bought with this many atomic USDC.
    pub(crate) async fn bought(&self, atomic: u64) -> Reply {
        let required = self.bill("ticks").await;
        let offer = offer_of(&required, atomic);
        let payment = v2(&required, &offer, &self.wallet(7).sign(&offer, self.nonce()));
        let reply = self.pay("ticks", &payment, &[]).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        reply
    }

    /// A nonce that no transfer has used.
    pub(crate) fn nonce(&self) -> u8 {
        u8::try_from(self.chain.transfers().len()).unwrap() + 1
    }

    /// The public keys, as agents get them.
    pub(crate) async fn keys(&self) -> KeySet {
        KeySet::from_jwks(&self.get("/.well-known/jwks.json").await.text).unwrap()
    }

    pub(crate) fn wallet(&self, seed: u8) -> Wallet {
        Wallet { key: PrivateKey::from_bytes(&[seed; 32]).unwrap(), now: self.clock.now().secs() }
    }
}

/// Another node on the same chain and ledger.
pub(crate) fn node(
    clock: &Arc<TestClock>,
    chain: &Arc<DevChain>,
    ledger: &Arc<MemoryLedger>,
    key: &SigningKey,
    adjust: impl FnOnce(&mut GateConfig),
) -> Arc<Gate> {
    let (clock, ledger): (Arc<dyn Clock>, Arc<dyn Ledger>) = (clock.clone(), ledger.clone());
    let chains: Vec<Arc<dyn Chain>> = vec![chain.clone()];
    let settler = Arc::new(Settler::new(ledger.clone(), chains, clock.clone(), SettlerConfig::default()));
    let mut config = GateConfig::new(PUBLIC_URL.parse().unwrap());
    adjust(&mut config);
    let proxy = Proxy::new(ledger.clone(), None, clock.clone(), ProxyConfig::default()).unwrap();
    let gate = Gate::new(Parts {
        config,
        ledger,
        customers: Customers::keyless(Arc::new(LocalFacilitator::new(
            settler.clone(),
            Allowlist::dev_only(),
        ))),
        settler,
        proxy: Arc::new(proxy),
        issuer: issuer(key),
        keys: KeySet::default(),
        clock,
        feed_store: None,
        backup: None,
    });
    Arc::new(gate.unwrap())
}

pub(crate) fn key() -> SigningKey {
    SigningKey::generate(Algorithm::EdDsa).unwrap()
}

pub(crate) fn issuer(key: &SigningKey) -> Issuer {
    Issuer::new(key.clone(), PUBLIC_URL.into(), PUBLIC_URL.into())
}

pub(crate) fn feed_to(id: &str, upstream: &str) -> Feed {
    Feed {
        route: FeedRoute::new(id.parse().unwrap(), upstream.parse().unwrap()),
        description: String::new(),
        price: "0.01".parse().unwrap(),
        deposit_units: vec![100, 10, 1],
        networks: vec![NETWORK],
        provider_wallet: std::collections::BTreeMap::new(),
        dpop: tollwire_gate::feed::Dpop::default(),
        paused: false,
    }
}

pub(crate) fn request(method: Method, path: &str) -> Request<Full<Bytes>> {
    Request::builder().method(method).uri(path).body(Full::default()).unwrap()
}

pub(crate) fn usdc(atomic: u64) -> Usdc {
    Usdc::from_atomic(atomic).unwrap()
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    async fn read(answer: http::Response<Full<Bytes>>) -> Self {
        let (parts, body) = answer.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Self { status: parts.status, headers: parts.headers, text }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}")).to_str().unwrap()
    }

    pub(crate) fn required(&self) -> PaymentRequired {
        header::decode(header::PAYMENT_REQUIRED, self.header(header::PAYMENT_REQUIRED).as_bytes()).unwrap()
    }

    pub(crate) fn legacy(&self) -> v1::PaymentRequired {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn settlement(&self) -> SettleResponse {
        header::decode(header::PAYMENT_RESPONSE, self.header(header::PAYMENT_RESPONSE).as_bytes()).unwrap()
    }

    pub(crate) fn jti(&self) -> String {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        self.json()["session"]["jti"].as_str().unwrap().to_owned()
    }

    pub(crate) fn token(&self) -> String {
        self.json()["token"].as_str().unwrap().to_owned()
    }

    /// Whether anything of a session shows.
    pub(crate) fn leaks_session(&self) -> bool {
        let everything = format!("{:?}{}", self.headers, self.text);
        ["jti", "\"token\"", "eyJ0eXAiOiJ0b2xsd2ly", "units_remaining"]
            .iter()
            .any(|sign| everything.contains(sign))
    }
}

/// An agent's wallet.
pub(crate) struct Wallet {
    pub(crate) key: PrivateKey,
    pub(crate) now: u64,
}

impl Wallet {
    /// Signs an authorization for an offer.
    pub(crate) fn sign(&self, offer: &PaymentRequirements, nonce: u8) -> Value {
        self.sign_with(offer, |authorization| authorization.nonce = [nonce; 32])
    }

    pub(crate) fn sign_with(
        &self,
        offer: &PaymentRequirements,
        adjust: impl FnOnce(&mut Authorization),
    ) -> Value {
        let mut authorization = Authorization {
            from: self.key.address(),
            to: offer.pay_to.parse().unwrap(),
            value: offer.amount,
            valid_after: self.now - 60,
            valid_before: self.now + offer.max_timeout_seconds,
            nonce: [1; 32],
        };
        adjust(&mut authorization);
        let domain = Domain::usdc(NETWORK).unwrap();
        let signature = authorization.sign(&self.key, &domain).unwrap();
        Payload::new(authorization, &signature).to_json()
    }
}

/// `PAYMENT-SIGNATURE` as official clients write it: the offer echoed, the extensions echoed.
pub(crate) fn v2(required: &PaymentRequired, offer: &PaymentRequirements, payload: &Value) -> String {
    encode(&json!({
        "x402Version": 2,
        "resource": required.resource,
        "accepted": offer,
        "payload": payload,
        "extensions": required.extensions,
    }))
}

/// The same without the quote.
pub(crate) fn v2_without_quote(offer: &PaymentRequirements, payload: &Value) -> String {
    encode(&json!({ "x402Version": 2, "accepted": offer, "payload": payload }))
}

/// `X-PAYMENT`.
pub(crate) fn v1_header(payload: &Value) -> String {
    encode(&json!({ "x402Version": 1, "scheme": "exact", "network": "base-sepolia", "payload": payload }))
}

pub(crate) fn encode(message: &Value) -> String {
    header::encode(message).unwrap()
}

/// The offer of this many atomic units.
pub(crate) fn offer_of(required: &PaymentRequired, atomic: u64) -> PaymentRequirements {
    required.accepts.iter().find(|offer| offer.amount == usdc(atomic)).unwrap().clone()
}
