//! Redis that forgets, dies, hangs.

use futures_util::future::join_all;
use http::Method;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tollwire_testkit::feed::{Message, Mode};
use tollwire_testkit::redis::RedisServer;
use tollwire_tests::agent::{Agent, Payment, bill, offer};
use tollwire_tests::http::{Answer, get, try_get};
use tollwire_tests::settings::Store;
use tollwire_tests::world::World;
use tollwire_tests::ws::{Refused, open, try_open};

async fn world(redis: &RedisServer, mode: Mode, feed: &'static str) -> World {
    World::start(mode, |settings| {
        settings.store = Store::Redis(redis.url());
        settings.feeds[0].more = feed;
    })
    .await
}

async fn pay(world: &World, payment: &Payment) -> Answer {
    get(&world.facilitator.url("/feeds/ticks/session"), &[(payment.header, &payment.value)]).await
}

/// A 503 that says when to come back and asks for no other payment.
fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    assert!(
        answer.header("payment-required").is_none() && !answer.text().contains("\"accepts\""),
        "{answer:?}"
    );
    assert!(!answer.text().contains("token\"") && !answer.text().contains("127.0.0.1"), "{answer:?}");
}

fn assert_unavailable_upgrade(refused: &Refused) {
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.headers.contains_key("retry-after"), "{refused:?}");
    assert!(!refused.headers.contains_key("payment-required"), "{refused:?}");
}

#[tokio::test]
async fn a_store_that_was_flushed_gives_nothing_and_takes_nothing() {
    let redis = RedisServer::start().await.unwrap();
    let world = world(&redis, Mode::Echo, "").await;
    let session = world.facilitator.url("/feeds/ticks/session");
    let token = world.token(10).await;
    let settled = Agent::new().payment(&session, 10_000).await;
    assert_eq!(pay(&world, &settled).await.status, 200);
    let mut live = open(&world.ws(&token), &[]).await.unwrap();
    assert_eq!(get(&world.facilitator.admin_url("/readyz"), &[]).await.status, 200);
    redis.command(&["FLUSHALL"]).await.unwrap();

    let fresh = Agent::new().payment(&session, 10_000).await;
    for payment in [&settled, &fresh] {
        assert_unavailable(&pay(&world, payment).await);
    }
    let upgrade = world.facilitator.ws_url("/feeds/ticks/ws");
    for (url, headers) in
        [(world.ws(&token), &[][..]), (upgrade, &[(fresh.header, fresh.value.as_str())][..])]
    {
        assert_unavailable_upgrade(&open(&url, headers).await.err().unwrap());
    }
    let bearer = format!("Bearer {token}");
    assert_unavailable(&get(&world.facilitator.url("/session"), &[("authorization", &bearer)]).await);
    assert_eq!(world.admin(Method::GET, "/admin/ledger", "").await.status, 503);
    assert_eq!(get(&world.facilitator.admin_url("/readyz"), &[]).await.status, 503);
    assert_eq!(get(&world.facilitator.admin_url("/healthz"), &[]).await.status, 200);
    // What was paid for before goes on.
    live.echo(Message::text("still here")).await;
    assert_eq!(redis.command(&["DBSIZE"]).await.unwrap(), "0", "nothing was written to the other store");
    assert_eq!(world.feed.counts().requests, 1, "no upstream was dialled");
    // It stays so: the store does not become another one's by waiting.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_unavailable(&pay(&world, &settled).await);
    live.echo(Message::text("still here")).await;
}

#[tokio::test]
async fn a_live_stream_gets_no_next_unit_from_a_flushed_store() {
    let redis = RedisServer::start().await.unwrap();
    let world = world(&redis, Mode::Ticks(Duration::from_millis(100)), "max_stream = \"2s\"").await;
    let token = world.token(10).await;
    let mut live = open(&world.ws(&token), &[]).await.unwrap();
    redis.command(&["FLUSHALL"]).await.unwrap();
    let ended = live.ended_within(Duration::from_secs(8)).await;
    assert_eq!(ended.code, 1011, "{ended:?}");
}

/// What one agent was promised.
#[derive(Debug, Default)]
struct Promised {
    tokens: Vec<String>,
    opened: u64,
    asked: u64,
    troubles: u64,
}

