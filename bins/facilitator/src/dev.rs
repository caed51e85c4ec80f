//! `facilitator dev`: a server on the dev chain with a sample feed.

use crate::failure::Failure;
use crate::wiring::{Blueprint, Node, new_keys};
use crate::{sample, say};
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
use tollwire_ops::listener::{Limits, Listener};
use tollwire_ops::shutdown::Signals;

use tollwire_proxy::{FeedRoute, MAX_STREAM, ProxyConfig};
use tollwire_settlement::dev::{self, DevChain};
use tollwire_settlement::{Allowlist, Chain, SettlerConfig};
use tollwire_x402::Usdc;
use url::Url;

/// The sample feed's id.
pub(crate) const FEED: &str = "ticks";

/// A node on the dev chain, served on loopback; also what the demo plays on.
pub(crate) struct DevNode {
    pub(crate) node: Node,
    pub(crate) chain: Arc<DevChain>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) url: Url,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

/// What the sample feed is sold at.
pub(crate) struct Offer {
    pub(crate) price: Usdc,
    pub(crate) deposit_units: Vec<u64>,
    pub(crate) max_stream: Duration,
}

/// Starts a node with play money, a ledger in memory, a key of its own and the sample feed.
pub(crate) async fn start(listen: SocketAddr, tick: Duration, offer: Offer) -> Result<DevNode, Failure> {
    if !listen.ip().is_loopback() {
        return Err(Failure::Start(format!(
            "{listen} is not loopback: the dev chain serves anybody for play money"
        )));
    }
    let upstream = sample::start(tick).await?;
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
        keys: new_keys(&url)?,
        allowlist: Allowlist::dev_only(),
        proxy: ProxyConfig::default(),
        settlement_lease: SettlerConfig::default().lease,
        feed_store: None,
    }
    .build()?;
    let mut route = FeedRoute::new(
        FEED.parse().map_err(Failure::start)?,
        format!("ws://{upstream}/").parse().map_err(Failure::start)?,
    );
    route.max_stream = offer.max_stream;
    let feed = Feed {
        route,
        description: "Sample ticks".into(),
        price: offer.price,
        deposit_units: offer.deposit_units,
        networks: vec![dev::NETWORK],
        provider_wallet: std::collections::BTreeMap::new(),
        dpop: tollwire_gate::feed::Dpop::default(),
    };
    node.gate.feeds().configure(vec![feed], SystemClock.now()).map_err(Failure::start)?;
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
    /// Ends it.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.node.proxy.drain(Duration::ZERO).await;
        self.node.settler.drain().await;
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Serves the sample feed until Ctrl-C and prints what to try.
pub(crate) async fn run(listen: SocketAddr) -> Result<(), Failure> {
    tollwire_ops::logging::install(&Log { filter: Some("warn".into()), json: false })?;
    let mut signals = Signals::listen()?;
    let cent = Usdc::from_atomic(10_000).unwrap_or_default();
    let offer = Offer { price: cent, deposit_units: vec![100, 10, 1], max_stream: MAX_STREAM };
    let dev = start(listen, Duration::from_millis(500), offer).await?;
    let url = dev.url.as_str().trim_end_matches('/').to_owned();
    say::line(format!("Facilitator listening on {url} (dev chain: play money; nothing is kept)"));
    say::line(format!(
        "
Feed \"{FEED}\": live ticks, $0.01 per stream. Try, in another terminal:

  see the bill          curl -i {url}/feeds/{FEED}/session
  see what is for sale  curl -s {url}/feeds
  pay and stream        cargo run --release -p tollwire-examples --example agent -- {url}/feeds/{FEED}/session

Any x402 client pays it as it is: network eip155:84532, every wallet owns 1,000 play USDC. Ctrl-C ends it."
    ));
    signals.next().await;
    dev.stop().await;
    Ok(())
}
