//! Upgrades over sockets: who is let through, in which order it is decided, and what a refusal says.

use crate::socket::{Served, Upgrade, closed, next_text};
use crate::support::{PUBLIC_URL, Reply, World, issuer, key, offer_of, v1_header, v2};
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use std::time::Duration;
use tollwire_ledger::Clock as _;
use tollwire_proxy::WhenExhausted;
use tollwire_session::{Claims, StreamClaims};
use tollwire_testkit::feed::Mode;
use tollwire_x402::close::CloseCode;
use tollwire_x402::facilitator::SettleResponse;
use tollwire_x402::header;
use tollwire_x402::v2::PaymentRequired;

const TICKS: Mode = Mode::Ticks(Duration::from_millis(10));

/// A session of this many atomic USDC.
async fn session(world: &World, atomic: u64) -> Reply {
    let required = world.bill("ticks").await;
    let offer = offer_of(&required, atomic);
    let nonce = u8::try_from(world.chain.transfers().len()).unwrap() + 1;
    let reply = world.pay("ticks", &v2(&required, &offer, &world.wallet(7).sign(&offer, nonce)), &[]).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    reply
}

/// A token with claims as the gate makes them, changed, signed by whichever key.
fn token(
    served: &Served,
    from: &Reply,
    key: &tollwire_session::SigningKey,
    change: impl FnOnce(&mut Claims),
) -> String {
    let mut claims = served.world.gate.check_token(&from.token()).unwrap();
    change(&mut claims);
    let issuer = tollwire_session::Issuer::new(key.clone(), claims.iss.clone(), claims.aud.clone());
    issuer.issue(&claims).unwrap()
}

fn payable(headers: &HeaderMap) -> Option<PaymentRequired> {
    let value = headers.get(header::PAYMENT_REQUIRED)?;
    Some(header::decode(header::PAYMENT_REQUIRED, value.as_bytes()).unwrap())
}

