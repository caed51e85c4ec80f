//! What reaches an API, and what does not.

use crate::rig::{Rig, ask, code, get};
use serde_json::json;
use std::time::{Duration, Instant};
use tollwire_tests::api::Api;
use tollwire_tests::broker::{Broker, BrokerSettings};
use tollwire_tests::http::try_send;
use tollwire_tests::ws::open;

#[tokio::test]
async fn paths_stay_below_the_base() {
    let api = Api::start().await;
    let broker = Broker::start(&BrokerSettings::demo(&api.url("/base/"))).await;
    let mut socket = open(&broker.socket_url(), &[]).await.unwrap();
    for bad in [
        "//127.0.0.1:1/",
        "http://127.0.0.1:1/",
        "echo",
        "/../admin",
        "/a/%2e%2e/%2E%2E/admin",
        "/a%2f..%2f..",
        "/a\\..\\..",
        "/a\r\nx: y",
        "/a%0d%0ax:%20y",
        "/a\u{0}",
        "/a#b",
    ] {
        assert_eq!(code(&ask(&mut socket, &get("p", bad)).await, "p"), 400, "{bad:?}");
    }
    assert_eq!(api.seen().len(), 0);
    ask(&mut socket, &get("p", "/v1/x%20y?q=/../%00&r")).await;
    assert_eq!(api.seen()[0].target, "/base/v1/x%20y?q=/../%00&r");
    assert_eq!(api.seen()[0].headers["host"], format!("127.0.0.1:{}", api.port()).as_str());
}

#[tokio::test]
async fn headers_about_the_connection_or_the_caller_stay_behind() {
    let api = Api::start().await;
    let apis =
        BrokerSettings::api("demo", &api.url(""), "headers = { x-key = \"env:PATH\", x-fixed = \"ours\" }");
    let broker = Broker::start(&BrokerSettings { apis, ..BrokerSettings::default() }).await;
    let mut socket = open(&broker.socket_url(), &[]).await.unwrap();
    let mut envelope = get(1, "/echo");
    envelope["params"]["requestHeaders"] = json!({
        "Accept": "application/json", "Authorization": "Bearer of-the-api", "X-Fixed": "theirs",
        "Connection": "close, X-Hop", "X-Hop": "1", "Host": "evil.example", "Content-Length": "999",
        "Transfer-Encoding": "chunked", "Cookie": "a=b", "X-Forwarded-For": "10.0.0.1", "Forwarded": "for=x",
        "Upgrade": "h2c", "TE": "trailers", "Sec-WebSocket-Key": "x", "Proxy-Authorization": "x",
        "Accept-Encoding": "gzip", "Expect": "100-continue",
    });
    assert_eq!(ask(&mut socket, &envelope).await["metadata"]["status"], 200);
    let seen = &api.seen()[0].headers;
    assert_eq!(seen["authorization"], "Bearer of-the-api");
    assert_eq!(seen["x-fixed"], "ours");
    assert!(!seen["x-key"].is_empty());
    let mut names: Vec<_> = seen.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "authorization", "host", "x-fixed", "x-key"]);
    assert_eq!(seen["host"], format!("127.0.0.1:{}", api.port()).as_str());
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let rig = Rig::start().await;
    let answer = ask(&mut rig.open().await, &get(1, "/moved")).await;
    assert_eq!((&answer["metadata"]["status"], &answer["result"]), (&json!(302), &json!(null)));
    assert_eq!(answer["metadata"]["headers"]["location"], "http://127.0.0.1:1/");
    assert_eq!(rig.api.seen().len(), 1);
}

/// A name that points to a private address is found out when it is resolved; a literal one, at the start.
#[tokio::test]
async fn private_addresses_are_reached_only_where_the_operator_says_so() {
    let api = Api::start().await;
    let named = format!("http://localhost:{}", api.port());
    let apis = format!(
        "{}[[api]]\nid = \"hidden\"\nbase_url = \"{named}\"\n",
        BrokerSettings::api("demo", &named, "")
    );
    let mut broker = Broker::start(&BrokerSettings { apis, ..BrokerSettings::default() }).await;
    let mut socket = open(&broker.socket_url(), &[]).await.unwrap();
    assert_eq!(ask(&mut socket, &get(1, "/status?200")).await["metadata"]["status"], 200);
    let mut hidden = get(2, "/status?200");
    hidden["params"]["apiId"] = json!("hidden");
    let refused = ask(&mut socket, &hidden).await;
    assert_eq!(code(&refused, 2), 502);
    assert_eq!(refused["error"]["message"], "Relay proxy error: cannot connect to the API");
    assert_eq!(api.seen().len(), 1);
    broker.line("set allow_private if it should").await;
}

#[tokio::test]
async fn apis_that_fail_are_told_apart() {
    let api = Api::start().await;
    let gone = BrokerSettings::api("gone", "http://127.0.0.1:1", "");
    let settings = BrokerSettings {
        limits: "upstream_answer = \"1s\"\nanswer_bytes = 1000".into(),
        apis: BrokerSettings::api("demo", &api.url(""), "") + &gone,
        ..BrokerSettings::default()
    };
    let broker = Broker::start(&settings).await;
    let mut socket = open(&broker.socket_url(), &[]).await.unwrap();
    let begun = Instant::now();
    assert_eq!(code(&ask(&mut socket, &get(1, "/held")).await, 1), 504);
    assert!(begun.elapsed() < Duration::from_secs(8));
    assert_eq!(code(&ask(&mut socket, &get(2, "/hangup")).await, 2), 502);
    assert_eq!(code(&ask(&mut socket, &get(3, "/bytes?1001")).await, 3), 502);
    assert_eq!(code(&ask(&mut socket, &get(4, "/chunks?1001")).await, 4), 502);
    assert_eq!(ask(&mut socket, &get(5, "/chunks?1000")).await["metadata"]["status"], 200);
    let mut envelope = get(6, "/");
    envelope["params"]["apiId"] = json!("gone");
    assert_eq!(code(&ask(&mut socket, &envelope).await, 6), 502);
}

#[tokio::test]
async fn bodies_over_the_limit_go_nowhere() {
    let rig = Rig::limited("request_bytes = 1000").await;
    let mut socket = rig.open().await;
    let mut envelope = get(1, "/echo");
    envelope["params"]["requestBody"] = json!("x".repeat(1_001));
    assert_eq!(code(&ask(&mut socket, &envelope).await, 1), 413);
    envelope["params"]["requestBody"] = json!("x".repeat(1_000));
    assert_eq!(ask(&mut socket, &envelope).await["metadata"]["status"], 200);
    let url = rig.broker.url("/relay/demo/echo");
    let answer = try_send(http::Method::POST, &url, &[], "x".repeat(1_001)).await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), answer.json()["type"].clone()),
        (413, json!("urn:tollwire:problem:too-large"))
    );
    assert_eq!(rig.api.seen().len(), 1);
}
