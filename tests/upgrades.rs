//! Opening and holding streams: the order of the checks, the counting of units, what the upstream sees.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use futures_util::future::join_all;
use std::time::{Duration, Instant};
use tollwire_testkit::feed::{Message, Mode, SampleFeed};
use tollwire_testkit::redis::RedisServer;
use tollwire_tests::agent::Agent;
use tollwire_tests::facilitator::{ADMIN_TOKEN, Facilitator};
use tollwire_tests::http::{get, try_send};
use tollwire_tests::settings::{Feed, Settings, Store};
use tollwire_tests::ws::{Ended, open, open_with_answer};
use tollwire_x402::header;

const REASON: &str = "Session balance exhausted. Re-authorize via x402 to continue.";

struct World {
    feed: SampleFeed,
    facilitator: Facilitator,
}

async fn world(mode: Mode, adjust: impl FnOnce(&mut Settings)) -> World {
    let feed = SampleFeed::start(mode).await.unwrap();
    let mut settings = Settings::dev(vec![Feed::ticks(feed.url("/stream"))]);
    adjust(&mut settings);
    World { facilitator: Facilitator::start(settings).await, feed }
}

impl World {
    /// Buys units of the feed `ticks` at one cent each; gives the token.
    async fn token(&self, units: u64) -> String {
        let paid = Agent::new().buy(&self.facilitator.url("/feeds/ticks/session"), units * 10_000).await;
        assert_eq!(paid.status, 200, "{paid:?}");
        paid.json()["token"].as_str().unwrap().to_owned()
    }

    fn ws(&self, query: &str) -> String {
        self.facilitator.ws_url(&format!("/feeds/ticks/ws{query}"))
    }

    async fn remaining(&self, token: &str) -> u64 {
        let online =
            get(&self.facilitator.url("/session"), &[("authorization", &format!("Bearer {token}"))]).await;
        online.json()["units_remaining"].as_u64().unwrap()
    }
}

#[tokio::test]
async fn a_token_opens_by_header_or_query_and_the_upstream_never_sees_it() {
    let world = world(Mode::Echo, |_| {}).await;
    let token = world.token(10).await;
    let bearer = format!("Bearer {token}");
    let mut by_header =
        open(&world.ws("?depth=5"), &[("authorization", &bearer), ("cookie", "a=b")]).await.unwrap();
    by_header.echo(Message::text("hello")).await;
    let mut by_query = open(&world.ws(&format!("?token={token}&depth=6")), &[]).await.unwrap();
    by_query.echo(Message::binary(vec![0, 1, 2, 255])).await;
    assert_eq!(world.remaining(&token).await, 8);
    let seen = world.feed.requests();
    assert_eq!(
        seen.iter().map(|request| request.target.as_str()).collect::<Vec<_>>(),
        ["/stream?depth=5", "/stream?depth=6"]
    );
    for request in seen {
        let text = format!("{request:?}");
        assert!(
            !text.contains(&token)
                && request.header("authorization").is_none()
                && request.header("cookie").is_none()
        );
    }
    by_header.close().await;
    by_query.close().await;
}

