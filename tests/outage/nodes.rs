//! Two nodes on one Redis: what one does, the other knows; what one leaves unfinished, the other finishes.

use futures_util::future::join_all;
use http::Method;
use serde_json::json;
use std::time::{Duration, Instant};
use tollwire_testkit::evm::Anvil;
use tollwire_testkit::feed::{Message, Mode, SampleFeed};
use tollwire_testkit::redis::RedisServer;
use tollwire_tests::agent::Agent;
use tollwire_tests::facilitator::Facilitator;
use tollwire_tests::http::{get, try_get};
use tollwire_tests::settings::{ANVIL_ADDRESS, ANVIL_KEY, Chain, Feed, Settings, Store};
use tollwire_tests::world::{World, admin, online, token};
use tollwire_tests::ws::open;

struct Pair {
    a: Facilitator,
    b: Facilitator,
    _feed: SampleFeed,
    redis: RedisServer,
}

async fn two_nodes(adjust: impl FnOnce(&mut Settings)) -> Pair {
    let redis = RedisServer::start().await.unwrap();
    let feed = SampleFeed::start(Mode::Echo).await.unwrap();
    let mut settings = Settings::dev(vec![Feed::ticks(feed.url("/"))]);
    settings.store = Store::Redis(redis.url());
    adjust(&mut settings);
    let a = Facilitator::start(settings.clone()).await;
    let b = Facilitator::start_beside(&a, settings).await;
    Pair { a, b, _feed: feed, redis }
}

fn ws(node: &Facilitator, token: &str) -> String {
    node.ws_url(&World::target(token))
}

#[tokio::test]
async fn a_session_of_one_node_is_every_nodes() {
    let nodes = two_nodes(|_| {}).await;
    let token = token(&nodes.a, 10).await;
    let mut on_b = open(&ws(&nodes.b, &token), &[]).await.unwrap();
    on_b.echo(Message::text("bought on a, opened on b")).await;
    assert_eq!(online(&nodes.a, &token).await["live_streams"], 1);
    let jti = online(&nodes.b, &token).await["jti"].as_str().unwrap().to_owned();

    let revoked = Instant::now();
    let done = admin(&nodes.a, Method::POST, &format!("/admin/sessions/{jti}/revoke"), "").await;
    assert!(done.status.is_success(), "{done:?}");
    assert_eq!(on_b.ended_within(Duration::from_secs(5)).await.code, 4001);
    assert!(revoked.elapsed() < Duration::from_millis(2_500), "revoked after {:?}", revoked.elapsed());
    assert_eq!(open(&ws(&nodes.b, &token), &[]).await.err().unwrap().status, 401);
}

#[tokio::test]
async fn a_stream_reopened_on_the_other_node_ends_here() {
    let nodes = two_nodes(|_| {}).await;
    let token = token(&nodes.a, 10).await;
    let id = [("tollwire-stream", "one-stream-on-two-nodes")];
    let mut first = open(&ws(&nodes.a, &token), &id).await.unwrap();
    let mut bystander = open(&ws(&nodes.a, &token), &[]).await.unwrap();
    first.echo(Message::text("hello")).await;
    let mut second = open(&ws(&nodes.b, &token), &id).await.unwrap();
    assert_eq!(first.ended_within(Duration::from_secs(3)).await.code, 4009);
    second.echo(Message::text("here now")).await;
    bystander.echo(Message::text("not concerned")).await;
    let online = online(&nodes.a, &token).await;
    assert_eq!((&online["units_remaining"], &online["live_streams"]), (&json!(8), &json!(2)), "{online}");
}

#[tokio::test]
async fn ten_units_are_ten_streams_over_both_nodes() {
    let nodes = two_nodes(|_| {}).await;
    let token = token(&nodes.a, 10).await;
    let (a, b) = (ws(&nodes.a, &token), ws(&nodes.b, &token));
    let opened = join_all((0..40).map(|n| open(if n % 2 == 0 { &a } else { &b }, &[]))).await;
    let (streams, refused): (Vec<_>, Vec<_>) = opened.into_iter().partition(Result::is_ok);
    assert_eq!(streams.len(), 10);
    assert!(refused.into_iter().all(|refusal| refusal.err().unwrap().status == 403));
    for node in [&nodes.a, &nodes.b] {
        let online = online(node, &token).await;
        assert_eq!(
            (&online["units_remaining"], &online["live_streams"]),
            (&json!(0), &json!(10)),
            "{online}"
        );
    }
}

#[tokio::test]
async fn a_settlement_that_a_killed_node_began_is_finished_by_the_other() {
    let anvil = Anvil::start(8453).await.unwrap();
    let mut nodes = two_nodes(|settings| {
        settings.limits = "settlement_lease = \"2s\"\nsettlement_wait = \"20s\"".into();
        settings.chain =
            Chain::Evm { network: "eip155:8453", rpc_url: anvil.url(), settlement_key: ANVIL_KEY.into() };
    })
    .await;
    let agent = Agent::new();
    anvil.mint(&agent.address(), 1_000_000).await.unwrap();
    let payment = agent.payment(&nodes.a.url("/feeds/ticks/session"), 10_000).await;
    let sent = anvil.rpc("eth_getTransactionCount", json!([ANVIL_ADDRESS, "pending"])).await.unwrap();
    anvil.set_automine(false).await.unwrap();
    let on_a = nodes.a.url("/feeds/ticks/session");
    let headers = (payment.header, payment.value.clone());
    let asked = tokio::spawn(async move { try_get(&on_a, &[(headers.0, &headers.1)]).await });
    // Killed when its transaction is out, and not in a block.
    let out = async {
        while anvil.rpc("eth_getTransactionCount", json!([ANVIL_ADDRESS, "pending"])).await.unwrap() == sent {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), out).await.expect("no transaction left");
    nodes.a.kill().await;
    assert!(asked.await.unwrap().is_err(), "the killed node answered");

    let on_b = nodes.b.url("/feeds/ticks/session");
    let both = [(payment.header, payment.value.as_str())];
    let mining = async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        anvil.set_automine(true).await.unwrap();
        anvil.mine(1).await.unwrap();
    };
    let (paid, ()) = tokio::join!(get(&on_b, &both), mining);
    assert_eq!(paid.status, 200, "{paid:?}");
    let again = get(&on_b, &both).await;
    assert_eq!(again.json()["session"]["jti"], paid.json()["session"]["jti"]);
    let moved = anvil.transfers_to(ANVIL_ADDRESS).await.unwrap();
    assert_eq!(moved.iter().map(|transfer| transfer.value).collect::<Vec<_>>(), [10_000]);
    assert_eq!(anvil.authorizations_used(&agent.address()).await.unwrap().len(), 1);
    assert_eq!(anvil.balance_of(&agent.address()).await.unwrap(), 990_000);
    let books = admin(&nodes.b, Method::GET, "/admin/ledger", "").await.json();
    assert_eq!(
        (&books["totals"]["sessions"], &books["payments_in_doubt"]),
        (&json!(1), &json!(0)),
        "{books}"
    );
    assert!(!nodes.redis.command(&["DBSIZE"]).await.unwrap().is_empty());
}
