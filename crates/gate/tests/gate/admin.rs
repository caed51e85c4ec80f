//! The operator's service.

use crate::support::{ADMIN_TOKEN, Reply, World, feed_to, offer_of, request, usdc, v2};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;
use tollwire_gate::feed::Origin;
use tollwire_ledger::{Command, Ledger as _};
use tollwire_settlement::Chain as _;
use tollwire_x402::{SessionId, StreamId};

const PROVIDER: &str = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A";

async fn ask(world: &World, method: Method, path: &str, body: Value) -> Reply {
    let mut request = request(method, path);
    request.headers_mut().insert("authorization", format!("Bearer {ADMIN_TOKEN}").parse().unwrap());
    if body != Value::Null {
        *request.body_mut() = body.to_string().into();
    }
    world.admin(request).await
}

#[tokio::test]
async fn health_and_metrics_are_open_and_nothing_else_is() {
    let world = World::new();
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(world.admin(request(Method::GET, path)).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(world.admin(request(Method::GET, "/metrics")).await.text, "tollwire_up 1\n");
    let jti = "7d444840-9dc0-4acd-b245-5ffdce74fad2";
    let revoke = format!("/admin/sessions/{jti}/revoke");
    for (method, path) in [
        (Method::GET, "/admin/payouts"),
        (Method::POST, "/admin/payouts"),
        (Method::GET, "/admin/ledger/balance"),
        (Method::GET, "/admin/feeds"),
        (Method::POST, "/admin/feeds"),
        (Method::PATCH, "/admin/feeds/ticks"),
        (Method::DELETE, "/admin/feeds/ticks"),
        (Method::GET, "/admin/sessions"),
        (Method::POST, &revoke),
        (Method::GET, "/admin/ledger"),
    ] {
        let without = world.admin(request(method.clone(), path)).await;
        assert_eq!(without.status, StatusCode::UNAUTHORIZED, "{path}");
        for wrong in ["x", &format!("{ADMIN_TOKEN}x"), &ADMIN_TOKEN[1..]] {
            let mut request = request(method.clone(), path);
            request.headers_mut().insert("authorization", format!("Bearer {wrong}").parse().unwrap());
            assert_eq!(world.admin(request).await.status, StatusCode::UNAUTHORIZED, "{path}");
        }
    }
    assert_eq!(world.gate.feeds().list().len(), 2, "nothing was done");
    world.gate.start_draining();
    let draining = world.admin(request(Method::GET, "/readyz")).await;
    assert_eq!(
        (draining.status, draining.json()["reason"].clone()),
        (StatusCode::SERVICE_UNAVAILABLE, json!("draining"))
    );
}

#[tokio::test]
async fn feeds_come_change_and_go() {
    let world = World::new();
    let feed = json!({
        "id": "trades", "upstream": "wss://up.example/stream?key=SECRET1", "price": "0.05",
        "upstream_headers": {"x-api-key": "SECRET2"}, "max_stream": "2h", "deposit_units": [20, 2],
    });
    let added = ask(&world, Method::POST, "/admin/feeds", feed.clone()).await;
    assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
    assert_eq!(added.header("location"), "/admin/feeds/trades");
    assert_eq!(added.json()["upstream_headers"], json!(["x-api-key"]));
    assert!(!added.text.contains("SECRET2"), "{}", added.text);
    assert_eq!(ask(&world, Method::POST, "/admin/feeds", feed).await.status, StatusCode::CONFLICT);
    assert_eq!(world.bill("trades").await.accepts[0].amount.atomic(), 1_000_000);

    let changed = ask(&world, Method::PATCH, "/admin/feeds/trades", json!({"price": "0.10"})).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    assert_ne!(changed.json()["tariff"], added.json()["tariff"]);
    assert_eq!(changed.json()["max_stream_seconds"], 7200, "what is not named stays");
    assert_eq!(world.bill("trades").await.accepts[0].amount.atomic(), 2_000_000);

    let shown = ask(&world, Method::GET, "/admin/feeds/trades", Value::Null).await;
    assert_eq!(shown.json()["tariff"], changed.json()["tariff"]);
    let gone = ask(&world, Method::DELETE, "/admin/feeds/trades", Value::Null).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    for method in [Method::GET, Method::DELETE, Method::PATCH] {
        let reply = ask(&world, method, "/admin/feeds/trades", json!({})).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_feed_that_cannot_work_is_refused_by_field() {
    let world = World::with(|config| config.upstream_hosts = vec!["up.example".into()]);
    for (field, feed) in [
        ("upstream", json!({"price": "1"})),
        ("price", json!({"upstream": "ws://up.example/"})),
        ("price", json!({"upstream": "ws://up.example/", "price": "1e3"})),
        ("upstream", json!({"upstream": "http://up.example/", "price": "1"})),
        ("upstream", json!({"upstream": "ws://user:pw@up.example/", "price": "1"})),
        ("upstream", json!({"upstream": "ws://169.254.169.254/latest", "price": "1"})),
        ("upstream", json!({"upstream": "ws://localhost/", "price": "1"})),
        ("max_stream", json!({"upstream": "ws://up.example/", "price": "1", "max_stream": "forever"})),
        ("exhausted", json!({"upstream": "ws://up.example/", "price": "1", "exhausted": "maybe"})),
        ("upstream_auth", json!({"upstream": "ws://up.example/", "price": "1", "upstream_auth": "token"})),
        ("body", json!({"upstream": "ws://up.example/", "price": "1", "unknown": 1})),
        ("body", json!(["upstream"])),
        ("upstream", json!({"upstream": "SECRET", "price": "1"})),
        ("upstream_headers", json!({"upstream": "ws://up.example/", "upstream_headers": ["SECRET"]})),
        (
            "upstream_headers",
            json!({"upstream": "ws://up.example/", "price": "1", "upstream_headers": {"a": "SECRET\n"}}),
        ),
        ("price", json!({"upstream": "ws://up.example/", "price": 1})),
        ("deposit_units", json!({"upstream": "ws://up.example/", "deposit_units": [1, "SECRET"]})),
        ("deposit_units", json!({"upstream": "ws://up.example/", "price": "1", "deposit_units": []})),
        ("networks", json!({"upstream": "ws://up.example/", "networks": ["SECRET"]})),
        ("networks", json!({"upstream": "ws://up.example/", "price": "1", "networks": ["eip155:8453"]})),
        (
            "provider_wallet",
            json!({"upstream": "ws://up.example/", "price": "1", "provider_wallet": {"eip155:84532": "SECRET"}}),
        ),
        (
            "provider_wallet",
            json!({"upstream": "ws://up.example/", "price": "1", "provider_wallet": {"eip155:84532": "0x19e7E376E7C213B7E7e7e46cc70A5dD086DAff2A"}}),
        ),
        (
            "provider_wallet",
            json!({"upstream": "ws://up.example/", "price": "1", "provider_wallet": {"eip155:84532": "0x0000000000000000000000000000000000000000"}}),
        ),
        (
            "provider_wallet",
            json!({"upstream": "ws://up.example/", "price": "1", "provider_wallet": {"eip155:1": "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"}}),
        ),
    ] {
        let reply = ask(&world, Method::POST, "/admin/feeds", feed.clone()).await;
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{feed}: {reply:?}");
        let detail = reply.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with(field), "{feed}: {detail}");
        assert!(!detail.contains("SECRET"), "the answer repeats a value: {detail}");
    }
    let reply =
        ask(&world, Method::POST, "/admin/feeds", json!({"upstream": "ws://up.example/", "price": "1"}))
            .await;
    assert_eq!(reply.status, StatusCode::CREATED);
    assert!(reply.json()["id"].as_str().unwrap().starts_with("feed-"));
    let reply =
        ask(&world, Method::PATCH, "/admin/feeds/ticks", json!({"upstream": "ws://evil.example/"})).await;
    assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{reply:?}");
}

#[tokio::test(start_paused = true)]
async fn sessions_are_paged_and_revoked_and_the_books_balance() {
    let world = World::new();
    let required = world.bill("ticks").await;
    let offer = offer_of(&required, 100_000);
    for nonce in 1..=5 {
        let payment = v2(&required, &offer, &world.wallet(7).sign(&offer, nonce));
        assert_eq!(world.pay("ticks", &payment, &[]).await.status, StatusCode::OK);
    }
    let mut seen = Vec::new();
    let mut path = "/admin/sessions?limit=2".to_owned();
    loop {
        let page = ask(&world, Method::GET, &path, Value::Null).await.json();
        seen.extend(page["sessions"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/admin/sessions?limit=2&after={next}");
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.iter().all(|session| session["bought"] == 10 && session["remaining"] == 10));
    for bad in ["limit=0", "limit=501", "limit=x", "after=x", "limit=1&limit=2"] {
        let reply = ask(&world, Method::GET, &format!("/admin/sessions?{bad}"), Value::Null).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{bad}");
    }
    let jti = seen[0]["jti"].as_str().unwrap();
    let revoke = format!("/admin/sessions/{jti}/revoke");
    assert_eq!(ask(&world, Method::POST, &revoke, Value::Null).await.status, StatusCode::NO_CONTENT);
    let unknown = "/admin/sessions/7d444840-9dc0-4acd-b245-5ffdce74fad2/revoke";
    assert_eq!(ask(&world, Method::POST, unknown, Value::Null).await.status, StatusCode::NOT_FOUND);

    let books = ask(&world, Method::GET, "/admin/ledger", Value::Null).await.json();
    assert_eq!((&books["balanced"], &books["payments_in_doubt"]), (&json!(true), &json!(0)));
    assert_eq!(books["totals"], books["feeds"]["ticks"]);
    assert_eq!(books["totals"]["bought"], 50);
    assert_eq!(books["totals"]["usdc"]["deposited"], "500000");
    assert_eq!(books["totals"]["usdc"]["unspent"], "500000");
    assert_eq!(books["totals"]["usdc"]["gas_uncovered"], "35000");
    world.clock.advance(Duration::from_secs(31 * 24 * 3600));
    assert_eq!(world.gate.sweep().await.unwrap(), 5);
    let books = ask(&world, Method::GET, "/admin/ledger", Value::Null).await.json();
    assert_eq!((&books["balanced"], &books["totals"]["refunded"]), (&json!(true), &json!(50)));
    assert_eq!(books["totals"]["usdc"]["refunded"], "465000", "paid back, as configured");
    assert_eq!(books["totals"]["usdc"]["refund_gas"], "35000");
}

#[tokio::test(start_paused = true)]
async fn providers_are_paid_and_the_books_are_in_double_entry() {
    let world = World::new();
    let mut feed = feed_to("earning", "ws://up.example/");
    feed.provider_wallet.insert(tollwire_settlement::dev::NETWORK, PROVIDER.to_owned());
    world.gate.feeds().add(feed, Origin::Admin).unwrap();
    let required = world.bill("earning").await;
    let offer = offer_of(&required, 100_000);
    let payment = v2(&required, &offer, &world.wallet(7).sign(&offer, 1));
    let paid = world.pay("earning", &payment, &[]).await;
    let session: SessionId = paid.jti().parse().unwrap();
    let stream: StreamId = "0123456789abcdef".parse().unwrap();
    let row = world.ledger.session(&session).await.unwrap().unwrap();
    assert_eq!(row.provider.as_deref(), Some(PROVIDER), "fixed when it is opened");
    for command in [
        Command::Hold {
            session: session.clone(),
            stream: stream.clone(),
            fence: None,
            to: 4,
            lease: Duration::from_secs(10),
            streams_max: 1,
        },
        Command::End { session, stream, fence: 1, used: 4 },
    ] {
        let _held_or_done = world.ledger.apply(command).await.unwrap();
    }
    let nothing = ask(&world, Method::POST, "/admin/payouts", Value::Null).await.json();
    assert_eq!(nothing, json!({ "sealed": [], "gathering": [], "short": [], "failed": [] }));
    let round = ask(&world, Method::POST, "/admin/payouts?threshold=0.01", Value::Null).await.json();
    assert_eq!(round["sealed"][0]["amount"], "32600", "four of ten, less fee and gas: {round}");
    tokio::time::sleep(Duration::from_secs(5)).await;
    let payouts = ask(&world, Method::GET, "/admin/payouts", Value::Null).await.json();
    let [payout] = &payouts["payouts"].as_array().unwrap()[..] else { panic!("{payouts}") };
    assert_eq!((&payout["state"], &payout["to"]), (&json!("paid"), &json!(PROVIDER)), "{payout}");
    assert_eq!(world.chain.balance_of(&world.chain.info().deposit_wallet), usdc(100_000 - 32_600));
    let books = ask(&world, Method::GET, "/admin/ledger/balance", Value::Null).await.json();
    let chain = &books["chains"]["eip155:84532"];
    assert_eq!((&books["zero"], &chain["difference"]), (&json!(true), &json!("0")), "{books}");
    assert_eq!(
        (&chain["custody"], &chain["custody_on_chain"]),
        (&json!("67400"), &json!("67400")),
        "{books}"
    );
    // The money is gone: nothing more is paid, and the answer says why.
    world.chain.set_balance(&world.chain.info().deposit_wallet, usdc(1));
    let short = ask(&world, Method::POST, "/admin/payouts?threshold=0", Value::Null).await.json();
    assert_eq!((&short["short"][0]["custody"], &short["short"][0]["owed"]), (&json!("1"), &json!("60000")));
}

#[tokio::test]
async fn wrong_admin_methods_are_named() {
    let world = World::new();
    let reply = ask(&world, Method::DELETE, "/admin/ledger", Value::Null).await;
    assert_eq!((reply.status, reply.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD"));
    assert_eq!(ask(&world, Method::GET, "/admin/nothing", Value::Null).await.status, StatusCode::NOT_FOUND);
}
