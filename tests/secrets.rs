//! No secret reaches a log at any level, a metric, an error or the upstream: the whole story with trace logging, then
//! a search.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::time::Duration;
use tollwire_testkit::evm::Anvil;
use tollwire_testkit::feed::{Message, Mode, SampleFeed};
use tollwire_testkit::redis::RedisServer;
use tollwire_tests::agent::Agent;
use tollwire_tests::facilitator::{ADMIN_TOKEN, Facilitator};
use tollwire_tests::http::{get, try_send};
use tollwire_tests::settings::{ANVIL_KEY, Chain, Feed, Settings, Store};
use tollwire_tests::ws::open;

const CLAIM: &str = "claim-canary-0123456789abcdef";
const UPSTREAM_KEY: &str = "upstream-canary-0123456789abcdef";
const RPC_CANARY: &str = "rpc-canary-0123456789abcdef";

#[tokio::test]
async fn a_trace_log_of_the_whole_story_holds_no_secret() {
    let redis = RedisServer::start().await.unwrap();
    for store in [Store::Embedded, Store::Redis(redis.url())] {
        story(store).await;
    }
}

async fn story(store: Store) {
    let anvil = Anvil::start(8453).await.unwrap();
    let upstream = SampleFeed::start(Mode::Echo).await.unwrap();
    let rpc_url = format!("{}/?key={RPC_CANARY}", anvil.url());
    let chain = Chain::Evm { network: "eip155:8453", rpc_url, settlement_key: ANVIL_KEY.into() };
    let mut settings = Settings { store, chain, ..Settings::dev(vec![Feed::ticks(upstream.url("/"))]) };
    settings.feeds[0].more =
        "upstream_auth = \"none\"\nupstream_headers = { X-Api-Key = \"upstream-canary-0123456789abcdef\" }";
    let facilitator = Facilitator::start_logging(settings, "trace").await;
    let agent = Agent::new();
    anvil.mint(&agent.address(), 10_000_000).await.unwrap();

    let url = facilitator.url("/feeds/ticks/session");
    let payment = agent.payment(&url, 10_000).await;
    let headers = [(payment.header, payment.value.as_str()), ("tollwire-claim", CLAIM)];
    let paid = get(&url, &headers).await;
    assert_eq!(paid.status, 200, "{paid:?}");
    let token = paid.json()["token"].as_str().unwrap().to_owned();
    get(&url, &headers).await;
    let stranger = get(&url, &[(payment.header, "e30=")]).await;
    let mut stream = open(&facilitator.ws_url(&format!("/feeds/ticks/ws?token={token}")), &[]).await.unwrap();
    stream.echo(Message::text("payload-canary-0123456789")).await;
    let refused =
        open(&facilitator.ws_url(&format!("/feeds/ticks/ws?token={token}")), &[]).await.err().unwrap();
    stream.close().await;
    let admin = format!("Bearer {ADMIN_TOKEN}");
    let listed = try_send(
        http::Method::GET,
        &facilitator.admin_url("/admin/sessions"),
        &[("authorization", &admin)],
        "",
    )
    .await
    .unwrap();
    let metrics = get(&facilitator.admin_url("/metrics"), &[]).await.text();
    assert!(metrics.contains("tollwire_"), "{metrics}");
    facilitator.signal("TERM").await;
    tokio::time::sleep(Duration::from_millis(500)).await;

    let log = facilitator.output();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "the log is not at trace level");
    let pem = std::fs::read_to_string(facilitator.folder().join("session-key.pem")).unwrap();
    let pem_body = pem.lines().nth(1).unwrap();
    let quote = payment.message["extensions"]["tollwire-session"]["info"]["quote"].as_str().unwrap();
    let seen = format!("{:?}", upstream.requests());
    assert!(seen.contains(UPSTREAM_KEY), "the operator's header reaches the upstream");
    let places = [
        ("log", log.as_str()),
        ("metrics", metrics.as_str()),
        ("refusal", refused.body.as_str()),
        ("error", &stranger.text()),
        ("admin", &listed.text()),
        ("upstream", &seen.replace(UPSTREAM_KEY, "")),
    ];
    let (header, raw_key) = (payment.value.as_str(), ANVIL_KEY.trim_start_matches("0x"));
    let secrets = [
        ("token", token.as_str()),
        ("payment header", header),
        ("quote", quote),
        ("claim", CLAIM),
        ("signing key", pem_body),
        ("settlement key", raw_key),
        ("admin token", ADMIN_TOKEN),
        ("upstream key", UPSTREAM_KEY),
        ("node key", RPC_CANARY),
        ("payload", "payload-canary"),
    ];
    assert_absent(&secrets, &places);
}

/// None of these texts holds one of these secrets.
fn assert_absent(secrets: &[(&str, &str)], places: &[(&str, &str)]) {
    for (place, text) in places {
        for (name, secret) in secrets {
            if let Some(at) = text.find(secret) {
                let line = text[..at].rfind('\n').map_or(0, |start| start + 1);
                let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
                panic!("the {name} stands in the {place}: {:.400}", &text[line..end]);
            }
        }
    }
}