#[tokio::test]
async fn refusals_come_in_the_documented_order() {
    let world = world(Mode::Echo, |settings| {
        settings.feeds.push(Feed { id: "other", ..settings.feeds[0].clone() });
    })
    .await;
    let token = world.token(1).await;
    let bearer = format!("Bearer {token}");
    let unpaid = open(&world.ws(""), &[]).await.err().unwrap();
    assert_eq!(unpaid.status, 402);
    assert!(unpaid.headers.contains_key(header::PAYMENT_REQUIRED));
    let both =
        open(&world.ws(&format!("?token={token}")), &[("authorization", &bearer)]).await.err().unwrap();
    assert_eq!(both.status, 400);
    let mut forged = token.clone();
    forged.replace_range(token.len() - 8.., "AAAAAAAA");
    let none = "eyJhbGciOiJub25lIiwidHlwIjoidG9sbHdpcmUtc2Vzc2lvbitqd3QifQ.e30.";
    for bad in [forged.as_str(), none, "x", "a.b.c"] {
        let refused = open(&world.ws(&format!("?token={bad}")), &[]).await.err().unwrap();
        assert_eq!(refused.status, 401, "{bad}: {refused:?}");
    }
    let foreign =
        open(&world.facilitator.ws_url(&format!("/feeds/other/ws?token={token}")), &[]).await.err().unwrap();
    assert_eq!(foreign.status, 403);
    assert_eq!(world.remaining(&token).await, 1, "no refusal cost anything");

    open(&world.ws(&format!("?token={token}")), &[]).await.unwrap().close().await;
    let exhausted = open(&world.ws(&format!("?token={token}")), &[]).await.err().unwrap();
    assert_eq!(exhausted.status, 403, "{exhausted:?}");
    assert!(exhausted.headers["content-type"].to_str().unwrap().starts_with("application/problem+json"));
    assert!(exhausted.headers.contains_key(header::PAYMENT_REQUIRED), "payable");
}

#[tokio::test]
async fn ten_units_and_forty_opens_make_exactly_ten_streams() {
    let redis = RedisServer::start().await.unwrap();
    for store in [Store::Embedded, Store::Redis(redis.url())] {
        let world = world(Mode::Echo, |settings| settings.store = store.clone()).await;
        let token = world.token(10).await;
        let url = world.ws(&format!("?token={token}"));
        let opened = join_all((0..40).map(|_| open(&url, &[]))).await;
        let (open_streams, refused): (Vec<_>, Vec<_>) = opened.into_iter().partition(Result::is_ok);
        assert_eq!(open_streams.len(), 10, "{store:?}");
        for refusal in refused {
            assert_eq!(refusal.err().unwrap().status, 403);
        }
        assert_eq!(world.remaining(&token).await, 0);
        let online =
            get(&world.facilitator.url("/session"), &[("authorization", &format!("Bearer {token}"))]).await;
        assert_eq!(online.json()["live_streams"], 10, "{online:?}");
        let control = open(&format!("{url}&control=v1"), &[]).await;
        let ended = control.unwrap().ended_within(Duration::from_secs(10)).await;
        assert_eq!(ended, Ended { code: 4008, reason: REASON.into() });
    }
}

#[tokio::test]
async fn an_exhausted_feed_may_close_instead_of_refusing() {
    let world = world(Mode::Echo, |settings| settings.feeds[0].more = "exhausted = \"close\"").await;
    let token = world.token(1).await;
    let url = world.ws(&format!("?token={token}"));
    let _first = open(&url, &[]).await.unwrap();
    let ended = open(&url, &[]).await.unwrap().ended_within(Duration::from_secs(10)).await;
    assert_eq!(ended, Ended { code: 4008, reason: REASON.into() });
    assert_eq!(world.feed.counts().requests, 1, "the upstream was not dialled for nothing");
}

#[tokio::test]
async fn a_unit_lasts_max_stream_and_then_the_stream_takes_the_next() {
    let world = world(Mode::Ticks(Duration::from_millis(100)), |settings| {
        settings.feeds[0].more = "max_stream = \"2s\"";
        settings.feeds[0].deposit_units = "[2]";
    })
    .await;
    let token = world.token(2).await;
    let begun = Instant::now();
    let mut stream = open(&world.ws(&format!("?token={token}")), &[]).await.unwrap();
    let ended = stream.ended_within(Duration::from_secs(15)).await;
    let lasted = begun.elapsed();
    assert_eq!(ended, Ended { code: 4008, reason: REASON.into() });
    assert!(lasted > Duration::from_millis(3_500) && lasted < Duration::from_secs(7), "{lasted:?}");
    assert_eq!(world.remaining(&token).await, 0);
}

