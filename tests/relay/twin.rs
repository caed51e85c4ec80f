//! The same call as plain HTTP.

use crate::rig::Rig;
use serde_json::json;
use tollwire_tests::api::{REQUIRED_V1, REQUIRED_V2};
use tollwire_tests::http::{get, try_send};

#[tokio::test]
async fn an_http_request_is_the_same_call() {
    let rig = Rig::start().await;
    let body = r#"{"b":1.0,"a":12345678901234567890123,"x":1e400}"#;
    let url = rig.broker.url("/relay/demo/echo?a=%2F..&b");
    let headers = [
        ("content-type", "application/json"),
        ("cookie", "a=b"),
        ("x-forwarded-for", "1.1.1.1"),
        ("x-own", "1"),
    ];
    let answer = try_send(http::Method::PATCH, &url, &headers, body).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, body));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let seen = &rig.api.seen()[0];
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("PATCH", "/echo?a=%2F..&b"));
    assert_eq!(seen.body, body);
    assert!(seen.headers.contains_key("x-own") && !seen.headers.contains_key("cookie"));
    assert!(!seen.headers.contains_key("x-forwarded-for"));

    let answer = get(&rig.broker.url("/relay/demo/headers"), &[]).await;
    assert_eq!(answer.body, &[0, 0xFF, 0x80][..]);
    assert!(answer.header("set-cookie").is_none() && answer.header("x-own") == Some("1"));
    let answer =
        try_send(http::Method::HEAD, &rig.broker.url("/relay/demo/bytes?77"), &[], "").await.unwrap();
    assert_eq!((answer.header("content-length"), answer.body.len()), (Some("77"), 0));
    assert_eq!(get(&rig.broker.url("/relay/demo/moved"), &[]).await.status, 302);
    assert_eq!(get(&rig.broker.url("/relay/demo/status?500"), &[]).await.status, 500);
}

#[tokio::test]
async fn what_cannot_be_passed_on_is_a_problem() {
    let rig = Rig::limited("upstream_answer = \"1s\"").await;
    for (path, status, kind) in [
        ("/relay/nobody/", 404, "unknown-api"),
        ("/relay/demo//evil/", 400, "malformed"),
        ("/relay/demo/a/%2e%2e/b", 400, "malformed"),
        ("/relay/demo/hangup", 502, "upstream"),
        ("/relay/demo/held", 504, "upstream-timeout"),
    ] {
        let answer = get(&rig.broker.url(path), &[]).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert_eq!(answer.json()["type"], json!(format!("urn:tollwire:problem:{kind}")));
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    let answer = try_send(http::Method::OPTIONS, &rig.broker.url("/relay/demo/"), &[], "").await.unwrap();
    assert_eq!(answer.status, 405);
}

#[tokio::test]
async fn a_402_of_the_api_s_own_passes_and_so_does_the_payment() {
    let rig = Rig::start().await;
    let url = rig.broker.url("/relay/demo/shop");
    let unpaid = get(&url, &[]).await;
    assert_eq!((unpaid.status.as_u16(), unpaid.text().as_str()), (402, REQUIRED_V1));
    let required: serde_json::Value = serde_json::from_str(REQUIRED_V2).unwrap();
    assert_eq!(unpaid.decoded("payment-required"), required);
    for header in ["payment-signature", "x-payment"] {
        let paid = get(&url, &[(header, "eyJ4IjoxfQ==")]).await;
        assert_eq!((paid.status.as_u16(), paid.text().as_str()), (200, r#"{"sold":1.0}"#));
        assert_eq!(paid.decoded("payment-response")["success"], true);
        assert_eq!(rig.api.seen().last().unwrap().headers[header], "eyJ4IjoxfQ==");
    }
}

#[tokio::test]
async fn health_and_metrics_are_the_operator_s() {
    let rig = Rig::start().await;
    let socket = rig.open().await;
    get(&rig.broker.url("/relay/demo/status?404"), &[]).await;
    get(&rig.broker.url("/relay/nobody/x"), &[]).await;
    assert_eq!(get(&rig.broker.admin_url("/healthz"), &[]).await.status, 200);
    assert_eq!(get(&rig.broker.url("/metrics"), &[]).await.status, 404, "not on the public listener");
    let metrics = get(&rig.broker.admin_url("/metrics"), &[]).await.text();
    for line in [
        "tollwire_relay_sockets 1",
        r#"tollwire_relay_calls_total{api="demo",way="http",outcome="4xx"} 1"#,
        r#"tollwire_relay_calls_total{api="",way="http",outcome="404"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} not in {metrics}");
    }
    socket.close().await;
}
