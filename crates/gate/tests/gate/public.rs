//! The other public routes.

use crate::support::{World, offer_of, request, v2};
use http::{Method, StatusCode};
use serde_json::json;
use std::time::Duration;
use tollwire_gate::Caps;
use tollwire_session::KeySet;

#[tokio::test]
async fn feeds_are_listed_without_their_upstream() {
    let world = World::new();
    let reply = world.get("/feeds").await;
    let feeds = reply.json()["feeds"].clone();
    assert_eq!(feeds[1]["id"], "ticks");
    assert_eq!((&feeds[1]["price"], &feeds[1]["price_text"]), (&json!("10000"), &json!("$0.01")));
    assert_eq!(feeds[1]["session_url"], "http://pay.example:4020/feeds/ticks/session");
    assert!(!reply.text.contains("127.0.0.1"), "{}", reply.text);
}

#[tokio::test(start_paused = true)]
async fn the_online_check_shows_how_a_session_stands() {
    let world = World::new();
    let required = world.bill("ticks").await;
    let offer = offer_of(&required, 100_000);
    let paid = world.pay("ticks", &v2(&required, &offer, &world.wallet(7).sign(&offer, 1)), &[]).await;
    let check = async |authorization: &str| {
        let mut request = request(Method::GET, "/session");
        request.headers_mut().insert("authorization", authorization.parse().unwrap());
        world.call(request).await
    };
    let bearer = format!("Bearer {}", paid.token());
    let view = check(&bearer).await;
    assert_eq!(
        view.json(),
        json!({
            "active": true, "jti": paid.jti(), "feed": "ticks", "unit": "stream", "units_remaining": 10,
            "live_streams": 0, "closed": false, "frozen": false, "expires_at": paid.json()["expires_at"],
        })
    );
    for (authorization, status) in
        [("Bearer x.y.z", 401), ("Basic eA==", 400), ("Bearer ", 400), ("bearer\u{20}a", 401)]
    {
        assert_eq!(check(authorization).await.status.as_u16(), status, "{authorization}");
    }
    let missing = world.get("/session").await;
    assert_eq!((missing.status, missing.header("www-authenticate")), (StatusCode::UNAUTHORIZED, "Bearer"));
    world.gate.revoke(&paid.jti().parse().unwrap()).await.unwrap();
    let revoked = check(&bearer).await.json();
    assert_eq!((&revoked["active"], &revoked["units_remaining"]), (&json!(false), &json!(0)));
    world.clock.advance(Duration::from_secs(25 * 3600));
    assert_eq!(check(&bearer).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn keys_are_published() {
    let world = World::new();
    let reply = world.get("/.well-known/jwks.json").await;
    assert_eq!(reply.header("content-type"), "application/jwk-set+json");
    assert_eq!(KeySet::from_jwks(&reply.text).unwrap().kids().count(), 1);
    assert!(!reply.text.contains("\"d\""));
}

#[tokio::test]
async fn wrong_paths_and_methods_are_named() {
    let world = World::new();
    let reply = world.get("/nothing").await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (StatusCode::NOT_FOUND, "application/problem+json")
    );
    let reply = world.call(request(Method::DELETE, "/feeds/ticks/session")).await;
    assert_eq!((reply.status, reply.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET, OPTIONS"));
    assert_eq!(world.get("/settle").await.header("allow"), "POST, OPTIONS");
}

/// A path of the description with something for each of its parameters.
fn filled(path: &str) -> String {
    path.replace("{feed}", "ticks").replace("{network}", "eip155:84532").replace("{transaction}", "0xab")
}

/// The description is true: every operation in it is served.
#[tokio::test]
async fn every_described_operation_answers() {
    let world = World::new();
    let document = world.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut operations = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().filter(|key| *key != "parameters") {
            let called = method.to_ascii_uppercase().parse().unwrap();
            let reply = world.call(request(called, &filled(path))).await;
            let described = &methods[method]["responses"];
            let status = reply.status.as_str();
            assert!(described.get(status).is_some(), "{method} {path} answered {status}, not described");
            operations += 1;
        }
    }
    assert_eq!(operations, 13);
    for reference in document.to_string().split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn beyond_the_caps_there_is_429() {
    let world = World::with(|config| config.caps = Caps { in_flight_max: 9, in_flight_per_address_max: 1 });
    let required = world.bill("ticks").await;
    let offer = offer_of(&required, 100_000);
    let payment = v2(&required, &offer, &world.wallet(7).sign(&offer, 1));
    let from = |last: u8| {
        let mut request = request(Method::GET, "/feeds/ticks/session");
        request.headers_mut().insert("payment-signature", payment.parse().unwrap());
        request.extensions_mut().insert(std::net::IpAddr::from([10, 0, 0, last]));
        request
    };
    world.chain.faults().slow(Duration::from_secs(1));
    let (first, second, third) = tokio::join!(world.call(from(1)), world.call(from(1)), world.call(from(2)));
    assert_eq!(second.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(second.header("retry-after"), "1");
    assert_eq!(first.jti(), third.jti());
    assert_eq!(world.call(from(1)).await.status, StatusCode::OK, "the pass came back");
}
