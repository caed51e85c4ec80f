//! Many streams of one session on two processes over one Redis: they use it to the last unit and not one more, and a
//! process that dies strands nothing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use futures_util::future::join_all;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;
use tollwire_testkit::feed::{Mode, SampleFeed};
use tollwire_testkit::redis::RedisServer;
use tollwire_tests::agent::Agent;
use tollwire_tests::facilitator::Facilitator;
use tollwire_tests::settings::{Feed, Settings, Store};
use tollwire_tests::world::online;
use tollwire_tests::ws::open;

const STREAMS: usize = 64;
const UNITS: u64 = 10_000;

struct Nodes {
    a: Facilitator,
    b: Facilitator,
    _feed: SampleFeed,
    _redis: RedisServer,
}

async fn nodes(every: Duration) -> Nodes {
    let feed = SampleFeed::start(Mode::Ticks(every)).await.unwrap();
    let redis = RedisServer::start().await.unwrap();
    let sold = Feed {
        price: "0.00001",
        deposit_units: "[10000]",
        more: "unit = \"message\"",
        ..Feed::ticks(feed.url("/stream"))
    };
    let mut settings = Settings::dev(vec![sold]);
    settings.store = Store::Redis(redis.url());
    settings.limits = "lease = \"3s\"\nlease_margin = \"1s\"".into();
    let a = Facilitator::start(settings.clone()).await;
    let b = Facilitator::start_beside(&a, settings).await;
    Nodes { a, b, _feed: feed, _redis: redis }
}

impl Nodes {
    async fn token(&self) -> String {
        let bought = Agent::new().buy(&self.a.url("/feeds/ticks/session"), 100_000).await;
        assert_eq!(bought.status, 200, "{bought:?}");
        bought.json()["token"].as_str().unwrap().to_owned()
    }

    fn node(&self, n: usize) -> &Facilitator {
        if n.is_multiple_of(2) { &self.a } else { &self.b }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_streams_on_two_nodes_share_one_balance_to_the_last_unit() {
    let nodes = nodes(Duration::from_millis(10)).await;
    let token = nodes.token().await;
    let target = format!("/feeds/ticks/ws?token={token}");
    let streams = join_all((0..STREAMS).map(|n| {
        let url = nodes.node(n).ws_url(&target);
        async move {
            let mut socket = open(&url, &[]).await.unwrap_or_else(|refused| panic!("{refused:?}"));
            let mut data = 0_u64;
            loop {
                match socket.next().await {
                    Message::Close(frame) => return (u16::from(frame.unwrap().code), data),
                    Message::Text(_) => data += 1,
                    other => panic!("{other:?}"),
                }
            }
        }
    }))
    .await;
    assert!(streams.iter().all(|(code, _)| *code == 4008), "{streams:?}");
    assert_eq!(streams.iter().map(|(_, data)| data).sum::<u64>(), UNITS, "{streams:?}");
    assert_eq!(online(&nodes.b, &token).await["units_remaining"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_node_held_can_be_used_on_the_other_to_the_last_unit() {
    let mut nodes = nodes(Duration::from_millis(2)).await;
    let token = nodes.token().await;
    let target = format!("/feeds/ticks/ws?token={token}");
    let mut dying = Vec::new();
    for _ in 0..8 {
        dying.push(open(&nodes.a.ws_url(&target), &[]).await.unwrap_or_else(|refused| panic!("{refused:?}")));
    }
    for socket in &mut dying {
        for _ in 0..60 {
            assert!(matches!(socket.next().await, Message::Text(_)));
        }
    }
    nodes.a.kill().await;
    // A lease, its margin, and some.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let left = online(&nodes.b, &token).await["units_remaining"].as_u64().unwrap();
    assert!((1..UNITS).contains(&left), "{left}");
    let mut socket =
        open(&nodes.b.ws_url(&target), &[]).await.unwrap_or_else(|refused| panic!("{refused:?}"));
    let mut data = 0_u64;
    while let Message::Text(_) = socket.next().await {
        data += 1;
    }
    assert_eq!(data, left, "nothing was stranded, and nothing is served twice");
    assert_eq!(online(&nodes.b, &token).await["units_remaining"], 0);
}
