//! The end of a session: an agent or an operator closes it, its streams end on every node, and what is left goes back on
//! chain, to the payer alone and once.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tollwire_testkit::evm::Anvil;
use tollwire_testkit::feed::{Message, Mode, SampleFeed};
use tollwire_testkit::redis::RedisServer;
use tollwire_tests::agent::Agent;
use tollwire_tests::facilitator::Facilitator;
use tollwire_tests::http::{Answer, get, try_send};
use tollwire_tests::settings::{ANVIL_ADDRESS, ANVIL_KEY, Chain, Feed, Settings, Store};
use tollwire_tests::world::{World, admin};
use tollwire_tests::ws::open;

const CLAIM: &str = "a-claim-that-nobody-else-can-guess";

/// A session bought with a claim.
struct Bought {
    token: String,
    jti: String,
}

async fn buy(node: &Facilitator, agent: &Agent, atomic: u64) -> Bought {
    let url = node.url("/feeds/ticks/session");
    let payment = agent.payment(&url, atomic).await;
    let paid = get(&url, &[(payment.header, &payment.value), ("tollwire-claim", CLAIM)]).await;
    assert_eq!(paid.status, 200, "{paid:?}");
    let body = paid.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Bought { token: text(&body["token"]), jti: text(&body["session"]["jti"]) }
}

async fn delete(node: &Facilitator, bought: &Bought) -> Answer {
    let bearer = format!("Bearer {}", bought.token);
    let headers = [("authorization", bearer.as_str()), ("tollwire-claim", CLAIM)];
    try_send(Method::DELETE, &node.url("/session"), &headers, "").await.unwrap()
}

