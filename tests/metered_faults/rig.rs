//! One node that sells one upstream by message, by KiB and by second, with a fault link wherever something can fail.

use crate::stream::Stream;
use http::Method;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tollwire_testkit::feed::{Mode, SampleFeed};
use tollwire_testkit::link::FaultLink;
use tollwire_testkit::redis::RedisServer;
use tollwire_tests::agent::Agent;
use tollwire_tests::facilitator::Facilitator;
use tollwire_tests::http::{Answer, get, try_get};
use tollwire_tests::settings::{Feed, Settings, Store};
use tollwire_tests::world::admin;
use tollwire_tests::ws::{Refused, try_open};
use tollwire_x402::Unit;

/// How long units held ahead are good.
pub(crate) const LEASE: Duration = Duration::from_secs(3);
/// How much longer the store keeps them.
pub(crate) const MARGIN: Duration = Duration::from_secs(1);
/// The most units that a stream holds ahead.
pub(crate) const LEASE_UNITS: u64 = 100;
/// Until what a dead node held is free again, on a slow machine.
pub(crate) const LAPSED: Duration = Duration::from_secs(12);
/// A stream whose store is out of reach has ended by then: a lease, one more answer that does not come (2 s), slack.
pub(crate) const ENDED: Duration = Duration::from_secs(8);
/// How often the upstream sends a block.
pub(crate) const EVERY: Duration = Duration::from_millis(10);
/// Payload bytes of a block.
pub(crate) const BLOCK: usize = 600;
/// Atomic USDC per unit.
const PRICE: u64 = 10;

/// Every unit that is metered.
pub(crate) const UNITS: [Unit; 3] = [Unit::Message, Unit::Kib, Unit::Second];

/// The most that one fault can give away or take of one stream.
pub(crate) fn lease_bound(unit: Unit) -> u64 {
    match unit {
        // The seconds of a lease, and the one that has begun.
        Unit::Second => LEASE.as_secs() + 1,
        Unit::Message | Unit::Kib => LEASE_UNITS,
        Unit::Stream | Unit::Usdc => 0,
    }
}

/// A session.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) unit: Unit,
    pub(crate) token: String,
    pub(crate) jti: String,
}

/// The parts.
pub(crate) struct Rig {
    pub(crate) node: Facilitator,
    /// Between agents and the node.
    pub(crate) agents: FaultLink,
    /// Between the node and Redis.
    pub(crate) store: FaultLink,
    /// Between the node and its upstream.
    pub(crate) upstream: FaultLink,
    _feed: SampleFeed,
    /// How often the upstream sends.
    pub(crate) pace: watch::Sender<Duration>,
    pub(crate) redis: Option<RedisServer>,
    pub(crate) settings: Settings,
}

impl Rig {
    /// A node with its own file.
    pub(crate) async fn embedded() -> Self {
        Self::start(None, BLOCK, |_| {}).await
    }

    /// A node on Redis.
    pub(crate) async fn on_redis() -> Self {
        // Synced at once: the kernel must not hold back what a killed server has answered.
        let redis = RedisServer::with(&[("appendfsync", "always")]).await.unwrap();
        Self::start(Some(redis), BLOCK, |_| {}).await
    }

    pub(crate) async fn start(
        redis: Option<RedisServer>,
        block: usize,
        adjust: impl FnOnce(&mut Settings),
    ) -> Self {
        let (pace, paced) = watch::channel(EVERY);
        let feed = SampleFeed::start(Mode::Blocks(paced, block)).await.unwrap();
        let upstream = FaultLink::start(feed.address()).await.unwrap();
        let port = redis.as_ref().map_or(9, RedisServer::port);
        let store = FaultLink::start(([127, 0, 0, 1], port).into()).await.unwrap();
        let url = format!("ws://{}/stream", upstream.address());
        let mut settings = Settings::dev(UNITS.map(|unit| sold_by(unit, &url)).to_vec());
        settings.limits = format!(
            "lease = \"{}s\"\nlease_margin = \"{}s\"\nlease_units = {LEASE_UNITS}\nstall = \"2s\"",
            LEASE.as_secs(),
            MARGIN.as_secs()
        );
        if redis.is_some() {
            settings.store = Store::Redis(format!("redis://{}/0", store.address()));
        }
        adjust(&mut settings);
        let node = Facilitator::start(settings.clone()).await;
        let agents = FaultLink::start(([127, 0, 0, 1], node.port()).into()).await.unwrap();
        Self { node, agents, store, upstream, _feed: feed, pace, redis, settings }
    }

