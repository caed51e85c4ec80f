//! More units for a session there is.

use crate::support::{PUBLIC_URL, Reply, World, feed_to, offer_of, v1_header, v2, v2_without_quote};
use futures_util::future::join_all;
use http::{Method, StatusCode};
use std::time::Duration;
use tollwire_gate::Feed;
use tollwire_ledger::{Command, Ledger as _};
use tollwire_session::ReceiptClaims;
use tollwire_x402::facilitator::SettleResponse;
use tollwire_x402::v2::PaymentRequired;
use tollwire_x402::{SessionId, Unit, header, reason};

const PATH: &str = "/session/top-up";
const CLAIM: (&str, &str) = (header::TOLLWIRE_CLAIM, "a-secret-of-the-client");

async fn top_up(world: &World, token: &str, more: &[(&str, &str)]) -> Reply {
    let bearer = format!("Bearer {token}");
    let headers: Vec<_> = [("authorization", bearer.as_str())].iter().chain(more).copied().collect();
    world.send(Method::POST, PATH, &headers).await
}

async fn bill(world: &World, token: &str) -> PaymentRequired {
    let reply = top_up(world, token, &[]).await;
    assert_eq!(reply.status, StatusCode::PAYMENT_REQUIRED, "{reply:?}");
    reply.required()
}

/// A v2 payment of an amount for a top-up.
async fn payment(world: &World, token: &str, atomic: u64) -> String {
    let required = bill(world, token).await;
    let offer = offer_of(&required, atomic);
    v2(&required, &offer, &world.wallet(7).sign(&offer, world.nonce()))
}

async fn online(world: &World, token: &str) -> serde_json::Value {
    world.send(Method::GET, "/session", &[("authorization", &format!("Bearer {token}"))]).await.json()
}

#[tokio::test(start_paused = true)]
async fn a_v2_payment_adds_units_to_the_session() {
    let world = World::new();
    let first = world.bought(100_000).await;
    world.clock.advance(Duration::from_secs(3600));
    let required = bill(&world, &first.token()).await;
    assert_eq!(required.resource.url, format!("{PUBLIC_URL}{PATH}"));
    assert_eq!(required.accepts.len(), 3);
    assert!(!required.extensions.as_ref().unwrap().contains_key("sign-in-with-x"));
    let offer = offer_of(&required, 10_000);
    let payment = v2(&required, &offer, &world.wallet(7).sign(&offer, 2));
    let reply = top_up(&world, &first.token(), &[(header::PAYMENT_SIGNATURE, &payment)]).await;
    assert_eq!(reply.jti(), first.jti());
    assert_eq!(reply.header("cache-control"), "private, no-store");
    let body = reply.json();
    assert_eq!(
        (&body["session"]["units_remaining"], &body["session"]["deposited"]),
        (&11.into(), &"$0.11".into())
    );
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_at"], "2027-01-16T09:00:00Z", "a day from the top-up");
    assert!(reply.settlement().success);
    assert_eq!(world.chain.transfers().len(), 2);
    assert_eq!(online(&world, &reply.token()).await["units_remaining"], 11);
    assert_eq!(online(&world, &first.token()).await["units_remaining"], 11, "the old token goes on");
    let receipt = body["receipt"].as_str().unwrap();
    let receipt = ReceiptClaims::verify(receipt, &world.keys().await, PUBLIC_URL).unwrap();
    assert_eq!((receipt.bought, receipt.used, receipt.remaining), (11, 0, 11));
    assert_eq!(
        (receipt.amount.atomic(), receipt.used_amount.atomic(), receipt.is_final),
        (110_000, 0, false)
    );
}

