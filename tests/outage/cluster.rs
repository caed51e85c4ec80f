//! Two facilitators on a Redis Cluster: one of its primaries dies while agents buy and stream.

use futures_util::future::join_all;
use http::Method;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tollwire_testkit::evm::Anvil;
use tollwire_testkit::feed::{Message, Mode, SampleFeed};
use tollwire_testkit::redis::RedisCluster;
use tollwire_tests::agent::Agent;
use tollwire_tests::facilitator::Facilitator;
use tollwire_tests::http::{get, try_get};
use tollwire_tests::settings::{ANVIL_ADDRESS, ANVIL_KEY, Chain, Feed, Settings, Store};
use tollwire_tests::world::{World, admin, online, token};
use tollwire_tests::ws::{open, try_open};

/// What each payment buys: ten units of one cent.
const DEPOSIT: u64 = 100_000;

async fn two_nodes(cluster: &RedisCluster, feed: &SampleFeed, chain: Chain) -> [Facilitator; 2] {
    let mut settings = Settings { chain, ..Settings::dev(vec![Feed::ticks(feed.url("/"))]) };
    settings.store = Store::Redis(cluster.url());
    settings.top = "wait_replicas = 1".into();
    settings.limits = "settlement_lease = \"2s\"".into();
    let a = Facilitator::start(settings.clone()).await;
    let b = Facilitator::start_beside(&a, settings).await;
    [a, b]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_one_node_is_every_nodes_on_a_cluster() {
    let cluster = RedisCluster::start().await.unwrap();
    let feed = SampleFeed::start(Mode::Echo).await.unwrap();
    let [a, b] = two_nodes(&cluster, &feed, Chain::Dev).await;
    // Sessions of every primary.
    for _ in 0..8 {
        let token = token(&a, 10).await;
        let mut on_b = open(&b.ws_url(&World::target(&token)), &[]).await.unwrap();
        on_b.echo(Message::text("bought on a, opened on b")).await;
        assert_eq!(online(&a, &token).await["live_streams"], 1);
        let jti = online(&b, &token).await["jti"].as_str().unwrap().to_owned();
        let done = admin(&a, Method::POST, &format!("/admin/sessions/{jti}/revoke"), "").await;
        assert!(done.status.is_success(), "{done:?}");
        assert_eq!(on_b.ended_within(Duration::from_secs(5)).await.code, 4001);
    }
    assert_eq!(admin(&a, Method::GET, "/admin/ledger", "").await.json()["balanced"], true);
}

/// What one agent was promised.
#[derive(Debug, Default)]
struct Promised {
    sessions: Vec<String>,
    tokens: Vec<String>,
    opened: u64,
    asked: u64,
    troubles: u64,
}

/// Buys ten units at one node, opens half of them at the other, buys again; a payment in doubt is presented again, never
/// made again.
async fn customer(agent: Agent, session: String, ws: String, enough: Arc<AtomicBool>) -> Promised {
    let mut promised = Promised::default();
    while !enough.load(Ordering::SeqCst) {
        let payment = agent.payment(&session, DEPOSIT).await;
        let paid = loop {
            match try_get(&session, &[(payment.header, &payment.value)]).await {
                Ok(answer) if answer.status == 200 => break answer.json(),
                Ok(answer) if answer.status != 503 && answer.status != 429 => {
                    panic!("a payment in doubt was answered with {answer:?}")
                }
                _ => promised.troubles += 1,
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        promised.sessions.push(paid["session"]["jti"].as_str().unwrap().to_owned());
        let token = paid["token"].as_str().unwrap().to_owned();
        for _ in 0..5 {
            promised.asked += 1;
            match try_open(&format!("{ws}?token={token}"), &[]).await.unwrap() {
                Ok(mut stream) => {
                    stream.read_for(Duration::from_millis(20)).await;
                    promised.opened += 1;
                }
                Err(refused) if refused.status == 503 => promised.troubles += 1,
                Err(refused) => panic!("an open was answered with {refused:?}"),
            }
        }
        promised.tokens.push(token);
    }
    promised
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_dies_loses_nothing_that_was_acknowledged() {
    let anvil = Anvil::start(8453).await.unwrap();
    let mut cluster = RedisCluster::start().await.unwrap();
    let feed = SampleFeed::start(Mode::Ticks(Duration::from_millis(50))).await.unwrap();
    let chain = Chain::Evm { network: "eip155:8453", rpc_url: anvil.url(), settlement_key: ANVIL_KEY.into() };
    let nodes = two_nodes(&cluster, &feed, chain).await;
    let enough = Arc::new(AtomicBool::new(false));
    let mut customers = Vec::new();
    for n in 0..6 {
        let agent = Agent::new();
        anvil.mint(&agent.address(), 1_000_000_000).await.unwrap();
        let (session, ws) =
            (nodes[n % 2].url("/feeds/ticks/session"), nodes[(n + 1) % 2].ws_url("/feeds/ticks/ws"));
        customers.push(tokio::spawn(customer(agent, session, ws, Arc::clone(&enough))));
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    cluster.server(0).unwrap().kill9().await.unwrap();
    cluster.settled_with(&[4, 5]).await.unwrap();
    assert_eq!(cluster.primaries().await.unwrap(), [1, 2, 3]);
    // With nobody to confirm, nothing more is bought there; the one that died comes back as the heir's replica.
    cluster.server(0).unwrap().restart().await.unwrap();
    cluster.settled_with(&[0, 4, 5]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    enough.store(true, Ordering::SeqCst);
    let promised: Vec<Promised> = join_all(customers).await.into_iter().map(Result::unwrap).collect();

    let sum = |of: fn(&Promised) -> u64| promised.iter().map(of).sum::<u64>();
    let tokens: Vec<&String> = promised.iter().flat_map(|promised| &promised.tokens).collect();
    let sessions: BTreeSet<&String> = promised.iter().flat_map(|promised| &promised.sessions).collect();
    let (opened, asked, troubles) = (sum(|p| p.opened), sum(|p| p.asked), sum(|p| p.troubles));
    eprintln!("{} sessions, {opened} streams of {asked}, {troubles} asked again", tokens.len());
    assert!(tokens.len() > 6 && troubles > 0, "the death was not noticed: {promised:?}");
    assert_eq!(sessions.len(), tokens.len(), "two payments share a session");
    let transfers = anvil.transfers_to(ANVIL_ADDRESS).await.unwrap();
    assert_eq!(transfers.len(), tokens.len(), "every transfer has its session");
    for node in &nodes {
        assert_eq!(get(&node.admin_url("/readyz"), &[]).await.status, 200);
    }
    for token in &tokens {
        assert_eq!(online(&nodes[0], token).await["active"], true);
    }
    // Holds of streams that the death cut off lapse by themselves.
    let begun = Instant::now();
    let books = loop {
        let books = admin(&nodes[0], Method::GET, "/admin/ledger", "").await.json();
        if books["totals"]["held"] == 0 && books["payments_in_doubt"] == 0 {
            break books;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{books}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    assert_eq!(books["balanced"], true, "{books}");
    assert_eq!(books["totals"]["bought"], u64::try_from(tokens.len()).unwrap() * 10, "{books}");
    // What was used in the last moments of a primary may be forgotten, in the payer's favour.
    let captured = books["totals"]["captured"].as_u64().unwrap();
    assert!(
        captured <= asked && captured > opened / 2,
        "{opened} served, {captured} charged, {asked} asked for"
    );
    let balance = admin(&nodes[1], Method::GET, "/admin/ledger/balance", "").await.json();
    assert_eq!(balance["zero"], true, "{balance}");
}