/// Asks again until nothing is under way any more.
async fn deleted(node: &Facilitator, bought: &Bought) -> Value {
    let begun = Instant::now();
    loop {
        let answer = delete(node, bought).await;
        if answer.status == 200 {
            return answer.json();
        }
        assert!(matches!(answer.status.as_u16(), 202 | 503), "{answer:?}");
        assert!(begun.elapsed() < Duration::from_secs(60), "{answer:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn shown(node: &Facilitator, jti: &str) -> Value {
    let sessions = admin(node, Method::GET, "/admin/sessions", "").await.json();
    sessions["sessions"].as_array().unwrap().iter().find(|session| session["jti"] == jti).unwrap().clone()
}

#[tokio::test]
async fn an_agent_ends_its_session_and_gets_the_rest_back() {
    let world = World::start(Mode::Echo, |_| {}).await;
    let bought = buy(&world.facilitator, &Agent::new(), 100_000).await;
    let mut stream = open(&world.ws(&bought.token), &[]).await.unwrap();
    stream.echo(Message::text("paid for")).await;

    let bearer = format!("Bearer {}", bought.token);
    let url = world.facilitator.url("/session");
    let unproven = try_send(Method::DELETE, &url, &[("authorization", bearer.as_str())], "").await.unwrap();
    assert_eq!(unproven.status, 401, "a token alone ends nothing: {unproven:?}");
    assert!(unproven.json()["extensions"]["sign-in-with-x"].is_object(), "{unproven:?}");
    stream.echo(Message::text("still here")).await;

    let begun = Instant::now();
    let (ended, answer) =
        tokio::join!(stream.ended_within(Duration::from_secs(5)), deleted(&world.facilitator, &bought));
    assert_eq!((ended.code, ended.reason.as_str()), (1000, "Session closed."));
    // A second until it is noticed, five for the last words of a peer that says none.
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(answer["state"], "refunded", "{answer}");
    assert_eq!((&answer["refund"]["units"], &answer["refund"]["amount"]), (&json!(9), &json!("83000")));
    assert_eq!(answer["refund"]["gas"], "7000");
    assert_eq!(deleted(&world.facilitator, &bought).await, answer, "asked again, the same");

    assert_eq!(open(&world.ws(&bought.token), &[]).await.err().unwrap().status, 401);
    let online = world.online(&bought.token).await;
    assert_eq!((&online["active"], &online["closed"]), (&json!(false), &json!(true)), "{online}");
    let session = shown(&world.facilitator, &bought.jti).await;
    assert_eq!((&session["closed"], &session["refunded"]), (&json!(true), &json!(9)), "{session}");
    assert_eq!(session["refunds"].as_array().unwrap().len(), 1, "{session}");
    let books = world.admin(Method::GET, "/admin/ledger", "").await.json();
    assert_eq!((&books["balanced"], &books["refunds_in_doubt"]), (&json!(true), &json!(0)), "{books}");
    assert_eq!(books["totals"]["usdc"]["refunded"], "83000", "{books}");
    assert_eq!(books["totals"]["usdc"]["refund_gas"], "7000", "{books}");
}

#[tokio::test]
async fn an_operator_closes_and_refunds_and_what_the_provider_keeps_is_not_paid_back() {
    let world = World::start(Mode::Echo, |settings| settings.top = "unspent = \"provider\"".into()).await;
    let bought = buy(&world.facilitator, &Agent::new(), 100_000).await;
    let path = |verb: &str| format!("/admin/sessions/{}/{verb}", bought.jti);
    let early = world.admin(Method::POST, &path("refund"), "").await;
    assert_eq!(early.status, 409, "{early:?}");
    let closed = world.admin(Method::POST, &path("close"), "").await;
    assert_eq!((closed.status.as_u16(), &closed.json()["state"]), (200, &json!("closed")), "{closed:?}");
    let session = shown(&world.facilitator, &bought.jti).await;
    assert_eq!((&session["expired"], &session["remaining"]), (&json!(10), &json!(0)), "{session}");
    let late = world.admin(Method::POST, &path("refund"), "").await;
    assert_eq!(late.json()["refund"], Value::Null, "nothing is left: {late:?}");

    let kept = World::start(Mode::Echo, |settings| settings.top = "unspent = \"keep\"".into()).await;
    let bought = buy(&kept.facilitator, &Agent::new(), 100_000).await;
    assert_eq!(deleted(&kept.facilitator, &bought).await["state"], "closed");
    assert_eq!(shown(&kept.facilitator, &bought.jti).await["remaining"], 10);
    let path = format!("/admin/sessions/{}/refund", bought.jti);
    let refunded = kept.admin(Method::POST, &path, "").await.json();
    assert_eq!((&refunded["state"], &refunded["refund"]["units"]), (&json!("refunded"), &json!(10)));
}

/// Two nodes on one Redis and one chain.
struct Pair {
    a: Facilitator,
    b: Facilitator,
    anvil: Anvil,
    agent: Agent,
    _feed: SampleFeed,
    _redis: RedisServer,
}

async fn pair() -> Pair {
    let redis = RedisServer::start().await.unwrap();
    let feed = SampleFeed::start(Mode::Echo).await.unwrap();
    let anvil = Anvil::start(8453).await.unwrap();
    let agent = Agent::new();
    anvil.mint(&agent.address(), 10_000_000).await.unwrap();
    let mut settings = Settings::dev(vec![Feed::ticks(feed.url("/"))]);
    settings.store = Store::Redis(redis.url());
    settings.chain =
        Chain::Evm { network: "eip155:8453", rpc_url: anvil.url(), settlement_key: ANVIL_KEY.into() };
    let a = Facilitator::start(settings.clone()).await;
    let b = Facilitator::start_beside(&a, settings).await;
    Pair { a, b, anvil, agent, _feed: feed, _redis: redis }
}

impl Pair {
    /// What came back to the agent, from the deposit wallet alone.
    async fn returned(&self) -> Vec<u64> {
        let transfers = self.anvil.transfers_to(&self.agent.address()).await.unwrap();
        let ours = transfers.iter().filter(|t| t.from.eq_ignore_ascii_case(ANVIL_ADDRESS));
        ours.map(|transfer| transfer.value).collect()
    }
}

#[tokio::test]
async fn fifty_deletes_over_two_nodes_end_every_stream_and_pay_back_once() {
    let nodes = pair().await;
    let bought = buy(&nodes.a, &nodes.agent, 1_000_000).await;
    let target = World::target(&bought.token);
    let mut on_a = open(&nodes.a.ws_url(&target), &[]).await.unwrap();
    let mut on_b = open(&nodes.b.ws_url(&target), &[]).await.unwrap();
    on_a.echo(Message::text("a")).await;
    on_b.echo(Message::text("b")).await;
    let before = nodes.anvil.balance_of(&nodes.agent.address()).await.unwrap();
    let calls = join_all((0..50).map(|n| deleted(if n % 2 == 0 { &nodes.a } else { &nodes.b }, &bought)));
    let (a, b, answers) = tokio::join!(
        on_a.ended_within(Duration::from_secs(5)),
        on_b.ended_within(Duration::from_secs(5)),
        calls
    );
    for ended in [a, b] {
        assert_eq!((ended.code, ended.reason.as_str()), (1000, "Session closed."));
    }
    let first = &answers[0];
    assert_eq!((&first["state"], &first["refund"]["units"]), (&json!("refunded"), &json!(98)), "{first}");
    assert!(answers.iter().all(|answer| answer == first), "{answers:?}");
    let amount: u64 = first["refund"]["amount"].as_str().unwrap().parse().unwrap();
    let gas: u64 = first["refund"]["gas"].as_str().unwrap().parse().unwrap();
    assert_eq!(amount + gas, 980_000);
    assert_eq!(nodes.returned().await, [amount]);
    let after = nodes.anvil.balance_of(&nodes.agent.address()).await.unwrap();
    assert_eq!(after - before, amount);
}

#[tokio::test]
async fn killed_in_the_midst_of_it_the_money_is_paid_back_once() {
    let mut nodes = pair().await;
    for round in 0..4_u64 {
        let bought = buy(&nodes.a, &nodes.agent, 1_000_000).await;
        nodes.anvil.set_automine(round % 2 == 0).await.unwrap();
        let bearer = format!("Bearer {}", bought.token);
        let url = nodes.a.url("/session");
        let asked = tokio::spawn(async move {
            let headers = [("authorization", bearer.as_str()), ("tollwire-claim", CLAIM)];
            try_send(Method::DELETE, &url, &headers, "").await
        });
        tokio::time::sleep(Duration::from_millis(20 + 60 * round)).await;
        nodes.a.crash_and_restart().await;
        drop(asked.await);
        nodes.anvil.set_automine(true).await.unwrap();
        nodes.anvil.mine(1).await.unwrap();
        // The other node knows all that matters; asked or not, it finishes what was begun.
        let answer = deleted(&nodes.b, &bought).await;
        assert_eq!(answer["state"], "refunded", "round {round}: {answer}");
        let amount: u64 = answer["refund"]["amount"].as_str().unwrap().parse().unwrap();
        let returned = nodes.returned().await;
        assert_eq!(u64::try_from(returned.len()).unwrap(), round + 1, "round {round}: {returned:?}");
        assert_eq!(returned.last(), Some(&amount), "round {round}");
    }
}
