//! `facilitator dev`: a server on the dev chain with sample feeds.

use crate::failure::Failure;
use crate::sample;
use crate::wiring::{Blueprint, Clientele, Node};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tollwire_gate::http::GateService;
use tollwire_gate::{Feed, GateConfig};
use tollwire_ledger::memory::MemoryLedger;
use tollwire_ledger::{Clock, Ledger, SystemClock};
use tollwire_ops::config::Log;
use tollwire_ops::console;
use tollwire_ops::listener::{Limits, Listener};
use tollwire_ops::shutdown::Signals;
use tollwire_proxy::{FeedRoute, MAX_STREAM, ProxyConfig};
use tollwire_settlement::dev::{self, DevChain};
use tollwire_settlement::{Chain, SettlerConfig};
use tollwire_wiring::Keys;
use tollwire_x402::{Unit, Usdc};
use url::Url;

/// The id of the sample feed that is sold by the stream.
pub(crate) const FEED: &str = "ticks";

/// The id of the one that is sold by the message: its balance is spent while one watches.
const QUOTES: &str = "quotes";

/// A node on the dev chain, served on loopback; also what the demo plays on.
pub(crate) struct DevNode {
    pub(crate) node: Node,
    pub(crate) chain: Arc<DevChain>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) url: Url,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

/// A sample feed, and what it is sold at.
pub(crate) struct Offer {
    pub(crate) id: &'static str,
    pub(crate) description: &'static str,
    pub(crate) upstream: SocketAddr,
    pub(crate) unit: Unit,
    pub(crate) price: Usdc,
    pub(crate) deposit_units: Vec<u64>,
    pub(crate) max_stream: Duration,
    pub(crate) low_water: u64,
}

impl Offer {
    /// A feed sold by the stream, a day each, at so many atomic units.
    pub(crate) fn new(id: &'static str, upstream: SocketAddr, price: u64, deposit_units: Vec<u64>) -> Self {
        Self {
            id,
            description: "Sample ticks",
            upstream,
            unit: Unit::Stream,
            price: Usdc::from_atomic(price).unwrap_or_default(),
            deposit_units,
            max_stream: MAX_STREAM,
            low_water: 1,
        }
    }

    fn feed(self) -> Result<Feed, Failure> {
        let upstream = format!("ws://{}/", self.upstream).parse().map_err(Failure::start)?;
        let mut route = FeedRoute::new(self.id.parse().map_err(Failure::start)?, upstream);
        (route.unit, route.max_stream, route.low_water) = (self.unit, self.max_stream, self.low_water);
        Ok(Feed {
            route,
            description: self.description.into(),
            price: self.price,
            deposit_units: self.deposit_units,
            networks: vec![dev::NETWORK],
            provider_wallet: std::collections::BTreeMap::new(),
            dpop: tollwire_gate::feed::Dpop::default(),
            paused: false,
        })
    }
}

/// Starts a node with play money, a ledger in memory, a key of its own and these feeds.
pub(crate) async fn start(listen: SocketAddr, offers: Vec<Offer>) -> Result<DevNode, Failure> {
    if !listen.ip().is_loopback() {
        return Err(Failure::Start(format!(
            "{listen} is not loopback: the dev chain serves anybody for play money"
        )));
    }
    let listener = Listener::bind(listen, Limits::default()).await?;
    let address = listener.local_addr()?;
    let url: Url = format!("http://{address}").parse().map_err(Failure::start)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new(Arc::clone(&clock)));
    let chain = Arc::new(DevChain::new(Arc::clone(&clock)));
    let settled_on: Arc<dyn Chain> = Arc::<DevChain>::clone(&chain);
    let node = Blueprint {
        config: GateConfig::new(url.clone()),
        ledger: Arc::clone(&ledger),
        alone: true,
        chains: vec![settled_on],
        clock,
        keys: Keys::fresh(&url)?,
        clientele: Clientele::dev_only(),
        proxy: ProxyConfig::default(),
        settlement_lease: SettlerConfig::default().lease,
        failed_payments: SettlerConfig::default().failures_per_payer,
        feed_store: None,
        backup: None,
        payouts: SettlerConfig::default().payouts,
        payout_every: None,
    }
    .build()?;
    let feeds = offers.into_iter().map(Offer::feed).collect::<Result<Vec<_>, _>>()?;
    node.gate.feeds().configure(feeds, SystemClock.now()).map_err(Failure::start)?;
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    tasks.spawn(listener.serve(
        GateService::new(Arc::clone(&node.gate)),
        stop.clone(),
        Duration::from_secs(1),
    ));
    Ok(DevNode { node, chain, ledger, url, stop, tasks })
}

impl DevNode {
    /// Where sessions of a feed are bought.
    pub(crate) fn session_url(&self, feed: &str) -> String {
        format!("{}feeds/{feed}/session", self.url)
    }

    /// Ends it.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.node.proxy.drain(Duration::ZERO).await;
        self.node.settler.drain().await;
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Serves the sample feeds until Ctrl-C and prints what to try.
pub(crate) async fn run(listen: SocketAddr) -> Result<(), Failure> {
    tollwire_ops::logging::install(&Log { filter: Some("warn".into()), json: false })?;
    let mut signals = Signals::listen()?;
    let ticks = sample::start(Duration::from_millis(500)).await?;
    let quotes = sample::start(Duration::from_millis(100)).await?;
    // A cent per stream, and a cent per message.
    let ticks = Offer::new(FEED, ticks, 10_000, vec![100, 10, 1]);
    let quotes = Offer { unit: Unit::Message, low_water: 5, ..Offer::new(QUOTES, quotes, 10_000, vec![10]) };
    let dev = start(listen, vec![ticks, quotes]).await?;
    let url = dev.url.as_str().trim_end_matches('/').to_owned();
    console::line(format!("Facilitator listening on {url} (dev chain: play money; nothing is kept)"));
    console::line(format!(
        "
Feed \"{FEED}\": live ticks, $0.01 per stream. Feed \"{QUOTES}\": the same, $0.01 per message, ten at a time.
Try, in another terminal:

  see the bill          curl -i {url}/feeds/{FEED}/session
  see what is for sale  curl -s {url}/feeds
  pay and stream        cargo run --release -p tollwire-examples --example agent -- {url}/feeds/{FEED}/session
  pay, run dry, pay on  cargo run --release --bin tollwire -- stream {url}/feeds/{QUOTES} --max 0.20 --key random

Any x402 client pays it as it is: network eip155:84532, every wallet owns 1,000 play USDC. Ctrl-C ends it."
    ));
    signals.next().await;
    dev.stop().await;
    Ok(())
}
