//! The operator's listener: nothing without the token, clear answers to mistakes, feeds that come and go.

use http::Method;
use serde_json::{Value, json};
use tollwire_testkit::feed::{Message, Mode, SampleFeed};
use tollwire_tests::agent::{Agent, bill};
use tollwire_tests::facilitator::ADMIN_TOKEN;
use tollwire_tests::http::{get, try_send};
use tollwire_tests::settings::PROVIDER;
use tollwire_tests::world::World;
use tollwire_tests::ws::open;

const HEADER_KEY: &str = "upstream-header-canary-0123456789";

#[tokio::test]
async fn nothing_is_shown_or_done_without_the_token() {
    let world = World::start(Mode::Echo, |_| {}).await;
    let token = world.token(10).await;
    let jti = world.online(&token).await["jti"].as_str().unwrap().to_owned();
    let revoke = format!("/admin/sessions/{jti}/revoke");
    let routes = [
        (Method::GET, "/admin/feeds"),
        (Method::POST, "/admin/feeds"),
        (Method::GET, "/admin/feeds/ticks"),
        (Method::PATCH, "/admin/feeds/ticks"),
        (Method::DELETE, "/admin/feeds/ticks"),
        (Method::GET, "/admin/sessions"),
        (Method::POST, revoke.as_str()),
        (Method::GET, "/admin/ledger"),
        // Not even which methods there are.
        (Method::DELETE, "/admin/ledger"),
    ];
    let (cut, long) = (&ADMIN_TOKEN[..ADMIN_TOKEN.len() - 1], format!("{ADMIN_TOKEN}x"));
    let wrong = ["", "Bearer", "Bearer ", "Bearer x", "Basic eDp5", ADMIN_TOKEN, "bearer\t"]
        .map(str::to_owned)
        .into_iter()
        .chain([cut, &long, &token, &ADMIN_TOKEN.to_uppercase()].map(|token| format!("Bearer {token}")));
    for credential in wrong {
        for (method, path) in &routes {
            let url = world.facilitator.admin_url(path);
            let answer =
                try_send(method.clone(), &url, &[("authorization", &credential)], "{}").await.unwrap();
            assert!(matches!(answer.status.as_u16(), 400 | 401), "{credential}: {method} {path}: {answer:?}");
            let text = answer.text();
            assert!(!text.contains("ticks") && !text.contains(&jti) && !text.contains(ADMIN_TOKEN), "{text}");
        }
    }
    let right = format!("Bearer {ADMIN_TOKEN}");
    let twice = [("authorization", right.as_str()), ("authorization", right.as_str())];
    assert_eq!(get(&world.facilitator.admin_url("/admin/ledger"), &twice).await.status, 400);
    // In the query it is no credential, whatever it is called.
    for name in ["token", "access_token", "authorization"] {
        let url = world.facilitator.admin_url(&format!("/admin/ledger?{name}={ADMIN_TOKEN}"));
        assert_eq!(get(&url, &[]).await.status, 401);
    }
    // The public listener knows none of these paths, with or without the token.
    for (method, path) in &routes {
        let url = world.facilitator.url(path);
        let answer = try_send(method.clone(), &url, &[("authorization", &right)], "{}").await.unwrap();
        assert_eq!(answer.status, 404, "{method} {path}");
    }
    assert_eq!(get(&world.facilitator.url("/metrics"), &[]).await.status, 404);
    assert_eq!(world.remaining(&token).await, 10, "nothing was revoked");
    assert!(!world.facilitator.output().contains(ADMIN_TOKEN));
}

/// A feed's members with values that cannot be taken.
fn bad_members() -> Vec<(&'static str, Value)> {
    vec![
        ("id", json!("UPPER")),
        ("id", json!("../etc")),
        ("id", json!("a".repeat(65))),
        ("id", json!(7)),
        ("description", json!("x".repeat(257))),
        ("description", json!("line\u{7}")),
        ("upstream", json!("canary")),
        ("upstream", json!("http://up.example/")),
        ("upstream", json!("ws://canary@up.example/")),
        ("upstream", json!("ws://up.example/#canary")),
        ("upstream", json!("ws://169.254.169.254/canary")),
        ("upstream", json!("ws://up.example.canary/")),
        ("upstream_headers", json!({ "x": "canary\r\nx: y" })),
        ("upstream_headers", json!({ "x y": "canary" })),
        ("upstream_headers", json!(["canary"])),
        ("upstream", json!(null)),
        ("upstream_auth", json!("canary")),
        ("price", json!(0.01)),
        ("price", json!("0")),
        ("price", json!("-1")),
        ("price", json!("1e-2")),
        ("price", json!("0.0000001")),
        ("price", json!("99999999999999999999")),
        ("unit", json!("canary")),
        ("count", json!("canary")),
        ("streams_per_session", json!("canary")),
        ("low_water", json!(-1)),
        ("deposit_units", json!([])),
        ("deposit_units", json!([1, 10])),
        ("deposit_units", json!([10, 10])),
        ("deposit_units", json!([1, 0])),
        ("deposit_units", json!([-1])),
        ("deposit_units", json!([1.5])),
        ("deposit_units", json!([18_446_744_073_709_551_615_u64])),
        ("deposit_units", json!((1..=17).rev().collect::<Vec<u64>>())),
        ("networks", json!([])),
        ("networks", json!(["eip155:84532", "eip155:84532"])),
        ("networks", json!(["eip155:8453"])),
        ("networks", json!(["canary"])),
        ("provider_wallet", json!({ "eip155:84532": "canary" })),
        ("provider_wallet", json!({ "eip155:8453": PROVIDER })),
        ("exhausted", json!("canary")),
        ("max_stream", json!("0s")),
        ("max_stream", json!("31d")),
        ("max_stream", json!("canary")),
    ]
}

