//! The chain's node freezes, stops, comes back with nothing; the facilitator is told to stop while it settles.

use http::Method;
use serde_json::json;
use std::time::{Duration, Instant};
use tollwire_testkit::evm::Anvil;
use tollwire_testkit::feed::{Message, Mode, SampleFeed};
use tollwire_tests::agent::{Agent, Payment};
use tollwire_tests::facilitator::Facilitator;
use tollwire_tests::http::{Answer, get, try_get};
use tollwire_tests::settings::{ANVIL_ADDRESS, ANVIL_KEY, Chain, Feed, Settings};
use tollwire_tests::world::admin;
use tollwire_tests::ws::open;

struct World {
    anvil: Anvil,
    facilitator: Facilitator,
    agent: Agent,
}

async fn world(limits: &str) -> World {
    let anvil = Anvil::start(8453).await.unwrap();
    let agent = Agent::new();
    anvil.mint(&agent.address(), 1_000_000).await.unwrap();
    let mut settings = Settings::dev(vec![Feed::ticks("ws://127.0.0.1:9/")]);
    settings.chain =
        Chain::Evm { network: "eip155:8453", rpc_url: anvil.url(), settlement_key: ANVIL_KEY.into() };
    settings.limits = limits.into();
    World { facilitator: Facilitator::start(settings).await, anvil, agent }
}

impl World {
    fn url(&self) -> String {
        self.facilitator.url("/feeds/ticks/session")
    }

    async fn payment(&self) -> Payment {
        self.agent.payment(&self.url(), 10_000).await
    }

    async fn pay(&self, payment: &Payment) -> Answer {
        get(&self.url(), &[(payment.header, &payment.value)]).await
    }