#[tokio::test]
async fn an_upstream_that_fails_costs_nothing() {
    let world =
        world(Mode::RefuseUpgrade(503), |settings| settings.limits = "upstream_dial = \"1s\"".into()).await;
    let token = world.token(10).await;
    let url = world.ws(&format!("?token={token}"));
    for mode in [
        Mode::RefuseUpgrade(503),
        Mode::RefuseUpgrade(200),
        Mode::WrongAcceptKey,
        Mode::NeverAnswer,
        Mode::HangUp,
    ] {
        world.feed.set_mode(mode.clone());
        let refused = open(&url, &[]).await.err().unwrap();
        assert_eq!(refused.status, 502, "{mode:?}: {refused:?}");
        assert_eq!(world.remaining(&token).await, 10, "{mode:?}");
    }
    world.feed.set_mode(Mode::CloseAtOnce(4321));
    let ended = open(&url, &[]).await.unwrap().ended_within(Duration::from_secs(10)).await;
    assert_eq!(ended.code, 4321, "the upstream's own code passes");
    let mut left = 0;
    for _ in 0..100 {
        left = world.remaining(&token).await;
        if left == 10 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(left, 10, "ended at once without data: given back");
}

#[tokio::test]
async fn a_stream_id_makes_an_open_idempotent() {
    let world = world(Mode::Echo, |_| {}).await;
    let token = world.token(10).await;
    let url = world.ws(&format!("?token={token}"));
    let id = [("tollwire-stream", "my-stream-0123456789")];
    let mut first = open(&url, &id).await.unwrap();
    let mut second = open(&url, &id).await.unwrap();
    second.echo(Message::text("again")).await;
    assert_eq!(world.remaining(&token).await, 9, "opened twice, charged once");
    let ended = first.ended_within(Duration::from_secs(10)).await;
    assert_eq!(ended.code, 4009, "{ended:?}");
    let short = open(&url, &[("tollwire-stream", "short")]).await.err().unwrap();
    assert_eq!(short.status, 400);
}

#[tokio::test]
async fn revocation_ends_live_streams() {
    let world = world(Mode::Echo, |_| {}).await;
    let token = world.token(10).await;
    let url = world.ws(&format!("?token={token}"));
    let mut stream = open(&url, &[]).await.unwrap();
    let online =
        get(&world.facilitator.url("/session"), &[("authorization", &format!("Bearer {token}"))]).await;
    let jti = online.json()["jti"].as_str().unwrap().to_owned();
    let revoke = world.facilitator.admin_url(&format!("/admin/sessions/{jti}/revoke"));
    let nobody = try_send(http::Method::POST, &revoke, &[], "").await.unwrap();
    assert_eq!(nobody.status, 401);
    let admin = format!("Bearer {ADMIN_TOKEN}");
    let done = try_send(http::Method::POST, &revoke, &[("authorization", &admin)], "").await.unwrap();
    assert!(done.status.is_success(), "{done:?}");
    let ended = stream.ended_within(Duration::from_secs(3)).await;
    assert_eq!(ended.code, 4001, "{ended:?}");
    assert_eq!(open(&url, &[]).await.err().unwrap().status, 401);
}

#[tokio::test]
async fn a_payment_on_the_upgrade_pays_and_opens_in_one_go() {
    let world = world(Mode::Echo, |_| {}).await;
    let payment = Agent::new().payment(&world.facilitator.url("/feeds/ticks/session"), 10_000).await;
    let (mut stream, answer) =
        open_with_answer(&world.ws(""), &[(payment.header, &payment.value)]).await.unwrap();
    stream.echo(Message::text("paid")).await;
    let receipt: serde_json::Value =
        header::decode(header::PAYMENT_RESPONSE, answer[header::PAYMENT_RESPONSE].as_bytes()).unwrap();
    let token = receipt["extensions"]["tollwire-session"]["info"]["token"].as_str().unwrap();
    assert_eq!(world.remaining(token).await, 0);
}