#[tokio::test(start_paused = true)]
async fn a_v1_payment_does_too_and_is_answered_in_v1() {
    let world = World::new();
    let first = world.bought(100_000).await;
    let legacy = top_up(&world, &first.token(), &[]).await.legacy();
    assert_eq!(legacy.accepts[0].resource, format!("{PUBLIC_URL}{PATH}"));
    let payload = world.wallet(7).sign(&offer_of(&bill(&world, &first.token()).await, 100_000), 2);
    let payment = [(header::X_PAYMENT, v1_header(&payload))];
    let headers = [(payment[0].0, payment[0].1.as_str()), CLAIM];
    let reply = top_up(&world, &first.token(), &headers).await;
    assert_eq!(reply.json()["session"]["units_remaining"], 20, "{reply:?}");
    let value = reply.header(header::X_PAYMENT_RESPONSE).as_bytes();
    let settled: SettleResponse = header::decode(header::X_PAYMENT_RESPONSE, value).unwrap();
    assert_eq!((settled.success, settled.network.as_str()), (true, "base-sepolia"));
    let again = top_up(&world, &first.token(), &headers).await;
    assert_eq!(again.json()["session"]["units_remaining"], 20);
    let unproven = top_up(&world, &first.token(), &headers[..1]).await;
    assert_eq!(unproven.status, StatusCode::UNAUTHORIZED, "{unproven:?}");
    assert!(unproven.json()["extensions"]["sign-in-with-x"]["info"]["nonce"].is_string());
    assert!(!unproven.leaks_session());
    assert_eq!(world.chain.transfers().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn fifty_at_once_through_two_nodes_add_once() {
    let world = World::new();
    let first = world.bought(100_000).await;
    let payment = payment(&world, &first.token(), 1_000_000).await;
    world.chain.faults().slow(Duration::from_millis(50));
    let (replica, token) = (world.replica(), first.token());
    let headers = [(header::PAYMENT_SIGNATURE, payment.as_str())];
    let nodes = [&world, &replica].into_iter().cycle();
    let replies = join_all(nodes.take(50).map(|node| top_up(node, &token, &headers))).await;
    for reply in &replies {
        assert_eq!(reply.jti(), first.jti());
        assert_eq!(reply.json()["session"]["units_remaining"], 110);
        assert_eq!(reply.json()["expires_at"], replies[0].json()["expires_at"]);
    }
    assert_eq!(world.chain.transfers().len(), 2);
    world.clock.advance(Duration::from_secs(3600));
    let late = top_up(&replica, &token, &headers).await;
    assert_eq!(late.json()["session"]["units_remaining"], 110);
    assert_eq!(late.json()["expires_at"], replies[0].json()["expires_at"], "the same answer later");
    assert!(world.gate.report().await.unwrap().balanced);
}

fn as_v2(payment: &str) -> [(&str, &str); 1] {
    [(header::PAYMENT_SIGNATURE, payment)]
}

/// What was bought once is not bought again elsewhere, whatever it is presented for, and nothing of it shows.
#[tokio::test(start_paused = true)]
async fn one_payment_has_one_target() {
    let world = World::new();
    let (mine, other) = (world.bought(100_000).await, world.bought(100_000).await);
    let opening_bill = world.bill("ticks").await;
    let opening_offer = offer_of(&opening_bill, 10_000);
    let opening = v2(&opening_bill, &opening_offer, &world.wallet(7).sign(&opening_offer, 9));
    let adding = payment(&world, &mine.token(), 10_000).await;
    let conflict = |reply: Reply, case: &str| {
        assert_eq!(reply.status, StatusCode::CONFLICT, "{case}: {reply:?}");
        assert!(!reply.leaks_session() && !reply.headers.contains_key(header::PAYMENT_RESPONSE), "{case}");
    };
    // New payments, with a quote made for something else.
    conflict(world.pay("ticks", &adding, &[]).await, "a top-up's quote for a new session");
    conflict(top_up(&world, &other.token(), &as_v2(&adding)).await, "for another session");
    conflict(top_up(&world, &mine.token(), &as_v2(&opening)).await, "a session's quote for a top-up");
    assert_eq!(world.chain.transfers().len(), 2, "nothing was settled");
    // Payments on record.
    assert_eq!(top_up(&world, &mine.token(), &as_v2(&adding)).await.status, StatusCode::OK);
    assert_eq!(world.pay("ticks", &opening, &[]).await.status, StatusCode::OK);
    conflict(world.pay("ticks", &adding, &[]).await, "a recorded top-up for a new session");
    conflict(top_up(&world, &other.token(), &as_v2(&adding)).await, "a recorded top-up for another session");
    conflict(top_up(&world, &mine.token(), &as_v2(&opening)).await, "a recorded session for a top-up");
    // Without quotes: the record alone decides.
    let payload = world.wallet(7).sign(&opening_offer, 11);
    let bare = v2_without_quote(&opening_offer, &payload);
    let headers = [(header::PAYMENT_SIGNATURE, bare.as_str()), CLAIM];
    assert_eq!(top_up(&world, &mine.token(), &headers).await.json()["session"]["units_remaining"], 12);
    conflict(world.pay("ticks", &bare, &[CLAIM]).await, "with its claim for a new session");
    conflict(top_up(&world, &other.token(), &headers).await, "with its claim for another session");
    assert_eq!(world.chain.transfers().len(), 5);
    assert!(world.gate.report().await.unwrap().balanced);
}

/// Raced at two targets, one of them wins, and the other learns nothing.
#[tokio::test(start_paused = true)]
async fn one_payment_raced_at_two_targets_buys_once() {
    let world = World::new();
    let first = world.bought(100_000).await;
    let offer = offer_of(&world.bill("ticks").await, 10_000);
    let bare = v2_without_quote(&offer, &world.wallet(7).sign(&offer, 2));
    world.chain.faults().slow(Duration::from_millis(50));
    let (replica, token) = (world.replica(), first.token());
    let headers = [(header::PAYMENT_SIGNATURE, bare.as_str())];
    let (added, opened) = tokio::join!(top_up(&world, &token, &headers), replica.pay("ticks", &bare, &[]));
    let statuses = [added.status.as_u16(), opened.status.as_u16()];
    assert!(statuses == [200, 409] || statuses == [409, 200], "{added:?} {opened:?}");
    assert_eq!(world.chain.transfers().len(), 2);
    assert!(world.gate.report().await.unwrap().balanced);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_over_is_refused_before_anything_is_settled() {
    type Ending = fn(SessionId) -> Option<Command>;
    let endings: [(&str, Ending, Duration, u16, &str); 4] = [
        ("revoked", |session| Some(Command::Revoke { session }), Duration::ZERO, 401, "session-revoked"),
        ("closed", |session| Some(Command::Close { session }), Duration::ZERO, 401, "session-closed"),
        ("a balance that expired", |_| None, Duration::from_secs(3600), 403, "balance-expired"),
        ("a token that expired", |_| None, Duration::from_secs(25 * 3600), 403, "token-expired"),
    ];
    for (case, ending, later, status, kind) in endings {
        let short = case.starts_with("a balance");
        let world = World::with(|config| {
            if short {
                config.balance_ttl = Duration::from_secs(3600);
            }
        });
        let first = world.bought(100_000).await;
        let payment = payment(&world, &first.token(), 10_000).await;
        if let Some(command) = ending(first.jti().parse().unwrap()) {
            let _done = world.ledger.apply(command).await.unwrap();
        }
        world.clock.advance(later);
        for headers in [&[][..], &[(header::PAYMENT_SIGNATURE, payment.as_str())]] {
            let reply = top_up(&world, &first.token(), headers).await;
            assert_eq!(reply.status.as_u16(), status, "{case}: {reply:?}");
            assert_eq!(reply.json()["type"], format!("urn:tollwire:problem:{kind}"), "{case}");
            assert!(!reply.headers.contains_key(header::PAYMENT_REQUIRED), "{case}");
        }
        assert_eq!(world.chain.transfers().len(), 1, "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_tops_up_without_a_token() {
    let world = World::new();
    let payment = payment(&world, &world.bought(100_000).await.token(), 10_000).await;
    for headers in [&[][..], &[(header::PAYMENT_SIGNATURE, payment.as_str())]] {
        let reply = world.send(Method::POST, PATH, headers).await;
        assert_eq!((reply.status, reply.header("www-authenticate")), (StatusCode::UNAUTHORIZED, "Bearer"));
    }
    let forged = top_up(&world, "x.y.z", &[(header::PAYMENT_SIGNATURE, &payment)]).await;
    assert_eq!(forged.status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.chain.transfers().len(), 1);
}

/// Whatever is left of a session goes back to one payer: another wallet's money does not go into it.
#[tokio::test(start_paused = true)]
async fn another_wallet_does_not_top_up() {
    let world = World::new();
    let first = world.bought(100_000).await;
    let required = bill(&world, &first.token()).await;
    let offer = offer_of(&required, 10_000);
    let payment = v2(&required, &offer, &world.wallet(8).sign(&offer, 2));
    let reply = top_up(&world, &first.token(), &[(header::PAYMENT_SIGNATURE, &payment)]).await;
    assert_eq!(reply.status, StatusCode::PAYMENT_REQUIRED, "{reply:?}");
    assert_eq!(reply.settlement().error_reason.as_deref(), Some(reason::INVALID_PAYMENT_REQUIREMENTS));
    assert_eq!(world.chain.transfers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_amount_gets_a_fresh_bill_for_the_same_session() {
    let world = World::new();
    let first = world.bought(100_000).await;
    let required = bill(&world, &first.token()).await;
    let mut offer = offer_of(&required, 10_000);
    offer.amount = crate::support::usdc(10_001);
    let payment = v2(&required, &offer, &world.wallet(7).sign(&offer, 2));
    let reply = top_up(&world, &first.token(), &[(header::PAYMENT_SIGNATURE, &payment)]).await;
    assert_eq!(reply.status, StatusCode::PAYMENT_REQUIRED, "{reply:?}");
    let fresh = reply.required();
    let offer = offer_of(&fresh, 10_000);
    let payment = v2(&fresh, &offer, &world.wallet(7).sign(&offer, 2));
    assert_eq!(
        world.pay("ticks", &payment, &[]).await.status,
        StatusCode::CONFLICT,
        "its quote names the session"
    );
    let reply = top_up(&world, &first.token(), &[(header::PAYMENT_SIGNATURE, &payment)]).await;
    assert_eq!(reply.jti(), first.jti());
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_changed_its_unit_or_is_gone_sells_nothing_for_it() {
    let world = World::new();
    let first = world.bought(100_000).await;
    let payment = payment(&world, &first.token(), 10_000).await;
    let change = |feed: &mut Feed| {
        feed.route.unit = Unit::Message;
        Ok(())
    };
    let (id, now) = ("ticks".parse().unwrap(), tollwire_ledger::Clock::now(&*world.clock));
    world.gate.feeds().update(&id, now, change).unwrap();
    let reply = top_up(&world, &first.token(), &[]).await;
    assert_eq!(reply.status, StatusCode::CONFLICT, "{reply:?}");
    assert_eq!(reply.json()["type"], "urn:tollwire:problem:not-for-sale");
    let reply = top_up(&world, &first.token(), &[(header::PAYMENT_SIGNATURE, &payment)]).await;
    assert_eq!(reply.json()["session"]["units_remaining"], 11, "the offer made before stays good: {reply:?}");
    world.gate.feeds().remove(&id).unwrap();
    let reply = top_up(&world, &first.token(), &[]).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND, "{reply:?}");
    let feed = feed_to("ticks", "ws://127.0.0.1:1/stream");
    world.gate.feeds().add(feed, tollwire_gate::feed::Origin::Configuration).unwrap();
    assert_eq!(top_up(&world, &first.token(), &[]).await.status, StatusCode::PAYMENT_REQUIRED);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_says_what_was_used_also_of_a_session_that_is_over() {
    let world = World::new();
    let first = world.bought(100_000).await;
    let bearer = format!("Bearer {}", first.token());
    let receipt = async || {
        let reply = world.send(Method::GET, "/session/receipt", &[("authorization", &bearer)]).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        let text = reply.json()["receipt"].as_str().unwrap().to_owned();
        ReceiptClaims::verify(&text, &world.keys().await, PUBLIC_URL).unwrap()
    };
    let open = receipt().await;
    assert_eq!((open.jti.as_str(), open.feed.as_str()), (first.jti().as_str(), "ticks"));
    assert_eq!((open.bought, open.used, open.remaining, open.is_final), (10, 0, 10, false));
    assert_eq!(open.sub, world.wallet(7).key.address().to_string());
    let session: SessionId = first.jti().parse().unwrap();
    let _done = world.ledger.apply(Command::Close { session }).await.unwrap();
    world.clock.advance(Duration::from_secs(60));
    let closed = receipt().await;
    assert_eq!((closed.remaining, closed.is_final, closed.to - closed.from), (10, false, 60));
    let missing = world.get("/session/receipt").await;
    assert_eq!(missing.status, StatusCode::UNAUTHORIZED);
}
