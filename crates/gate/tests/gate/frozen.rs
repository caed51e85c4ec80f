//! Sessions of which a reorganisation took a deposit away.

use crate::support::{ADMIN_TOKEN, Reply, World, offer_of, request, v2};
use http::{Method, StatusCode};
use serde_json::json;
use tollwire_ledger::command::EntryKind;
use tollwire_ledger::model::Fate;
use tollwire_ledger::{Command, Ledger as _, Outcome};
use tollwire_x402::{PaymentId, SessionId, header};

const CLAIM: (&str, &str) = (header::TOLLWIRE_CLAIM, "a-claim-of-the-payers-own-choice");

/// The payment that opened a session.
async fn deposit(world: &World, session: &SessionId) -> PaymentId {
    let journal = world.ledger.journal(session).await.unwrap();
    let line = journal.into_iter().find(|line| line.kind == EntryKind::Credit).unwrap();
    line.payment.unwrap()
}

/// The chain took its deposit back, as the watcher would tell the ledger.
pub(crate) async fn freeze(world: &World, jti: &str) {
    let session: SessionId = jti.parse().unwrap();
    let payment = deposit(world, &session).await;
    let outcome = world.ledger.apply(Command::Freeze { payment, session }).await.unwrap();
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
}

/// The chain has it again.
async fn thaw(world: &World, jti: &str) {
    let session: SessionId = jti.parse().unwrap();
    let payment = deposit(world, &session).await;
    let row = world.ledger.payment(&payment).await.unwrap().unwrap();
    let Fate::Credited(mut landing) = row.fate else { panic!("not credited") };
    landing.block += 1;
    let outcome = world.ledger.apply(Command::Thaw { payment, session, landing }).await.unwrap();
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
}

async fn bought(world: &World) -> (String, Reply) {
    let required = world.bill("ticks").await;
    let offer = offer_of(&required, 100_000);
    let payment = v2(&required, &offer, &world.wallet(7).sign(&offer, 7));
    let reply = world.pay("ticks", &payment, &[CLAIM]).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    (payment, reply)
}

async fn with_token(world: &World, method: Method, path: &str, first: &Reply) -> Reply {
    world.send(method, path, &[("authorization", &format!("Bearer {}", first.token())), CLAIM]).await
}

async fn operators_view(world: &World) -> serde_json::Value {
    let mut request = request(Method::GET, "/admin/sessions");
    request.headers_mut().insert("authorization", format!("Bearer {ADMIN_TOKEN}").parse().unwrap());
    world.admin(request).await.json()["sessions"][0].clone()
}

#[tokio::test(start_paused = true)]
async fn a_frozen_session_says_so_and_goes_on_when_its_deposit_is_back() {
    let world = World::new();
    let (payment, first) = bought(&world).await;
    let tx = world.chain.transfers()[0].tx.clone();
    freeze(&world, &first.jti()).await;

    let view = with_token(&world, Method::GET, "/session", &first).await.json();
    assert_eq!(
        (&view["active"], &view["frozen"], &view["closed"], &view["units_remaining"]),
        (&json!(false), &json!(true), &json!(false), &json!(0))
    );
    let shown = operators_view(&world).await;
    assert_eq!(
        (&shown["frozen"], &shown["revoked"], &shown["remaining"]),
        (&json!(true), &json!(false), &json!(10))
    );
    let refused = with_token(&world, Method::POST, "/session/top-up", &first).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{refused:?}");
    assert_eq!(refused.json()["type"], "urn:tollwire:problem:session-revoked");
    // The payment is in doubt again: never a fresh bill for it.
    let again = world.pay("ticks", &payment, &[CLAIM]).await;
    assert_eq!(again.status, StatusCode::SERVICE_UNAVAILABLE, "{again:?}");
    assert!(again.headers.contains_key("retry-after"));
    let status = world.get(&format!("/settle/eip155:84532/{tx}")).await.json();
    assert_eq!((&status["status"], &status["payments"][0]["transaction"]), (&json!("pending"), &json!(tx)));

    thaw(&world, &first.jti()).await;
    let view = with_token(&world, Method::GET, "/session", &first).await.json();
    assert_eq!(
        (&view["active"], &view["frozen"], &view["units_remaining"]),
        (&json!(true), &json!(false), &json!(10))
    );
    assert_eq!(world.pay("ticks", &payment, &[CLAIM]).await.jti(), first.jti());
    let offered = with_token(&world, Method::POST, "/session/top-up", &first).await;
    assert_eq!(offered.status, StatusCode::PAYMENT_REQUIRED, "{offered:?}");
    assert_eq!(world.chain.transfers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_a_frozen_session_is_paid_back_when_its_deposit_is_back() {
    let world = World::new();
    let (_, first) = bought(&world).await;
    freeze(&world, &first.jti()).await;
    let reply = with_token(&world, Method::DELETE, "/session", &first).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED, "{reply:?}");
    assert_eq!(reply.json(), json!({ "jti": first.jti(), "state": "closing", "refund": null }));
    world.gate.finish_closing().await;
    assert_eq!(world.gate.sweep().await.unwrap(), 0);
    assert_eq!(world.chain.transfers().len(), 1, "nothing is sent back meanwhile");
    thaw(&world, &first.jti()).await;
    world.gate.finish_closing().await;
    let reply = with_token(&world, Method::DELETE, "/session", &first).await;
    assert_eq!((reply.status, &reply.json()["state"]), (StatusCode::OK, &json!("refunded")));
    assert_eq!(world.chain.transfers().len(), 2);
    assert!(world.gate.report().await.unwrap().balanced);
}