#[tokio::test]
async fn every_bad_member_of_a_feed_is_named_and_no_value_repeated() {
    let world =
        World::start(Mode::Echo, |settings| settings.top = "upstream_hosts = [\"up.example\"]".into()).await;
    let fine = json!({ "id": "fine", "upstream": "ws://up.example/", "price": "0.01" });
    for (name, value) in bad_members() {
        let mut feed = fine.clone();
        feed[name] = value;
        let answer = world.admin(Method::POST, "/admin/feeds", &feed.to_string()).await;
        assert_eq!(answer.status, 422, "{feed}: {answer:?}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        // The header names of an upstream are the upstream's to check.
        assert!(detail.starts_with(name), "{feed}: {detail}");
        assert!(!detail.contains("canary"), "the answer repeats a value: {detail}");
    }
    let long = format!("{{\"description\":\"{}\"}}", "x".repeat(70_000));
    for (body, status) in [
        ("", 422),
        ("{", 422),
        ("[]", 422),
        ("null", 422),
        ("{} {}", 422),
        (r#"{"price":"1","price":"0.01","upstream":"ws://up.example/"}"#, 422),
        (r#"{"prise":"1","upstream":"ws://up.example/"}"#, 422),
        (&"[".repeat(50_000), 422),
        (&long, 400),
    ] {
        let answer = world.admin(Method::POST, "/admin/feeds", body).await;
        assert_eq!(answer.status, status, "{body:.60}: {answer:?}");
    }
    let listed = world.admin(Method::GET, "/admin/feeds", "").await.json();
    assert_eq!(listed["feeds"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(world.admin(Method::POST, "/admin/feeds", &fine.to_string()).await.status, 201);
}

#[tokio::test]
async fn a_registered_feed_sells_under_the_limits_of_the_configuration() {
    let world = World::start(Mode::Echo, |settings| settings.limits = "message_bytes = 1000".into()).await;
    let added = SampleFeed::start(Mode::Echo).await.unwrap();
    let feed = json!({
        "id": "added", "upstream": added.url("/added?key=1"), "price": "0.02", "deposit_units": [5],
        "upstream_headers": { "x-api-key": HEADER_KEY }, "max_stream": "1h",
    });
    let answer = world.admin(Method::POST, "/admin/feeds", &feed.to_string()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(world.admin(Method::POST, "/admin/feeds", &feed.to_string()).await.status, 409);
    let url = world.facilitator.url("/feeds/added/session");
    let paid = Agent::new().buy(&url, 100_000).await;
    let token = paid.json()["token"].as_str().unwrap().to_owned();
    let ws = world.facilitator.ws_url(&format!("/feeds/added/ws?token={token}"));
    let mut stream = open(&ws, &[]).await.unwrap();
    stream.echo(Message::text("hello")).await;
    assert_eq!(added.requests()[0].header("x-api-key"), Some(HEADER_KEY));
    // Nobody else sees the operator's key or where the feed comes from.
    let shown = [
        world.admin(Method::GET, "/admin/feeds", "").await.text(),
        get(&world.facilitator.url("/feeds"), &[]).await.text(),
        get(&url, &[]).await.text(),
        world.facilitator.output(),
    ];
    for text in &shown {
        assert!(!text.contains(HEADER_KEY), "{text}");
    }
    for text in &shown[1..3] {
        assert!(!text.contains(&added.address().port().to_string()), "{text}");
    }
    // The operator's limits hold for it as for every other.
    stream.send(Message::binary(vec![0; 1_001])).await;
    assert_eq!(stream.ended_within(std::time::Duration::from_secs(10)).await.code, 1009);

    let dearer = world.admin(Method::PATCH, "/admin/feeds/added", r#"{"price":"0.04"}"#).await;
    assert_eq!(dearer.status, 200, "{dearer:?}");
    assert_eq!(bill(&url).await["accepts"][0]["amount"], "200000");
    let mut stream = open(&ws, &[]).await.unwrap();
    stream.echo(Message::text("paid at the old price")).await;
    assert_eq!(world.admin(Method::DELETE, "/admin/feeds/added", "").await.status, 204);
    stream.echo(Message::text("a live stream goes on")).await;
    assert_eq!(open(&ws, &[]).await.err().unwrap().status, 404);
    assert_eq!(world.admin(Method::POST, "/admin/feeds", &feed.to_string()).await.status, 201);
    assert!(open(&ws, &[]).await.is_ok(), "its sessions kept their balance");
    let books: Value = world.admin(Method::GET, "/admin/ledger", "").await.json();
    assert_eq!(books["feeds"]["added"]["captured"], 3, "{books}");
}

#[tokio::test]
async fn a_registered_feed_survives_a_crash_and_is_kept_from_others() {
    let mut world = World::start(Mode::Echo, |_| {}).await;
    let added = SampleFeed::start(Mode::Echo).await.unwrap();
    let feed = json!({
        "id": "added", "description": "kept", "upstream": added.url("/added?key=1"), "price": "0.0203",
        "deposit_units": [50, 5], "upstream_headers": { "x-api-key": HEADER_KEY }, "max_stream": "90m",
        "exhausted": "close", "upstream_auth": "stream-token", "provider_wallet": { "eip155:84532": PROVIDER },
    });
    assert_eq!(world.admin(Method::POST, "/admin/feeds", &feed.to_string()).await.status, 201);
    let other = json!({ "id": "other", "upstream": added.url("/other"), "price": "1" });
    assert_eq!(world.admin(Method::POST, "/admin/feeds", &other.to_string()).await.status, 201);
    assert_eq!(world.admin(Method::PATCH, "/admin/feeds/other", r#"{"price":"2"}"#).await.status, 200);
    assert_eq!(world.admin(Method::PATCH, "/admin/feeds/ticks", r#"{"price":"3"}"#).await.status, 200);
    let shown = world.admin(Method::GET, "/admin/feeds", "").await.json();
    let paid = Agent::new().buy(&world.facilitator.url("/feeds/added/session"), 101_500).await;
    let token = paid.json()["token"].as_str().unwrap().to_owned();

    world.facilitator.crash_and_restart().await;
    let again = world.admin(Method::GET, "/admin/feeds", "").await.json();
    let of = |all: &Value, id: &str| {
        all["feeds"].as_array().unwrap().iter().find(|feed| feed["id"] == id).cloned().unwrap()
    };
    for id in ["added", "other"] {
        assert_eq!(of(&again, id), of(&shown, id), "tariff, bounds and origin are what they were");
    }
    assert_eq!(of(&again, "ticks")["price"], "10000", "the configuration's own feed is what the file says");
    let ws = world.facilitator.ws_url(&format!("/feeds/added/ws?token={token}"));
    open(&ws, &[]).await.unwrap().echo(Message::text("sold before the crash")).await;
    assert_eq!(added.requests()[0].header("x-api-key"), Some(HEADER_KEY));

    let file = world.facilitator.folder().join("registered-feeds.json");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o077, 0, "others can read upstream keys");
    // What cannot be kept is not changed.
    std::fs::create_dir(world.facilitator.folder().join("registered-feeds.json.new")).unwrap();
    let third = json!({ "id": "third", "upstream": added.url("/third"), "price": "1" });
    for (method, path, body) in [
        (Method::POST, "/admin/feeds", third.to_string()),
        (Method::PATCH, "/admin/feeds/other", r#"{"price":"5"}"#.to_owned()),
        (Method::DELETE, "/admin/feeds/added", String::new()),
    ] {
        let refused = world.admin(method, path, &body).await;
        assert_eq!(refused.status, 503, "{path}: {refused:?}");
    }
    let after = world.admin(Method::GET, "/admin/feeds", "").await.json();
    assert_eq!(after["feeds"].as_array().unwrap().len(), 3, "{after}");
    assert_eq!(of(&after, "other"), of(&again, "other"));
    std::fs::remove_dir(world.facilitator.folder().join("registered-feeds.json.new")).unwrap();
    assert_eq!(world.admin(Method::DELETE, "/admin/feeds/added", "").await.status, 204);
    world.facilitator.crash_and_restart().await;
    assert_eq!(world.admin(Method::GET, "/admin/feeds/added", "").await.status, 404);
    assert_eq!(world.admin(Method::GET, "/admin/feeds/other", "").await.status, 200);
}