    /// The Redis it is on.
    pub(crate) fn redis(&mut self) -> &mut RedisServer {
        self.redis.as_mut().unwrap()
    }

    /// Buys units.
    pub(crate) async fn buy(&self, unit: Unit, units: u64) -> Account {
        let url = self.node.url(&format!("/feeds/{}/session", unit.as_str()));
        let paid = Agent::new().buy(&url, units * PRICE).await;
        assert_eq!(paid.status, 200, "{paid:?}");
        let body = paid.json();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        Account { unit, token: text(&body["token"]), jti: text(&body["session"]["jti"]) }
    }

    /// Tries to buy; whatever the answer is.
    pub(crate) async fn try_buy(&self, unit: Unit, units: u64) -> Answer {
        let url = self.node.url(&format!("/feeds/{}/session", unit.as_str()));
        Agent::new().buy(&url, units * PRICE).await
    }

    /// Opens a stream through the agents' link.
    pub(crate) async fn try_open(&self, account: &Account) -> Result<Stream, Refused> {
        open_at(self.agents.address().port(), account).await
    }

    pub(crate) async fn open(&self, account: &Account) -> Stream {
        self.try_open(account).await.unwrap_or_else(|refused| panic!("{refused:?}"))
    }

    /// A session of every unit with a stream that is well under way.
    pub(crate) async fn streams(&self) -> Vec<(Account, Stream)> {
        let mut streams = Vec::new();
        for unit in UNITS {
            let account = self.buy(unit, 10_000).await;
            streams.push((account.clone(), self.open(&account).await));
        }
        for (_, stream) in &streams {
            stream.reach(120).await;
        }
        streams
    }

    /// Opens again, as soon as that can be, reads a little and leaves in order.
    pub(crate) async fn serves_again(&self, account: &Account) -> Stream {
        let begun = Instant::now();
        let mut stream = loop {
            match self.try_open(account).await {
                Ok(stream) => break stream,
                Err(refused) => {
                    assert!(refused.status == 503 && begun.elapsed() < LAPSED, "{refused:?}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        };
        stream.run(20).await;
        stream.leave().await;
        stream
    }

    /// Waits until the node says that it can serve.
    pub(crate) async fn ready(&self) {
        let begun = Instant::now();
        loop {
            let answer = try_get(&self.node.admin_url("/readyz"), &[]).await;
            if answer.is_ok_and(|answer| answer.status == 200) {
                return;
            }
            assert!(begun.elapsed() < LAPSED, "not ready again");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Nothing is given and nothing is taken: an open and a payment are refused with 503, a bill is had.
    pub(crate) async fn refuses(&self, account: &Account) {
        let (opened, paid) = tokio::join!(self.try_open(account), self.try_buy(account.unit, 10_000));
        let refused = opened.err().expect("a stream was opened without a store");
        assert_eq!(refused.status, 503, "{refused:?}");
        assert_eq!(paid.status, 503, "{paid:?}");
        let bill = get(&self.node.url(&format!("/feeds/{}/session", account.unit.as_str())), &[]).await;
        assert_eq!(bill.status, 402);
    }

    /// A request of the operator's to the node.
    pub(crate) async fn admin(&self, path: &str) -> Answer {
        admin(&self.node, Method::GET, path, "").await
    }
}

/// Opens a stream at a port of this machine.
pub(crate) async fn open_at(port: u16, account: &Account) -> Result<Stream, Refused> {
    let url = format!("ws://127.0.0.1:{port}/feeds/{}/ws?token={}", account.unit.as_str(), account.token);
    let asked = Instant::now();
    let opened = try_open(&url, &[]).await.unwrap_or_else(|error| panic!("{error}"));
    opened.map(|socket| Stream::listen(socket, asked))
}

fn sold_by(unit: Unit, upstream: &str) -> Feed {
    let more = match unit {
        Unit::Message => "unit = \"message\"",
        Unit::Kib => "unit = \"kib\"",
        Unit::Second => "unit = \"second\"",
        Unit::Stream | Unit::Usdc => "",
    };
    let deposit_units = "[100000, 10000, 600, 300, 30]";
    Feed { id: unit.as_str(), price: "0.00001", deposit_units, more, ..Feed::ticks(upstream) }
}
