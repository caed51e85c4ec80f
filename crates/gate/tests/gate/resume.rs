//! Going on without paying: the wallet signs in, or the key shows itself.

use crate::sign_in::{answer, message};
use crate::support::{Reply, World};
use http::{Method, StatusCode};
use serde_json::Value;
use std::time::Duration;
use tollwire_ledger::{Command, Ledger as _};
use tollwire_x402::{SessionId, StreamId, header};

const PATH: &str = "/feeds/ticks/session";

/// The challenge that a bill carries.
async fn challenge(world: &World, feed: &str) -> Value {
    let bill = world.bill(feed).await;
    bill.extensions.unwrap()["sign-in-with-x"]["info"].clone()
}

async fn proof(world: &World, feed: &str, wallet: u8) -> String {
    let (info, wallet) = (challenge(world, feed).await, world.wallet(wallet));
    answer(&info, &wallet, &message(&info, &wallet.key.address().to_string()))
}

async fn sign_in(world: &World, path: &str, proof: &str) -> Reply {
    world.send(Method::GET, path, &[(header::SIGN_IN_WITH_X, proof)]).await
}

/// Uses units of a session until `left` remain.
async fn use_up(world: &World, reply: &Reply, left: u64) {
    let session: SessionId = reply.jti().parse().unwrap();
    let stream: StreamId = "0123456789abcdef".parse().unwrap();
    let used = reply.json()["session"]["units_remaining"].as_u64().unwrap() - left;
    let minute = Duration::from_secs(60);
    let hold = Command::Hold {
        session: session.clone(),
        stream: stream.clone(),
        fence: None,
        to: used,
        lease: minute,
        streams_max: 9,
    };
    let _held = world.ledger.apply(hold).await.unwrap();
    let post = Command::Post {
        session: session.clone(),
        stream: stream.clone(),
        fence: 1,
        to: used,
        live_for: minute,
    };
    let _posted = world.ledger.apply(post).await.unwrap();
    let _ended = world.ledger.apply(Command::End { session, stream, fence: 1, used }).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_wallet_gets_a_token_for_its_newest_session_also_after_exp() {
    let world = World::new();
    let older = world.bought(100_000).await;
    world.clock.advance(Duration::from_secs(60));
    let newer = world.bought(10_000).await;
    world.clock.advance(Duration::from_secs(25 * 3600));
    assert!(world.gate.check_token(&newer.token()).is_err());
    let reply = sign_in(&world, PATH, &proof(&world, "ticks", 7).await).await;
    assert_eq!(reply.jti(), newer.jti());
    assert_eq!(reply.header("cache-control"), "private, no-store");
    assert_eq!(reply.json()["token_type"], "Bearer");
    assert_eq!(reply.json()["session"]["units_remaining"], 1);
    assert_eq!(reply.json()["expires_at"], "2027-01-17T09:01:00Z", "a day from now");
    assert!(!reply.headers.contains_key(header::PAYMENT_RESPONSE), "nothing was settled");
    assert!(world.gate.check_token(&reply.token()).is_ok());
    use_up(&world, &newer, 0).await;
    let reply = sign_in(&world, PATH, &proof(&world, "ticks", 7).await).await;
    assert_eq!(reply.jti(), older.jti(), "the newest that has units left");
    assert_eq!(world.chain.transfers().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_has_nothing_left_gets_a_bill() {
    let world = World::new();
    let session = |reply: &Reply| reply.jti().parse::<SessionId>().unwrap();
    let spent = world.bought(10_000).await;
    use_up(&world, &spent, 0).await;
    let revoked = world.bought(100_000).await;
    world.gate.revoke(&session(&revoked)).await.unwrap();
    let closed = world.bought(100_000).await;
    let _done = world.ledger.apply(Command::Close { session: session(&closed) }).await.unwrap();
    for (case, wallet) in [("spent, revoked, closed", 7), ("never paid", 8)] {
        let reply = sign_in(&world, PATH, &proof(&world, "ticks", wallet).await).await;
        assert_eq!(reply.status, StatusCode::PAYMENT_REQUIRED, "{case}: {reply:?}");
        assert_eq!(reply.required().accepts.len(), 3);
        assert!(!reply.leaks_session());
    }
    world.bought(100_000).await;
    world.clock.advance(Duration::from_secs(31 * 24 * 3600));
    let reply = sign_in(&world, PATH, &proof(&world, "ticks", 7).await).await;
    assert_eq!(reply.status, StatusCode::PAYMENT_REQUIRED, "its balance has expired: {reply:?}");
    let reply = sign_in(&world, "/feeds/other/session", &proof(&world, "other", 7).await).await;
    assert_eq!(reply.status, StatusCode::PAYMENT_REQUIRED, "nothing of that feed: {reply:?}");
}

#[tokio::test(start_paused = true)]
async fn a_challenge_is_answered_once_in_time_by_its_wallet_for_its_feed() {
    let world = World::new();
    let first = world.bought(100_000).await;
    let once = proof(&world, "ticks", 7).await;
    let replica = world.replica();
    assert_eq!(sign_in(&world, PATH, &once).await.jti(), first.jti());
    let again = sign_in(&replica, PATH, &once).await;
    let refused = |reply: Reply, case: &str| {
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{case}: {reply:?}");
        assert_eq!(reply.json()["type"], "urn:tollwire:problem:sign-in-refused", "{case}");
        assert!(reply.json()["extensions"]["sign-in-with-x"]["info"]["nonce"].is_string(), "{case}");
        assert!(!reply.leaks_session(), "{case}");
    };
    refused(again, "again, on another node");
    let info = challenge(&world, "ticks").await;
    let (payer, thief) = (world.wallet(7), world.wallet(8));
    let honest = message(&info, &payer.key.address().to_string());
    let mut claims: Value = header::decode("x", answer(&info, &thief, &honest).as_bytes()).unwrap();
    claims["address"] = payer.key.address().to_string().into();
    refused(sign_in(&world, PATH, &crate::support::encode(&claims)).await, "a thief for the payer");
    refused(sign_in(&world, PATH, &proof(&world, "other", 7).await).await, "a challenge of another feed");
    let late = proof(&world, "ticks", 7).await;
    world.clock.advance(Duration::from_secs(301));
    refused(sign_in(&world, PATH, &late).await, "too late");
    let garbled = sign_in(&world, PATH, "%%%").await;
    assert_eq!(garbled.status, StatusCode::BAD_REQUEST);
    let elsewhere = sign_in(&world, "/feeds/none/session", &proof(&world, "ticks", 7).await).await;
    assert!(!elsewhere.leaks_session());
}

/// A bearer token that has expired is worth nothing, and one that has not is no reason to hand out another.
#[tokio::test(start_paused = true)]
async fn a_bearer_token_is_not_exchanged() {
    let world = World::new();
    let first = world.bought(100_000).await;
    for scheme in ["Bearer", "DPoP"] {
        let authorization = format!("{scheme} {}", first.token());
        let reply = world.send(Method::GET, PATH, &[("authorization", &authorization)]).await;
        assert!(matches!(reply.status.as_u16(), 401 | 402), "{reply:?}");
        assert!(!reply.leaks_session());
    }
}