    /// Sends the same payment until it is answered otherwise than by 503.
    async fn pay_until_decided(&self, payment: &Payment, within: Duration) -> Answer {
        let begun = Instant::now();
        loop {
            let answer = self.pay(payment).await;
            if answer.status != 503 {
                return answer;
            }
            assert!(begun.elapsed() < within, "no recovery in {within:?}: {answer:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn charged(&self, times: usize) {
        let moved = self.anvil.transfers_to(ANVIL_ADDRESS).await.unwrap();
        assert_eq!(moved.iter().map(|transfer| transfer.value).collect::<Vec<_>>(), vec![10_000; times]);
        let books = admin(&self.facilitator, Method::GET, "/admin/ledger", "").await.json();
        assert_eq!(
            (&books["totals"]["sessions"], &books["payments_in_doubt"]),
            (&json!(times), &json!(0)),
            "{books}"
        );
    }
}

/// In doubt: the same payment is to be sent again, and no other is asked for.
fn assert_pending(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    assert!(
        answer.header("payment-required").is_none() && !answer.text().contains("\"accepts\""),
        "{answer:?}"
    );
    let receipt = answer.decoded("payment-response");
    assert_eq!(receipt["success"], false, "{receipt}");
}

#[tokio::test]
async fn a_node_that_freezes_after_the_broadcast_leaves_the_payment_pending() {
    let world = world("settlement_wait = \"2s\"").await;
    world.anvil.set_automine(false).await.unwrap();
    let payment = world.payment().await;
    let pending = world.pay(&payment).await;
    assert_pending(&pending);
    let receipt = pending.decoded("payment-response");
    assert_eq!(receipt["errorReason"], "settlement_pending", "{receipt}");
    let tx = receipt["transaction"].as_str().unwrap().to_owned();
    assert!(tx.len() == 66 && tx.starts_with("0x"), "{receipt}");

    world.anvil.freeze().await.unwrap();
    let begun = Instant::now();
    assert_pending(&world.pay(&payment).await);
    assert!(begun.elapsed() < Duration::from_secs(5), "held for {:?}", begun.elapsed());
    assert_eq!(get(&world.url(), &[]).await.status, 402, "a bill needs no chain");
    world.anvil.thaw().await.unwrap();
    world.anvil.set_automine(true).await.unwrap();
    world.anvil.mine(1).await.unwrap();
    let paid = world.pay_until_decided(&payment, Duration::from_secs(30)).await;
    assert_eq!(paid.status, 200, "{paid:?}");
    assert_eq!(
        paid.decoded("payment-response")["transaction"],
        tx.as_str(),
        "no second transaction was made"
    );
    world.charged(1).await;
}

#[tokio::test]
async fn a_node_that_is_down_refuses_nobody_and_charges_nobody() {
    let mut world = world("settlement_wait = \"2s\"").await;
    let payment = world.payment().await;
    world.anvil.stop().await.unwrap();
    let begun = Instant::now();
    assert_pending(&world.pay(&payment).await);
    assert!(begun.elapsed() < Duration::from_secs(12), "held for {:?}", begun.elapsed());
    world.anvil.start_again().await.unwrap();
    let paid = world.pay_until_decided(&payment, Duration::from_secs(30)).await;
    assert_eq!(paid.status, 200, "{paid:?}");
    world.charged(1).await;
}

#[tokio::test]
async fn a_node_that_comes_back_empty_proves_nothing() {
    let mut world = world("settlement_wait = \"2s\"").await;
    let settled = world.payment().await;
    let first = world.pay(&settled).await;
    assert_eq!(first.status, 200, "{first:?}");
    world.anvil.set_automine(false).await.unwrap();
    let in_doubt = world.payment().await;
    assert_pending(&world.pay(&in_doubt).await);
    world.anvil.start_empty().await.unwrap();
    // What was credited stays; what is in doubt stays in doubt; what is new is not taken.
    for _ in 0..3 {
        let again = world.pay(&settled).await;
        assert_eq!(again.json()["session"]["jti"], first.json()["session"]["jti"], "{again:?}");
        assert_pending(&world.pay(&in_doubt).await);
        let new = world.agent.payment(&world.url(), 10_000).await;
        let refused = world.pay(&new).await;
        assert!(matches!(refused.status.as_u16(), 402 | 503), "{refused:?}");
        assert_eq!(refused.decoded("payment-response")["success"], false, "{refused:?}");
    }
    let books = admin(&world.facilitator, Method::GET, "/admin/ledger", "").await.json();
    assert_eq!(books["totals"]["sessions"], 1, "{books}");
    assert!(books["payments_in_doubt"].as_u64().unwrap() >= 1, "{books}");
}

#[tokio::test]
async fn a_settlement_in_flight_is_answered_before_the_end() {
    let mut world = world("").await;
    world.anvil.set_block_interval(3).await.unwrap();
    let payment = world.payment().await;
    let url = world.url();
    let sent = payment.clone();
    let asked = tokio::spawn(async move { try_get(&url, &[(sent.header, &sent.value)]).await });
    tokio::time::sleep(Duration::from_millis(700)).await;
    world.facilitator.signal("TERM").await;
    let paid = asked.await.unwrap().expect("the answer was cut off");
    assert_eq!(paid.status, 200, "{paid:?}");
    let status = world.facilitator.exit(Duration::from_secs(15)).await;
    assert!(status.success(), "{status}");
    assert!(try_get(&world.url(), &[]).await.is_err());
    world.facilitator.restart().await;
    let again = world.pay(&payment).await;
    assert_eq!(again.json()["session"]["jti"], paid.json()["session"]["jti"]);
    world.charged(1).await;
}

#[tokio::test]
async fn a_draining_node_says_that_it_is_not_ready() {
    let feed = SampleFeed::start(Mode::Echo).await.unwrap();
    let mut settings = Settings::dev(vec![Feed::ticks(feed.url("/"))]);
    settings.limits = "drain = \"2s\"".into();
    let mut facilitator = Facilitator::start(settings).await;
    let token = tollwire_tests::world::token(&facilitator, 1).await;
    let mut stream = open(&facilitator.ws_url(&format!("/feeds/ticks/ws?token={token}")), &[]).await.unwrap();
    let ready = facilitator.admin_url("/readyz");
    assert_eq!(get(&ready, &[]).await.status, 200);
    facilitator.signal("TERM").await;
    let told = Instant::now();
    while get(&ready, &[]).await.status != 503 {
        assert!(told.elapsed() < Duration::from_secs(1), "still ready {:?} after SIGTERM", told.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(get(&facilitator.admin_url("/healthz"), &[]).await.status, 200, "alive, but going");
    stream.echo(Message::text("still here")).await;
    assert_eq!(stream.ended_within(Duration::from_secs(8)).await.code, 1001);
    assert!(facilitator.exit(Duration::from_secs(10)).await.success());
}
