//! Many requests that pay nothing, beside one stream that was paid for.

use futures_util::future::join_all;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tollwire_testkit::feed::Mode;
use tollwire_tests::raw::{Raw, head, status, upgrade_lines};
use tollwire_tests::world::World;
use tollwire_tests::ws::{Socket, open};

/// The longest wait for a tick until told to stop, and how many came.
async fn longest_wait(mut stream: Socket, enough: Arc<AtomicBool>) -> (Duration, u32) {
    let (mut longest, mut ticks) = (Duration::ZERO, 0);
    while !enough.load(Ordering::SeqCst) {
        let asked = Instant::now();
        stream.next().await;
        longest = longest.max(asked.elapsed());
        ticks += 1;
    }
    (longest, ticks)
}

/// Sends `count` heads, `width` at once, each on a connection of its own; gives the statuses.
async fn flood(port: u16, count: usize, width: usize, head: impl Fn(usize) -> String) -> Vec<u16> {
    let mut statuses = Vec::new();
    for start in (0..count).step_by(width) {
        let asks = (start..count.min(start + width)).map(|n| {
            let head = head(n);
            async move { status(&Raw::ask(port, &head).await.1) }
        });
        statuses.extend(join_all(asks).await);
    }
    statuses
}

#[tokio::test]
async fn a_paid_stream_goes_on_while_two_thousand_ask_for_nothing() {
    let world = World::start(Mode::Ticks(Duration::from_millis(20)), |_| {}).await;
    let token = world.token(10).await;
    let stream = open(&world.ws(&token), &[]).await.unwrap();
    let enough = Arc::new(AtomicBool::new(false));
    let ticks = tokio::spawn(longest_wait(stream, Arc::clone(&enough)));
    let port = world.facilitator.port();
    let unpaid = head("GET /feeds/ticks/ws HTTP/1.1", &upgrade_lines());
    let statuses = flood(port, 2_000, 100, |_| unpaid.clone()).await;
    enough.store(true, Ordering::SeqCst);
    assert!(statuses.iter().all(|status| *status == 402), "{statuses:?}");
    let (longest, count) = ticks.await.unwrap();
    eprintln!("2,000 unpaid upgrades: {count} ticks meanwhile, the longest wait {longest:?}");
    assert!(longest < Duration::from_secs(1), "a paid tick waited {longest:?}");
    assert_eq!(world.feed.counts().requests, 1);
}

#[tokio::test]
async fn tokens_nobody_issued_open_nothing_however_many() {
    let world = World::start(Mode::Echo, |_| {}).await;
    let token = world.token(10).await;
    let (header, rest) = token.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let bent = |n: usize| {
        // Another signature, another payload under the old signature, or no token at all.
        let digits = format!("{n:08}");
        match n % 4 {
            0 => format!("{header}.{payload}.{digits}{}", &signature[8..]),
            1 => format!("{header}.{digits}{}.{signature}", &payload[8..]),
            2 => format!("{header}.{payload}.{signature}{digits}"),
            _ => format!("{digits}.{}", "x".repeat(n)),
        }
    };
    let statuses = flood(world.facilitator.port(), 1_000, 100, |n| {
        head(&format!("GET {} HTTP/1.1", World::target(&bent(n))), &upgrade_lines())
    })
    .await;
    assert!(statuses.iter().all(|status| *status == 401), "{statuses:?}");
    assert_eq!(world.feed.counts().requests, 0);
    assert_eq!(world.remaining(&token).await, 10);
    open(&world.ws(&token), &[]).await.unwrap().close().await;
}