/// Buys ten units, opens them, buys again; an answer in doubt is asked for again, never paid again.
async fn live(session: String, ws: String, enough: Arc<AtomicBool>) -> Promised {
    let mut promised = Promised::default();
    while !enough.load(Ordering::SeqCst) {
        let bill = bill(&session).await;
        let offer = offer(&bill, 100_000);
        let payment = Agent::new().pay_v2(&bill, &offer, &Agent::terms(&offer));
        let token = loop {
            let answer = get(&session, &[(payment.header, &payment.value)]).await;
            match answer.status.as_u16() {
                200 => break answer.json()["token"].as_str().unwrap().to_owned(),
                503 | 429 => promised.troubles += 1,
                _ => panic!("a payment in doubt was answered with {answer:?}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        promised.tokens.push(token.clone());
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
    }
    promised
}

#[tokio::test]
async fn a_killed_store_loses_nothing_and_the_node_recovers_by_itself() {
    let mut redis = RedisServer::with(&[("appendfsync", "always")]).await.unwrap();
    let world = world(&redis, Mode::Ticks(Duration::from_millis(50)), "").await;
    let enough = Arc::new(AtomicBool::new(false));
    let agents: Vec<_> = (0..6)
        .map(|_| {
            let (session, ws) =
                (world.facilitator.url("/feeds/ticks/session"), world.facilitator.ws_url("/feeds/ticks/ws"));
            tokio::spawn(live(session, ws, Arc::clone(&enough)))
        })
        .collect();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(900)).await;
        redis.kill9().await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        redis.restart().await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(900)).await;
    enough.store(true, Ordering::SeqCst);
    let promised: Vec<Promised> = join_all(agents).await.into_iter().map(Result::unwrap).collect();
    let sum = |of: fn(&Promised) -> u64| promised.iter().map(of).sum::<u64>();
    let tokens: Vec<&String> = promised.iter().flat_map(|promised| &promised.tokens).collect();
    let (opened, asked) = (sum(|p| p.opened), sum(|p| p.asked));
    eprintln!("{} sessions, {opened} streams of {asked}, {} asked again", tokens.len(), sum(|p| p.troubles));
    assert!(tokens.len() > 6 && sum(|p| p.troubles) > 0, "the kills were not noticed: {promised:?}");
    assert_eq!(get(&world.facilitator.admin_url("/readyz"), &[]).await.status, 200);
    for token in &tokens {
        assert_eq!(world.online(token).await["active"], true);
        world.settled(token, Duration::from_secs(20)).await;
    }
    let books = world.admin(Method::GET, "/admin/ledger", "").await.json();
    assert_eq!(books["balanced"], true, "{books}");
    assert_eq!(books["payments_in_doubt"], 0, "{books}");
    assert_eq!(books["totals"]["bought"], u64::try_from(tokens.len()).unwrap() * 10, "{books}");
    let captured = books["totals"]["captured"].as_u64().unwrap();
    assert!((opened..=asked).contains(&captured), "{opened} served, {captured} charged, {asked} asked for");
}

#[tokio::test]
async fn a_store_that_hangs_is_a_bounded_503() {
    let redis = RedisServer::start().await.unwrap();
    let world = world(&redis, Mode::Echo, "").await;
    let session = world.facilitator.url("/feeds/ticks/session");
    let token = world.token(10).await;
    let payment = Agent::new().payment(&session, 10_000).await;
    let mut live = open(&world.ws(&token), &[]).await.unwrap();
    redis.signal("STOP").await.unwrap();
    let begun = Instant::now();
    let headers = [(payment.header, payment.value.as_str())];
    let (ws, readyz) = (world.ws(&token), world.facilitator.admin_url("/readyz"));
    let (paid, opened, ready, unpaid) =
        tokio::join!(try_get(&session, &headers), try_open(&ws, &[]), get(&readyz, &[]), get(&session, &[]),);
    assert!(begun.elapsed() < Duration::from_millis(4_800), "answered after {:?}", begun.elapsed());
    assert_unavailable(&paid.unwrap());
    assert_unavailable_upgrade(&opened.unwrap().err().unwrap());
    assert_eq!((ready.status.as_u16(), unpaid.status.as_u16()), (503, 402), "a bill needs no store");
    live.echo(Message::text("still here")).await;
    tokio::time::sleep(Duration::from_secs(5).saturating_sub(begun.elapsed())).await;
    redis.signal("CONT").await.unwrap();

    let again = Instant::now();
    let paid = loop {
        let answer = pay(&world, &payment).await;
        if answer.status != 503 {
            break answer;
        }
        assert!(again.elapsed() < Duration::from_secs(5), "no recovery: {answer:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(paid.status, 200, "{paid:?}");
    // The open that was refused may have been held meanwhile; its hold lapses, and costs nothing.
    let remaining = async {
        while world.remaining(&token).await != 9 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), remaining).await.expect("a refused open was charged");
    open(&world.ws(&token), &[]).await.unwrap().close().await;
}
