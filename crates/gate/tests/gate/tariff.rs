//! Prices change while offers are out.

use crate::support::{World, feed_to, offer_of, v1_header, v2};
use http::StatusCode;
use std::time::Duration;
use tollwire_gate::FeedError;
use tollwire_gate::feed::Origin;
use tollwire_ledger::Clock as _;
use tollwire_x402::{header, reason};

fn reprice(world: &World, price: &str) {
    let id = "ticks".parse().unwrap();
    let change = |feed: &mut tollwire_gate::Feed| {
        feed.price = price.parse().unwrap();
        Ok(())
    };
    world.gate.feeds().update(&id, world.clock.now(), change).unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_offer_outlives_a_price_change_by_its_timeout_and_a_minute() {
    let world = World::new();
    let (old, wallet) = (world.bill("ticks").await, world.wallet(7));
    let offer = offer_of(&old, 100_000);
    reprice(&world, "0.02");
    world.clock.advance(Duration::from_secs(359));
    let wallet_now = world.wallet(7);
    let reply = world.pay("ticks", &v2(&old, &offer, &wallet_now.sign(&offer, 1)), &[]).await;
    assert_eq!(reply.json()["session"]["units_remaining"], 10, "{reply:?}");
    world.clock.advance(Duration::from_secs(1));
    let late = world.pay("ticks", &v2(&old, &offer, &world.wallet(7).sign(&offer, 2)), &[]).await;
    assert_eq!(late.status, StatusCode::PAYMENT_REQUIRED, "{late:?}");
    assert_eq!(late.settlement().error_reason.as_deref(), Some(reason::EVM_VALUE_MISMATCH));
    assert_eq!(late.required().accepts[0].amount.atomic(), 2_000_000);
    assert_eq!(wallet.key.address(), wallet_now.key.address());
}

/// $0.10 buys 10 units of the old tariff, and is the new tariff's price of 5.
#[tokio::test(start_paused = true)]
async fn the_quote_says_which_tariff_an_amount_means() {
    let world = World::new();
    let old = world.bill("ticks").await;
    reprice(&world, "0.1");
    let (new, wallet) = (world.bill("ticks").await, world.wallet(7));
    let units = |reply: crate::support::Reply| reply.json()["session"]["units_remaining"].clone();
    let offer = offer_of(&old, 100_000);
    assert_eq!(units(world.pay("ticks", &v2(&old, &offer, &wallet.sign(&offer, 1)), &[]).await), 10);
    assert_eq!(units(world.pay("ticks", &v2(&new, &offer, &wallet.sign(&offer, 2)), &[]).await), 1);
    // Without a quote nobody knows which was meant: the payer gets the better one.
    let unquoted = v1_header(&wallet.sign(&offer, 3));
    assert_eq!(units(world.paid_with("ticks", header::X_PAYMENT, &unquoted, &[]).await), 10);
}

#[tokio::test(start_paused = true)]
async fn a_payment_on_an_old_tariff_is_collected_for_ever() {
    let world = World::new();
    let required = world.bill("ticks").await;
    let offer = offer_of(&required, 100_000);
    let payment = v2(&required, &offer, &world.wallet(7).sign(&offer, 1));
    let first = world.pay("ticks", &payment, &[]).await.jti();
    reprice(&world, "0.5");
    world.clock.advance(Duration::from_secs(7200));
    assert_eq!(world.pay("ticks", &payment, &[]).await.jti(), first);
    world.gate.feeds().remove(&"ticks".parse().unwrap()).unwrap();
    assert_eq!(world.pay("ticks", &payment, &[]).await.jti(), first);
    assert_eq!(world.get("/feeds/ticks/session").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_reload_replaces_configured_feeds_all_or_none_and_keeps_the_others() {
    let world = World::new();
    let feeds = world.gate.feeds();
    feeds.add(feed_to("added", "ws://127.0.0.1:1/"), Origin::Admin).unwrap();
    let now = world.clock.now();
    let mut broken = feed_to("ticks", "ws://127.0.0.1:1/");
    broken.deposit_units = vec![1, 10];
    let refused = feeds.configure(vec![feed_to("new", "ws://127.0.0.1:1/"), broken], now);
    assert!(matches!(refused, Err(FeedError::Field { field: "deposit_units", .. })));
    let twice = vec![feed_to("new", "ws://127.0.0.1:1/"), feed_to("new", "ws://127.0.0.1:2/")];
    assert_eq!(feeds.configure(twice, now), Err(FeedError::Exists));
    let ids = || feeds.list().iter().map(|entry| entry.feed.id().to_string()).collect::<Vec<_>>();
    assert_eq!(ids(), ["added", "other", "ticks"]);
    let before = feeds.get(&"ticks".parse().unwrap()).unwrap().tariff.version;
    feeds
        .configure(vec![feed_to("ticks", "ws://127.0.0.1:2/"), feed_to("new", "ws://127.0.0.1:1/")], now)
        .unwrap();
    assert_eq!(ids(), ["added", "new", "ticks"]);
    let after = feeds.get(&"ticks".parse().unwrap()).unwrap().tariff.version;
    assert_eq!(before, after, "another upstream is the same tariff");
}

#[tokio::test]
async fn what_cannot_be_sold_is_refused() {
    let world = World::new();
    let refusal = |change: &dyn Fn(&mut tollwire_gate::Feed)| {
        let mut feed = feed_to("new", "ws://127.0.0.1:1/");
        change(&mut feed);
        match world.gate.feeds().add(feed, Origin::Admin) {
            Err(FeedError::Field { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refusal(&|feed| feed.price = tollwire_x402::Usdc::ZERO), "price");
    assert_eq!(refusal(&|feed| feed.deposit_units = vec![]), "deposit_units");
    assert_eq!(refusal(&|feed| feed.deposit_units = vec![10, 10]), "deposit_units");
    assert_eq!(refusal(&|feed| feed.deposit_units = vec![1, 0]), "deposit_units");
    assert_eq!(refusal(&|feed| feed.deposit_units = vec![u64::MAX]), "deposit_units");
    assert_eq!(refusal(&|feed| feed.deposit_units = (1..=17).rev().collect()), "deposit_units");
    assert_eq!(refusal(&|feed| feed.networks = vec![]), "networks");
    assert_eq!(refusal(&|feed| feed.networks = vec![tollwire_x402::Network::BASE]), "networks");
    assert_eq!(refusal(&|feed| feed.route.streams_max = 0), "upstream");
    assert_eq!(refusal(&|feed| feed.route.upstream = "http://x/".parse().unwrap()), "upstream");
    assert_eq!(refusal(&|feed| feed.description = "x".repeat(257)), "description");
}
