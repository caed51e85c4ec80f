//! `DELETE /session`: who may end a session, and what becomes of what is left.

use crate::sign_in::{answer, message};
use crate::support::{Reply, World, offer_of, request, v2};
use http::{HeaderName, Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;
use tollwire_ledger::{Command, Ledger, Outcome};
use tollwire_settlement::Chain as _;
use tollwire_settlement::dues::Unspent;
use tollwire_x402::header;

const CLAIM: (&str, &str) = ("tollwire-claim", "a-claim-of-the-payers-own-choice");

/// Ten units for $0.10, bought with a claim by the wallet of this seed.
async fn bought(world: &World, seed: u8) -> (String, Reply) {
    let required = world.bill("ticks").await;
    let offer = offer_of(&required, 100_000);
    let payment = v2(&required, &offer, &world.wallet(seed).sign(&offer, seed));
    let reply = world.pay("ticks", &payment, &[CLAIM]).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    (payment, reply)
}

async fn delete(world: &World, token: &str, proofs: &[(&str, &str)]) -> Reply {
    let mut request = request(Method::DELETE, "/session");
    let bearer = format!("Bearer {token}");
    for (name, value) in [("authorization", bearer.as_str())].iter().chain(proofs) {
        request.headers_mut().append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
    }
    world.call(request).await
}

/// What left the deposit wallet: to whom, how much.
fn paid_back(world: &World) -> Vec<(String, u64)> {
    let wallet = world.chain.info().deposit_wallet.to_ascii_lowercase();
    let back = world.chain.transfers().into_iter().filter(|transfer| transfer.from == wallet);
    back.map(|transfer| (transfer.to, transfer.amount.atomic())).collect()
}

fn payer(world: &World, seed: u8) -> String {
    world.wallet(seed).key.address().to_string().to_ascii_lowercase()
}

#[tokio::test(start_paused = true)]
async fn a_token_alone_ends_nothing() {
    let world = World::new();
    let (_, first) = bought(&world, 7).await;
    let token = first.token();
    let reply = delete(&world, &token, &[]).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{reply:?}");
    assert_eq!(reply.json()["type"], "urn:tollwire:problem:proof-required");
    assert!(reply.json()["extensions"]["sign-in-with-x"]["info"]["nonce"].is_string());
    let wrong = ("tollwire-claim", "a-claim-of-somebody-elses-choice");
    assert_eq!(delete(&world, &token, &[wrong]).await.status, StatusCode::UNAUTHORIZED);
    let mut bare = request(Method::DELETE, "/session");
    bare.headers_mut().insert("tollwire-claim", CLAIM.1.parse().unwrap());
    assert_eq!(world.call(bare).await.status, StatusCode::UNAUTHORIZED, "and neither does a proof alone");
    let row = world.ledger.session(&first.jti().parse().unwrap()).await.unwrap().unwrap();
    assert!(!row.closed);
    assert!(paid_back(&world).is_empty());
}

#[tokio::test(start_paused = true)]
async fn its_payer_ends_it_by_claim_or_quote_and_the_answer_stays_the_same() {
    for by_quote in [false, true] {
        let world = World::new();
        let (payment, first) = bought(&world, 7).await;
        let (token, jti) = (first.token(), first.jti());
        let proof = if by_quote { (header::PAYMENT_SIGNATURE, payment.as_str()) } else { CLAIM };
        let reply = delete(&world, &token, &[proof]).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        let body = reply.json();
        assert_eq!((&body["jti"], &body["state"]), (&json!(jti), &json!("refunded")));
        let refund = &body["refund"];
        assert_eq!((&refund["amount"], &refund["gas"]), (&json!("93000"), &json!("7000")));
        assert_eq!(refund["transaction"], world.chain.transfers().last().unwrap().tx);
        assert_eq!(delete(&world, &token, &[proof]).await.json(), body);
        assert_eq!(paid_back(&world), [(payer(&world, 7), 93_000)]);
        // The payment that bought it buys nothing more, and its token shows that it is over.
        let again = world.pay("ticks", &payment, &[CLAIM]).await;
        assert_eq!(again.json()["type"], "urn:tollwire:problem:session-closed", "{again:?}");
        let mut check = request(Method::GET, "/session");
        check.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        let view = world.call(check).await.json();
        assert_eq!((&view["active"], &view["closed"]), (&json!(false), &json!(true)));
    }
}

#[tokio::test(start_paused = true)]
async fn the_payers_wallet_can_sign_in_to_end_it_and_nobody_elses() {
    let world = World::new();
    let (_, first) = bought(&world, 7).await;
    let token = first.token();
    let challenge = delete(&world, &token, &[]).await.json()["extensions"]["sign-in-with-x"]["info"].clone();
    for (seed, status) in [(8, StatusCode::UNAUTHORIZED), (7, StatusCode::OK)] {
        let wallet = world.wallet(seed);
        let proof = answer(&challenge, &wallet, &message(&challenge, &wallet.key.address().to_string()));
        let reply = delete(&world, &token, &[(header::SIGN_IN_WITH_X, &proof)]).await;
        assert_eq!(reply.status, status, "{reply:?}");
    }
    assert_eq!(paid_back(&world), [(payer(&world, 7), 93_000)]);
}

#[tokio::test(start_paused = true)]
async fn a_proof_of_another_session_is_none_of_this_one() {
    let world = World::new();
    let (_, victim) = bought(&world, 7).await;
    let required = world.bill("ticks").await;
    let offer = offer_of(&required, 100_000);
    let payment = v2(&required, &offer, &world.wallet(8).sign(&offer, 8));
    assert_eq!(world.pay("ticks", &payment, &[]).await.status, StatusCode::OK);
    let reply = delete(&world, &victim.token(), &[(header::PAYMENT_SIGNATURE, &payment)]).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{reply:?}");
    assert!(paid_back(&world).is_empty());
}

#[tokio::test(start_paused = true)]
async fn held_units_are_waited_for() {
    let world = World::new();
    let (_, first) = bought(&world, 7).await;
    let session: tollwire_x402::SessionId = first.jti().parse().unwrap();
    let hold = Command::Hold {
        session: session.clone(),
        stream: "a-stream-of-this-test".parse().unwrap(),
        fence: None,
        to: 3,
        lease: Duration::from_secs(30),
        streams_max: 10,
    };
    assert!(matches!(world.ledger.apply(hold).await.unwrap(), Outcome::Held { .. }));
    let reply = delete(&world, &first.token(), &[CLAIM]).await;
    assert_eq!((reply.status, reply.header("retry-after")), (StatusCode::ACCEPTED, "2"));
    assert_eq!(reply.json(), json!({ "jti": session, "state": "closing", "refund": null }));
    world.gate.finish_closing().await;
    assert!(paid_back(&world).is_empty());
    world.clock.advance(Duration::from_secs(31));
    world.gate.finish_closing().await;
    let reply = delete(&world, &first.token(), &[CLAIM]).await;
    assert_eq!((&reply.json()["state"], &reply.json()["refund"]["units"]), (&json!("refunded"), &json!(10)));
}

#[tokio::test(start_paused = true)]
async fn a_dead_nodes_streams_are_waited_for_only_so_long() {
    let world = World::new();
    let (_, first) = bought(&world, 7).await;
    let session: tollwire_x402::SessionId = first.jti().parse().unwrap();
    let stream: tollwire_x402::StreamId = "a-stream-of-this-test".parse().unwrap();
    let lease = Duration::from_secs(30);
    let hold = Command::Hold {
        session: session.clone(),
        stream: stream.clone(),
        fence: None,
        to: 1,
        lease,
        streams_max: 10,
    };
    assert!(matches!(world.ledger.apply(hold).await.unwrap(), Outcome::Held { .. }));
    let live_for = Duration::from_hours(24);
    let post = Command::Post { session: session.clone(), stream, fence: 1, to: 1, live_for };
    assert!(matches!(world.ledger.apply(post).await.unwrap(), Outcome::Done(_)));
    let reply = delete(&world, &first.token(), &[CLAIM]).await;
    assert_eq!((reply.status, &reply.json()["state"]), (StatusCode::ACCEPTED, &json!("closing")));
    world.clock.advance(Duration::from_secs(11));
    let reply = delete(&world, &first.token(), &[CLAIM]).await;
    assert_eq!((&reply.json()["state"], &reply.json()["refund"]["units"]), (&json!("refunded"), &json!(9)));
    assert_eq!(paid_back(&world), [(payer(&world, 7), 83_000)]);
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_is_down_delays_it_and_the_sweeper_goes_on() {
    let world = World::new();
    let (_, first) = bought(&world, 7).await;
    world.chain.faults().set_down(true);
    let reply = delete(&world, &first.token(), &[CLAIM]).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{reply:?}");
    assert_eq!(reply.json()["type"], "urn:tollwire:problem:refund-unavailable");
    assert_eq!(world.gate.sweep().await.unwrap(), 0);
    world.chain.faults().heal();
    assert_eq!(world.replica().gate.sweep().await.unwrap(), 1, "any node does it");
    let reply = delete(&world, &first.token(), &[CLAIM]).await;
    assert_eq!(reply.json()["state"], "refunded", "{reply:?}");
    assert_eq!(paid_back(&world).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_rest_goes_where_the_rule_says() {
    for (rule, expired, remaining) in [(Unspent::Provider, 10, 0), (Unspent::Keep, 0, 10)] {
        let world = World::with(|config| config.unspent = rule);
        let (_, first) = bought(&world, 7).await;
        let reply = delete(&world, &first.token(), &[CLAIM]).await;
        assert_eq!((reply.status, &reply.json()["state"]), (StatusCode::OK, &json!("closed")), "{rule:?}");
        assert_eq!(reply.json()["refund"], Value::Null);
        let row = world.ledger.session(&first.jti().parse().unwrap()).await.unwrap().unwrap();
        assert_eq!((row.expired, row.remaining()), (expired, remaining), "{rule:?}");
        assert!(paid_back(&world).is_empty());
        assert!(world.gate.report().await.unwrap().balanced);
    }
}

#[tokio::test(start_paused = true)]
async fn a_balance_at_its_end_is_paid_back_without_being_asked_for() {
    let world = World::new();
    bought(&world, 7).await;
    assert_eq!(world.gate.sweep().await.unwrap(), 0);
    world.clock.advance(Duration::from_secs(31 * 24 * 3600));
    assert_eq!(world.gate.sweep().await.unwrap(), 1);
    assert_eq!(world.gate.sweep().await.unwrap(), 0);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(paid_back(&world), [(payer(&world, 7), 93_000)]);
    let report = world.gate.report().await.unwrap();
    assert_eq!((report.balanced, report.doubts.refunds_in_doubt), (true, 0));
}