#[tokio::test]
async fn a_token_opens_streams_by_header_or_query() {
    let served = Served::start(TICKS).await;
    let token = session(&served.world, 100_000).await.token();
    let (mut socket, headers) = served.open_with(&token).await.opened();
    assert_eq!(next_text(&mut socket).await, r#"{"tick":1}"#);
    assert!(headers.contains_key(header::TOLLWIRE_STREAM));
    assert!(!headers.contains_key(header::PAYMENT_RESPONSE));
    let (mut second, _) = served.open(&format!("/feeds/ticks/ws?token={token}&x=1"), &[]).await.opened();
    assert_eq!(next_text(&mut second).await, r#"{"tick":1}"#);
    assert_eq!(served.remaining(&token).await, 8);
    let seen = served.upstream.requests();
    assert!(seen.iter().all(|request| !format!("{request:?}").contains(&token)), "{seen:?}");
}

/// design: signature, type, audience 401; exp, feed 403; session unknown, revoked or frozen 401; nothing left 403.
#[tokio::test]
async fn refusals_come_in_order_with_their_codes() {
    let served = Served::start(TICKS).await;
    let world = &served.world;
    let signing = key();
    world.gate.rotate(issuer(&signing), tollwire_session::KeySet::default()).unwrap();
    let live = session(world, 10_000).await;
    let revoked = session(world, 10_000).await;
    world.gate.revoke(&revoked.jti().parse().unwrap()).await.unwrap();
    let frozen = session(world, 10_000).await;
    crate::frozen::freeze(world, &frozen.jti()).await;
    let now = world.clock.now().secs();
    let expired = |claims: &mut Claims| {
        (claims.iat, claims.nbf, claims.exp) = (now - 7200, now - 7200, now - 3600);
    };
    let stream_token = issuer(&signing)
        .issue_stream(&StreamClaims {
            iss: PUBLIC_URL.into(),
            aud: "ticks".into(),
            sub: "0x00".into(),
            jti: live.jti().parse().unwrap(),
            stream: "0123456789abcdef".parse().unwrap(),
            fence: 1,
            feed: "ticks".parse().unwrap(),
            iat: now,
            exp: now + 60,
        })
        .unwrap();
    let good = live.token();
    let mut bent = good.clone();
    bent.pop();
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", good.split('.').nth(1).unwrap());
    let of = |change: &dyn Fn(&mut Claims)| token(&served, &live, &signing, |claims| change(claims));
    let cases = [
        ("garbage", "x".to_owned(), 401, "token-invalid"),
        ("bent", bent, 401, "token-invalid"),
        ("alg none", unsigned, 401, "token-invalid"),
        ("another key", token(&served, &live, &key(), |_| {}), 401, "token-invalid"),
        ("a stream token", stream_token, 401, "token-invalid"),
        ("another issuer", of(&|c| c.iss = "https://else".into()), 401, "token-invalid"),
        ("another audience", of(&|c| c.aud = "https://else".into()), 401, "token-invalid"),
        ("expired", of(&expired), 403, "token-expired"),
        (
            "expired before unknown",
            of(&|c| {
                expired(c);
                c.jti = unknown_id();
            }),
            403,
            "token-expired",
        ),
        ("another feed", of(&|c| c.feed = "other".parse().unwrap()), 403, "token-for-another-feed"),
        ("not yet", of(&|c| (c.nbf, c.iat) = (now + 600, now + 600)), 403, "token-not-yet-valid"),
        ("unknown", of(&|c| c.jti = unknown_id()), 401, "unknown-session"),
        ("revoked", revoked.token(), 401, "revoked"),
        ("frozen", frozen.token(), 401, "revoked"),
    ];
    for (case, token, status, kind) in cases {
        let (got, headers, body) = served.open_with(&token).await.refused();
        assert_eq!(got, status, "{case}: {body}");
        assert_eq!(body["type"], format!("urn:tollwire:problem:{kind}"), "{case}");
        assert_eq!(headers.contains_key("www-authenticate"), status == 401, "{case}");
        assert_eq!(payable(&headers), None, "{case}");
    }
    assert_eq!(served.upstream.requests().len(), 0, "nobody reached the upstream");
    assert_eq!(served.remaining(&good).await, 1);
}

fn unknown_id() -> tollwire_x402::SessionId {
    "7d444840-9dc0-4acd-b245-5ffdce74fad2".parse().unwrap()
}

#[tokio::test]
async fn credentials_in_two_places_are_refused() {
    let served = Served::start(TICKS).await;
    let token = session(&served.world, 10_000).await.token();
    let bearer = format!("Bearer {token}");
    let required = served.world.bill("ticks").await;
    let offer = offer_of(&required, 10_000);
    let payment = v2(&required, &offer, &served.world.wallet(7).sign(&offer, 9));
    let at = |query: &str| format!("/feeds/ticks/ws?{query}");
    for (path, headers) in [
        (at(&format!("token={token}")), vec![("authorization", bearer.as_str())]),
        (at(&format!("token={token}&token={token}")), vec![]),
        (at(""), vec![("authorization", bearer.as_str()), ("authorization", bearer.as_str())]),
        (at(&format!("token={token}")), vec![(header::PAYMENT_SIGNATURE, payment.as_str())]),
        (at(&format!("token={token}&control=v2")), vec![]),
        (at(&format!("token={token}&stream=short")), vec![]),
        (
            at(&format!("token={token}&stream=0123456789abcdef")),
            vec![(header::TOLLWIRE_STREAM, "0123456789abcdef")],
        ),
        (at(&format!("token={token}")), vec![(header::TOLLWIRE_STREAM, "short")]),
    ] {
        let (status, _, body) = served.open(&path, &headers).await.refused();
        assert_eq!(status, 400, "{body}");
        assert!(!body.to_string().contains(&token));
    }
    assert_eq!(served.remaining(&token).await, 1);
    assert_eq!(served.world.chain.transfers().len(), 1);
}

#[tokio::test]
async fn nothing_left_is_refused_with_a_bill_that_can_be_paid() {
    let served = Served::start(TICKS).await;
    let token = session(&served.world, 10_000).await.token();
    let (_socket, _) = served.open_with(&token).await.opened();
    let (status, headers, body) = served.open_with(&token).await.refused();
    assert_eq!((status, body["type"].as_str()), (403, Some("urn:tollwire:problem:exhausted")));
    assert_eq!(headers["content-type"], "application/problem+json");
    let required = payable(&headers).unwrap();
    let offer = offer_of(&required, 100_000);
    let payment = v2(&required, &offer, &served.world.wallet(7).sign(&offer, 9));
    let paid = served.world.pay("ticks", &payment, &[]).await;
    served.open_with(&paid.token()).await.opened();
}

#[tokio::test]
async fn an_agent_that_asks_for_it_sees_4008() {
    let served = Served::start(TICKS).await;
    let token = session(&served.world, 10_000).await.token();
    let (_socket, _) = served.open_with(&token).await.opened();
    let (socket, _) = served.open(&format!("/feeds/ticks/ws?token={token}&control=v1"), &[]).await.opened();
    let exhausted = (4008, CloseCode::Exhausted.reason().to_owned());
    assert_eq!(closed(socket).await, exhausted);

    let served = Served::with(TICKS, |feed| feed.route.exhausted = WhenExhausted::Close).await;
    let token = session(&served.world, 10_000).await.token();
    let (_socket, _) = served.open_with(&token).await.opened();
    let (socket, _) = served.open_with(&token).await.opened();
    assert_eq!(closed(socket).await, exhausted);
}

#[tokio::test]
async fn a_named_stream_opens_again_free_and_later_not_at_all() {
    let served = Served::start(TICKS).await;
    let token = session(&served.world, 100_000).await.token();
    let bearer = format!("Bearer {token}");
    let named = [("authorization", bearer.as_str()), (header::TOLLWIRE_STREAM, "my-own-stream-id-1")];
    let (_first, _) = served.open("/feeds/ticks/ws", &named).await.opened();
    let (_again, _) = served.open("/feeds/ticks/ws", &named).await.opened();
    assert_eq!(served.remaining(&token).await, 9);
    served.world.clock.advance(Duration::from_secs(31));
    let (status, _, body) = served.open("/feeds/ticks/ws", &named).await.refused();
    assert_eq!((status, body["type"].as_str()), (409, Some("urn:tollwire:problem:stream-conflict")));
}

#[tokio::test]
async fn an_upstream_that_refuses_costs_nothing() {
    let served = Served::start(Mode::RefuseUpgrade(503)).await;
    let token = session(&served.world, 10_000).await.token();
    let (status, _, body) = served.open_with(&token).await.refused();
    assert_eq!((status, body["type"].as_str()), (502, Some("urn:tollwire:problem:upstream")));
    assert_eq!(served.remaining(&token).await, 1);
}

/// A settlement's answer in a 101, with the token in it.
fn bought(headers: &HeaderMap, name: &'static str) -> (SettleResponse, String) {
    let settled: SettleResponse = header::decode(name, headers[name].as_bytes()).unwrap();
    let info = &settled.extensions.as_ref().unwrap()["tollwire-session"]["info"];
    assert!(info["expiresAt"].as_str().unwrap().ends_with('Z'));
    let token = info["token"].as_str().unwrap().to_owned();
    (settled, token)
}

#[tokio::test]
async fn a_payment_pays_and_upgrades_in_one_go() {
    let served = Served::start(TICKS).await;
    let (status, headers, _) = served.open("/feeds/ticks/ws", &[]).await.refused();
    assert_eq!(status, 402);
    let required = payable(&headers).unwrap();
    let offer = offer_of(&required, 100_000);
    let payload = served.world.wallet(7).sign(&offer, 1);
    let payment = v2(&required, &offer, &payload);
    let pay = [(header::PAYMENT_SIGNATURE, payment.as_str())];
    let (mut socket, headers) = served.open("/feeds/ticks/ws", &pay).await.opened();
    assert_eq!(next_text(&mut socket).await, r#"{"tick":1}"#);
    let (settled, token) = bought(&headers, header::PAYMENT_RESPONSE);
    assert!(settled.success);
    assert_eq!(served.remaining(&token).await, 9);
    served.open_with(&token).await.opened();
    let (_, headers) = served.open("/feeds/ticks/ws", &pay).await.opened();
    let claims = |token: &str| served.world.gate.check_token(token).unwrap();
    assert_eq!(claims(&bought(&headers, header::PAYMENT_RESPONSE).1).jti, claims(&token).jti);
    assert_eq!(served.world.chain.transfers().len(), 1);
    let stranger = v1_header(&payload);
    let (status, headers, body) =
        served.open("/feeds/ticks/ws", &[(header::X_PAYMENT, &stranger)]).await.refused();
    assert_eq!(status, 401, "{body}");
    assert!(!headers.contains_key(header::X_PAYMENT_RESPONSE));
}

#[tokio::test]
async fn paid_and_not_upgraded_still_tells_the_token() {
    let served = Served::start(Mode::HangUp).await;
    let required = served.world.bill("ticks").await;
    let payload = served.world.wallet(7).sign(&offer_of(&required, 10_000), 1);
    let payment = v1_header(&payload);
    let (status, headers, _) =
        served.open("/feeds/ticks/ws", &[(header::X_PAYMENT, &payment)]).await.refused();
    assert_eq!(status, 502);
    let (settled, token) = bought(&headers, header::X_PAYMENT_RESPONSE);
    assert_eq!(settled.network, "base-sepolia");
    assert_eq!(served.remaining(&token).await, 1);
    served.upstream.set_mode(TICKS);
    served.open_with(&token).await.opened();
}

#[tokio::test]
async fn nobody_pays_for_an_upgrade_that_cannot_happen() {
    let served = Served::start(TICKS).await;
    let required = served.world.bill("ticks").await;
    let offer = offer_of(&required, 10_000);
    let payment = v2(&required, &offer, &served.world.wallet(7).sign(&offer, 1));
    let mut plain = crate::support::request(http::Method::GET, "/feeds/ticks/ws");
    plain.headers_mut().insert(header::PAYMENT_SIGNATURE, payment.parse().unwrap());
    let reply = served.world.call(plain).await;
    assert_eq!((reply.status, reply.header("upgrade")), (StatusCode::UPGRADE_REQUIRED, "websocket"));
    assert_eq!(served.world.chain.transfers(), []);
    let refused: Value = reply.json();
    assert_eq!(refused["type"], "urn:tollwire:problem:not-websocket");
}

/// Ten units, forty at once: exactly ten open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_units_are_ten_streams() {
    let served = std::sync::Arc::new(Served::start(TICKS).await);
    let token = session(&served.world, 100_000).await.token();
    let mut opens = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let (served, token) = (served.clone(), token.clone());
        opens.spawn(async move { served.open_with(&token).await });
    }
    let (mut open, mut refused) = (Vec::new(), 0);
    while let Some(upgrade) = opens.join_next().await {
        match upgrade.unwrap() {
            Upgrade::Open(socket, _) => open.push(socket),
            Upgrade::Refused(status, headers, body) => {
                assert_eq!(status, StatusCode::FORBIDDEN, "{body}");
                assert!(payable(&headers).is_some());
                refused += 1;
            }
        }
    }
    assert_eq!((open.len(), refused), (10, 30));
    let report = served.world.gate.report().await.unwrap();
    assert!(report.balanced);
    assert_eq!((report.totals.units.captured, report.totals.units.remaining), (10, 0));
}
