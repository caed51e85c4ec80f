//! The HTTP facilitator client against a server that answers as facilitators do, well and badly.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail loudly")]

use bytes::Bytes;
use http::{Request as HttpRequest, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tollwire_client::{Config, HttpFacilitator};
use tollwire_x402::Facilitator as _;
use tollwire_x402::facilitator::{Failure, RawRequest, Request};

/// Answers as the payment's `payload` says: `{status, body}`; `/supported` with its own fixed answer.
async fn facilitator() -> HttpFacilitator {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(tcp), service_fn(answer));
            tokio::spawn(connection);
        }
    });
    HttpFacilitator::new(&url, &Config::new([])).unwrap().with_bearer("s3cret").unwrap()
}

async fn answer(request: HttpRequest<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    assert_eq!(request.headers()["authorization"], "Bearer s3cret");
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    if path == "/supported" {
        let body = json!({"kinds": [{"x402Version": 2, "scheme": "exact", "network": "eip155:8453"}], "signers": {}});
        return Ok(Response::new(Full::new(body.to_string().into())));
    }
    assert!(path == "/verify" || path == "/settle", "{path}");
    let raw: RawRequest = serde_json::from_slice(&body).unwrap();
    assert_eq!(raw.x402_version, Some(2));
    let script = raw.payment_payload["payload"].clone();
    let status = u16::try_from(script["status"].as_u64().unwrap()).unwrap();
    let body = script["body"].as_str().map_or_else(|| script["body"].to_string(), str::to_owned);
    Ok(Response::builder().status(status).body(Full::new(body.into())).unwrap())
}

fn ask(status: u16, body: &Value) -> Request {
    let offer = json!({
        "scheme": "exact", "network": "eip155:8453", "amount": "1", "asset": "0x", "payTo": "0x", "maxTimeoutSeconds": 60,
    });
    let raw: RawRequest = serde_json::from_value(json!({
        "x402Version": 2, "paymentRequirements": offer,
        "paymentPayload": {"x402Version": 2, "accepted": offer, "payload": {"status": status, "body": body}},
    }))
    .unwrap();
    raw.parse().unwrap().unwrap()
}

#[tokio::test]
async fn answers_are_answers_whatever_they_say() {
    let facilitator = facilitator().await;
    let verified = facilitator.verify(ask(200, &json!({"isValid": true, "payer": "0x1"}))).await.unwrap();
    assert!(verified.is_valid);
    for status in [200, 402, 422] {
        let refused = json!({"isValid": false, "invalidReason": "invalid_network"});
        let verified = facilitator.verify(ask(status, &refused)).await.unwrap();
        assert_eq!(verified.invalid_reason.as_deref(), Some("invalid_network"));
        let refused =
            json!({"success": false, "errorReason": "invalid_network", "transaction": null, "network": "x"});
        assert!(!facilitator.settle(ask(status, &refused)).await.unwrap().success);
    }
    let settled = json!({"success": true, "transaction": "0xab", "network": "eip155:8453"});
    assert_eq!(facilitator.settle(ask(200, &settled)).await.unwrap().transaction, "0xab");
    assert_eq!(facilitator.supported().await.unwrap().kinds.len(), 1);
}

#[tokio::test]
async fn pending_is_pending_under_any_status() {
    let pending =
        json!({"success": false, "errorReason": "settlement_pending", "transaction": "0xab", "network": "x"});
    for status in [200, 400, 500, 503] {
        let settled = facilitator().await.settle(ask(status, &pending)).await.unwrap();
        assert_eq!(settled.transaction, "0xab", "{status}");
    }
}

/// What does not answer the question must never read as "not paid".
#[tokio::test]
async fn failures_are_no_verdicts() {
    let facilitator = facilitator().await;
    let refused = json!({"success": false, "errorReason": "unexpected_settle_error", "transaction": "", "network": "x"});
    let settled = json!({"success": true, "transaction": "0xab", "network": "x"});
    for (status, body, kind) in [
        (500, &refused, "unreachable"),
        (503, &refused, "unreachable"),
        (429, &refused, "unreachable"),
        (400, &refused, "malformed"),
        (404, &settled, "out of protocol"),
        (200, &json!("<html>"), "out of protocol"),
        (200, &json!({"success": "yes"}), "out of protocol"),
        (302, &json!(""), "out of protocol"),
    ] {
        let failure = facilitator.settle(ask(status, body)).await.unwrap_err();
        assert!(failure.to_string().contains(kind), "{status}: {failure}");
    }
    let nobody = HttpFacilitator::new("http://127.0.0.1:1", &Config::new([])).unwrap();
    assert!(matches!(nobody.supported().await, Err(Failure::Unreachable(_))));
    assert!(!format!("{facilitator:?}").contains("s3cret"));
}
