//! The sale of sessions in process: a gate on the dev chain and an embedded ledger. On Base, `EvmChain` of
//! `tollwire-settlement-evm` stands in the place of `DevChain`, and nothing else changes.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::HeaderValue;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tollwire_gate::feed::Dpop;
use tollwire_gate::http::GateService;
use tollwire_gate::{Customers, Feed, Gate, GateConfig, Parts};
use tollwire_ledger::embedded::EmbeddedLedger;
use tollwire_ledger::{Clock, Ledger, SystemClock};
use tollwire_middleware_axum::{Accept, Verifier};
use tollwire_proxy::{FeedRoute, Proxy, ProxyConfig};
use tollwire_session::{Algorithm, Issuer, KeySet, SigningKey};
use tollwire_settlement::dev::{DevChain, NETWORK};
use tollwire_settlement::{Allowlist, Chain, LocalFacilitator, Reconciler, Settler, SettlerConfig};
use tollwire_x402::{StreamId, Unit, header};
use tower_service::Service as _;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The feed that is sold.
pub(crate) const FEED: &str = "ticks";

/// Messages of one deposit.
const DEPOSIT: u64 = 10;

/// Sells sessions.
pub(crate) struct Shop {
    gate: Arc<Gate>,
    ledger: Arc<dyn Ledger>,
    url: String,
    jwks: String,
    /// Finishes payments whose fate was not known when a request gave up on them.
    _reconciler: Reconciler,
}

impl Shop {
    /// A shop at an address, with its books in a file.
    pub(crate) fn open(url: &str, file: &Path) -> Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ledger: Arc<dyn Ledger> = Arc::new(EmbeddedLedger::open(file, Arc::clone(&clock))?);
        let chains: Vec<Arc<dyn Chain>> = vec![Arc::new(DevChain::new(Arc::clone(&clock)))];
        let config = SettlerConfig::named("alone");
        let settler = Arc::new(Settler::new(Arc::clone(&ledger), chains, Arc::clone(&clock), config));
        // A provider that is to survive a restart keeps its key in a file, as it does the ledger.
        let key = SigningKey::generate(Algorithm::EdDsa)?;
        let jwks = KeySet::default().with(&key).jwks_json()?;
        let proxy = Proxy::new(Arc::clone(&ledger), None, Arc::clone(&clock), ProxyConfig::default())?;
        let gate = Gate::new(Parts {
            config: GateConfig::new(url.parse()?),
            ledger: Arc::clone(&ledger),
            customers: Customers::keyless(Arc::new(LocalFacilitator::new(
                Arc::clone(&settler),
                Allowlist::dev_only(),
            ))),
            settler: Arc::clone(&settler),
            proxy: Arc::new(proxy),
            issuer: Issuer::new(key, url.to_owned(), url.to_owned()),
            keys: KeySet::default(),
            clock: Arc::clone(&clock),
            feed_store: None,
            backup: None,
        })?;
        gate.feeds().configure(vec![feed()?], clock.now())?;
        let reconciler = settler.spawn_reconciler();
        Ok(Self { gate: Arc::new(gate), ledger, url: url.to_owned(), jwks, _reconciler: reconciler })
    }

    /// The books.
    pub(crate) fn ledger(&self) -> Arc<dyn Ledger> {
        Arc::clone(&self.ledger)
    }

    /// Reads the tokens that this shop signs.
    pub(crate) fn verifier(&self) -> Result<Verifier> {
        Ok(Verifier::builder(&self.url).accept(Accept::SessionTokens).jwks_json(&self.jwks)?)
    }

    /// Bills, sessions, top-ups, keys.
    pub(crate) fn service(&self) -> GateService {
        GateService::new(Arc::clone(&self.gate))
    }

    /// What another session costs: the header that a refused agent can pay by.
    pub(crate) async fn bill(&self) -> Option<HeaderValue> {
        let request = Request::get(format!("/feeds/{FEED}/session")).body(Full::<Bytes>::default()).ok()?;
        let answer = self.service().call(request).await.ok()?;
        answer.headers().get(header::PAYMENT_REQUIRED).cloned()
    }

    /// Waits until no stream is live, and prints where every unit and every cent went.
    pub(crate) async fn print_books(&self) -> Result<()> {
        for _ in 0..250 {
            let sessions = self.ledger.sessions(None, 100).await?;
            if sessions.iter().all(|(_, session)| session.live.is_empty()) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let report = self.gate.report().await?;
        let (units, money) = (&report.totals.units, &report.totals.usdc);
        println!(
            "\nthe books: {} session(s), {} messages bought = {} used + {} held + {} remaining",
            report.totals.sessions, units.bought, units.captured, units.held, units.remaining
        );
        println!(
            "  in atomic USDC: {} deposited = {} for the provider + {} fee + {} gas + {} unspent",
            money.deposited, money.provider_net, money.fee, money.gas, money.unspent
        );
        if report.balanced { Ok(()) } else { Err("the books do not balance".into()) }
    }
}

/// Ticks by the message, a tenth of a cent each.
fn feed() -> Result<Feed> {
    // The gate registers feeds for the proxy; this one's WebSocket is our own, and nobody dials this address.
    let mut route = FeedRoute::new(FEED.parse()?, "ws://127.0.0.1:9/".parse()?);
    route.unit = Unit::Message;
    Ok(Feed {
        route,
        description: "Ticks, served by their provider".into(),
        price: "0.001".parse()?,
        deposit_units: vec![DEPOSIT],
        networks: vec![NETWORK],
        provider_wallet: BTreeMap::new(),
        // The extractor of this example takes bearer tokens; `FeedGate::at` takes bound ones too.
        dpop: Dpop::Off,
        paused: false,
    })
}

/// A name for a stream that its agent gave none.
pub(crate) fn fresh_stream_id() -> Result<StreamId> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(digits.concat().parse()?)
}

/// Where the ledger is kept.
pub(crate) struct LedgerFile {
    path: PathBuf,
    passing: bool,
}

/// `LEDGER`, or a file that is removed at the end.
pub(crate) fn file() -> LedgerFile {
    if let Some(path) = std::env::var_os("LEDGER") {
        LedgerFile { path: path.into(), passing: false }
    } else {
        let name = format!("provider-meter-{}.db", std::process::id());
        LedgerFile { path: std::env::temp_dir().join(name), passing: true }
    }
}

impl LedgerFile {
    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for LedgerFile {
    fn drop(&mut self) {
        if self.passing {
            // It may be gone already.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
