//! Sessions bound to a key: a stolen token opens nothing.

use crate::socket::{Served, next_text};
use crate::support::{PUBLIC_URL, Reply, World, encode, offer_of, v2};
use http::{Method, StatusCode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tollwire_gate::feed::Dpop;
use tollwire_ledger::Clock as _;
use tollwire_session::Algorithm;
use tollwire_session::dpop::{DpopKey, Request};
use tollwire_testkit::feed::Mode;
use tollwire_x402::header;

const SESSION: &str = "/feeds/ticks/session";

/// An agent's key, and the proofs it makes.
struct Key(DpopKey);

impl Key {
    fn new() -> Self {
        Self(DpopKey::generate(Algorithm::Es256).unwrap())
    }

    /// A proof as of `iat`, with an id never used before.
    fn prove_at(&self, method: &str, url: &str, token: Option<&str>, iat: u64) -> String {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let request = Request::new(method, url);
        let request = token.map_or(request, |token| request.with_token(token));
        self.0.prove(&request, iat, &format!("proof-{}", COUNT.fetch_add(1, Ordering::Relaxed))).unwrap()
    }

    fn prove(&self, world: &World, method: &str, path: &str, token: Option<&str>) -> String {
        self.prove_at(method, &format!("{PUBLIC_URL}{path}"), token, world.clock.now().secs())
    }
}

/// A payment with a proof; the header, and the answer.
async fn paid(world: &World, key: &Key) -> (String, Reply) {
    let required = world.bill("ticks").await;
    let offer = offer_of(&required, 100_000);
    let payment = v2(&required, &offer, &world.wallet(7).sign(&offer, world.nonce()));
    let proof = key.prove(world, "GET", SESSION, None);
    let reply = world.pay("ticks", &payment, &[("dpop", &proof)]).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    (payment, reply)
}

fn refused(reply: &Reply, kind: &str, error: &str) {
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{reply:?}");
    assert_eq!(reply.json()["type"], format!("urn:tollwire:problem:{kind}"), "{reply:?}");
    let challenge = reply.header("www-authenticate");
    assert!(challenge.starts_with("DPoP algs=\"EdDSA ES256\"") && challenge.contains(error), "{challenge}");
    assert!(!reply.leaks_session(), "{reply:?}");
}

#[tokio::test(start_paused = true)]
async fn a_proof_beside_the_payment_binds_the_session() {
    let world = World::new();
    let key = Key::new();
    let (_, reply) = paid(&world, &key).await;
    assert_eq!(reply.json()["token_type"], "DPoP");
    let claims = world.gate.check_token(&reply.token()).unwrap();
    assert_eq!(claims.jkt.as_deref(), Some(key.0.jkt()));
    let unbound = world.bought(10_000).await;
    assert_eq!(unbound.json()["token_type"], "Bearer");
}

/// Each use of a bound token wants the scheme `DPoP` and a fresh proof for this very request by this very key.
#[tokio::test(start_paused = true)]
async fn a_bound_token_is_of_use_to_its_key_alone() {
    let world = World::new();
    let (key, thief) = (Key::new(), Key::new());
    let (_, reply) = paid(&world, &key).await;
    let (token, now) = (reply.token(), world.clock.now().secs());
    let (bearer, by_key) = (format!("Bearer {token}"), format!("DPoP {token}"));
    for (method, path) in [
        ("GET", "/session"),
        ("GET", "/session/receipt"),
        ("POST", "/session/top-up"),
        ("DELETE", "/session"),
    ] {
        let url = format!("{PUBLIC_URL}{path}");
        let call = async |authorization: &str, proofs: &[&str]| {
            let mut headers = vec![("authorization", authorization)];
            headers.extend(proofs.iter().map(|proof| ("dpop", *proof)));
            world.send(method.parse().unwrap(), path, &headers).await
        };
        let good = || key.prove(&world, method, path, Some(&token));
        refused(&call(&bearer, &[]).await, "token-bound", "invalid_token");
        refused(&call(&bearer, &[&good()]).await, "token-bound", "invalid_token");
        refused(&call(&by_key, &[]).await, "token-bound", "invalid_token");
        let other_method = if method == "GET" { "POST" } else { "GET" };
        for (case, proof) in [
            ("a thief's key", thief.prove(&world, method, path, Some(&token))),
            ("another method", key.prove(&world, other_method, path, Some(&token))),
            ("another path", key.prove(&world, method, "/feeds", Some(&token))),
            ("another host", key.prove_at(method, &format!("http://evil.example{path}"), Some(&token), now)),
            ("no token", key.prove(&world, method, path, None)),
            ("another token", key.prove(&world, method, path, Some("x.y.z"))),
            ("too old", key.prove_at(method, &url, Some(&token), now - 61)),
            ("ahead", key.prove_at(method, &url, Some(&token), now + 30)),
            ("garbage", "garbage".to_owned()),
            ("an alg of its own", format!("{}.e30.", encode(&serde_json::json!({"alg": "none"})))),
        ] {
            let reply = call(&by_key, &[&proof]).await;
            refused(&reply, "dpop-proof-invalid", "invalid_dpop_proof");
            assert!(!reply.text.contains(&proof), "{case}");
        }
        assert_eq!(call(&by_key, &[&good(), &good()]).await.status, StatusCode::BAD_REQUEST, "two proofs");
        let once = good();
        let first = call(&by_key, &[&once]).await;
        assert!(matches!(first.status.as_u16(), 200 | 402), "{method} {path}: {first:?}");
        if method != "DELETE" {
            refused(&call(&by_key, &[&once]).await, "dpop-proof-used", "invalid_dpop_proof");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_proof_is_used_once_on_all_nodes() {
    let world = World::new();
    let key = Key::new();
    let (_, reply) = paid(&world, &key).await;
    let (token, replica) = (reply.token(), world.replica());
    let authorization = format!("DPoP {token}");
    let proof = key.prove(&world, "GET", "/session", Some(&token));
    let headers = [("authorization", authorization.as_str()), ("dpop", proof.as_str())];
    assert_eq!(world.send(Method::GET, "/session", &headers).await.status, StatusCode::OK);
    refused(&replica.send(Method::GET, "/session", &headers).await, "dpop-proof-used", "invalid_dpop_proof");
}

#[tokio::test(start_paused = true)]
async fn a_token_without_a_key_is_no_dpop_token() {
    let world = World::new();
    let (token, key) = (world.bought(10_000).await.token(), Key::new());
    let proof = key.prove(&world, "GET", "/session", Some(&token));
    let authorization = format!("DPoP {token}");
    let headers = [("authorization", authorization.as_str()), ("dpop", proof.as_str())];
    let reply = world.send(Method::GET, "/session", &headers).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    assert_eq!(reply.json()["type"], "urn:tollwire:problem:token-not-bound");
}

#[tokio::test(start_paused = true)]
async fn a_feed_may_want_a_key_or_none() {
    let world = World::new();
    let set = |dpop| {
        let change = move |feed: &mut tollwire_gate::Feed| {
            feed.dpop = dpop;
            Ok(())
        };
        world.gate.feeds().update(&"ticks".parse().unwrap(), world.clock.now(), change).unwrap();
    };
    let info = async || {
        let bill = world.bill("ticks").await;
        bill.extensions.unwrap()["tollwire-session"]["info"]["dpop"].clone()
    };
    set(Dpop::Required);
    assert_eq!(info().await, "required");
    let required = world.bill("ticks").await;
    let offer = offer_of(&required, 100_000);
    let payment = v2(&required, &offer, &world.wallet(7).sign(&offer, 1));
    let reply = world.pay("ticks", &payment, &[]).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{reply:?}");
    assert_eq!(reply.json()["type"], "urn:tollwire:problem:dpop-proof-required");
    let key = Key::new();
    for wrong in
        [key.prove(&world, "POST", SESSION, None), key.prove(&world, "GET", "/feeds/other/session", None)]
    {
        let reply = world.pay("ticks", &payment, &[("dpop", &wrong)]).await;
        refused(&reply, "dpop-proof-invalid", "invalid_dpop_proof");
    }
    assert_eq!(world.chain.transfers(), [], "nothing was settled");
    let proof = key.prove(&world, "GET", SESSION, None);
    let reply = world.pay("ticks", &payment, &[("dpop", &proof)]).await;
    assert_eq!(reply.json()["token_type"], "DPoP", "{reply:?}");
    set(Dpop::Off);
    assert_eq!(info().await, serde_json::Value::Null);
    let (_, reply) = paid(&world, &key).await;
    assert_eq!(reply.json()["token_type"], "Bearer");
}

/// The key that a session is bound to proves whose the payment was; another key does not, and rebinds nothing.
#[tokio::test(start_paused = true)]
async fn the_key_is_a_proof_of_possession() {
    let world = World::new();
    let (key, other) = (Key::new(), Key::new());
    let offer = offer_of(&world.bill("ticks").await, 100_000);
    let payload = world.wallet(7).sign(&offer, 1);
    let bare = crate::support::v2_without_quote(&offer, &payload);
    let prove = |key: &Key| key.prove(&world, "GET", SESSION, None);
    let first = world.pay("ticks", &bare, &[("dpop", &prove(&key))]).await;
    let again = world.pay("ticks", &bare, &[("dpop", &prove(&key))]).await;
    assert_eq!(again.jti(), first.jti());
    for more in [&[][..], &[("dpop", prove(&other).as_str())]] {
        let reply = world.pay("ticks", &bare, more).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{reply:?}");
        assert_eq!(reply.json()["type"], "urn:tollwire:problem:proof-required");
    }
    assert_eq!(world.chain.transfers().len(), 1);
}

/// The key alone gets a fresh token for an old one, also after `exp`.
#[tokio::test(start_paused = true)]
async fn the_key_resumes_its_session() {
    let world = World::new();
    let (key, thief) = (Key::new(), Key::new());
    let (_, first) = paid(&world, &key).await;
    let old = first.token();
    world.clock.advance(Duration::from_secs(25 * 3600));
    let authorization = format!("DPoP {old}");
    let resume = async |proof: String| {
        let headers = [("authorization", authorization.as_str()), ("dpop", proof.as_str())];
        world.send(Method::GET, SESSION, &headers).await
    };
    refused(
        &resume(thief.prove(&world, "GET", SESSION, Some(&old))).await,
        "dpop-proof-invalid",
        "invalid_dpop",
    );
    let reply = resume(key.prove(&world, "GET", SESSION, Some(&old))).await;
    assert_eq!(reply.jti(), first.jti());
    assert_eq!(reply.json()["token_type"], "DPoP");
    assert!(world.gate.check_token(&reply.token()).is_ok());
    world.gate.revoke(&first.jti().parse().unwrap()).await.unwrap();
    let reply = resume(key.prove(&world, "GET", SESSION, Some(&old))).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{reply:?}");
}

#[tokio::test(start_paused = true)]
async fn a_bound_session_is_topped_up_by_its_key() {
    let world = World::new();
    let key = Key::new();
    let (_, first) = paid(&world, &key).await;
    let (token, path) = (first.token(), "/session/top-up");
    let authorization = format!("DPoP {token}");
    let call = async |payment: Option<&str>| {
        let proof = key.prove(&world, "POST", path, Some(&token));
        let mut headers = vec![("authorization", authorization.as_str()), ("dpop", proof.as_str())];
        headers.extend(payment.map(|payment| (header::PAYMENT_SIGNATURE, payment)));
        world.send(Method::POST, path, &headers).await
    };
    let required = call(None).await.required();
    let offer = offer_of(&required, 10_000);
    let bare = crate::support::v2_without_quote(&offer, &world.wallet(7).sign(&offer, 2));
    for _ in 0..2 {
        let reply = call(Some(&bare)).await;
        assert_eq!(reply.json()["session"]["units_remaining"], 11, "{reply:?}");
        assert_eq!(reply.json()["token_type"], "DPoP");
    }
    assert_eq!(world.chain.transfers().len(), 2);
}

#[tokio::test]
async fn a_bound_token_opens_streams_with_a_proof_and_not_without() {
    let served = Served::start(Mode::Ticks(Duration::from_millis(10))).await;
    let (world, key) = (&served.world, Key::new());
    let (_, first) = paid(world, &key).await;
    let (token, path) = (first.token(), "/feeds/ticks/ws");
    let by_key = format!("DPoP {token}");
    for (path, authorization) in
        [(format!("{path}?token={token}"), None), (path.to_owned(), Some(format!("Bearer {token}")))]
    {
        let headers: Vec<_> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
        let (status, headers, body) = served.open(&path, &headers).await.refused();
        assert_eq!(
            (status, body["type"].as_str()),
            (401, Some("urn:tollwire:problem:token-bound")),
            "{body}"
        );
        assert!(headers["www-authenticate"].to_str().unwrap().starts_with("DPoP "));
    }
    // An agent may sign the URL that it was given, ws:// and all.
    for url in [format!("{PUBLIC_URL}{path}"), format!("ws://pay.example:4020{path}?depth=5")] {
        let proof = key.prove_at("GET", &url, Some(&token), world.clock.now().secs());
        let headers = [("authorization", by_key.as_str()), ("dpop", proof.as_str())];
        let (mut socket, _) = served.open(path, &headers).await.opened();
        next_text(&mut socket).await;
        let (status, _, body) = served.open(path, &headers).await.refused();
        assert_eq!((status, body["type"].as_str()), (401, Some("urn:tollwire:problem:dpop-proof-used")));
    }
    let seen = format!("{:?}", served.upstream.requests());
    assert!(!seen.to_ascii_lowercase().contains("dpop") && !seen.contains(&token), "{seen}");
}

/// Paying and upgrading in one go binds too; the payment alone, which others may have seen, opens nothing later.
#[tokio::test]
async fn a_bound_payment_upgrades_with_its_key_alone() {
    let served = Served::start(Mode::Ticks(Duration::from_millis(10))).await;
    let (world, key, path) = (&served.world, Key::new(), "/feeds/ticks/ws");
    let required = world.bill("ticks").await;
    let offer = offer_of(&required, 100_000);
    let payment = v2(&required, &offer, &world.wallet(7).sign(&offer, 1));
    let open = async |key: Option<&Key>| {
        let proof = key.map(|key| key.prove(world, "GET", path, None));
        let mut headers = vec![(header::PAYMENT_SIGNATURE, payment.as_str())];
        headers.extend(proof.as_ref().map(|proof| ("dpop", proof.as_str())));
        served.open(path, &headers).await
    };
    open(Some(&key)).await.opened();
    open(Some(&key)).await.opened();
    for key in [None, Some(&Key::new())] {
        let (status, headers, body) = open(key).await.refused();
        assert_eq!(
            (status, body["type"].as_str()),
            (401, Some("urn:tollwire:problem:token-bound")),
            "{body}"
        );
        assert!(!headers.contains_key(header::PAYMENT_RESPONSE));
    }
}
