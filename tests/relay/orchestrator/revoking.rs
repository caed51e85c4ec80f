//! Keys that are revoked, people who are removed and sessions that are closed over HTTP: what they opened ends at once.

use super::rig::{APPROVE, COUNT, Opened, Person, SUMMARIZE, Stage, Talk, admin};
use serde_json::{Value, json};
use tollwire_tests::broker::Broker;

/// Whatever was on its way comes first; then why the socket ends, and 4001.
pub(super) async fn is_cut(talk: &mut Talk) {
    let why = talk.error("auth_failed").await;
    assert!(why.contains("not good any more"), "{why}");
    assert_eq!(talk.ended().await, 4001);
}

/// The operator makes all of somebody's keys worthless.
pub(super) async fn revoke(broker: &Broker, person: &str) {
    let revoked = admin(broker, "POST", &format!("people/{person}/revoke"), &Value::Null).await;
    assert_eq!((revoked.status.as_u16(), &revoked.json()["keys"]), (200, &json!([])), "{revoked:?}");
}

/// The operator gives somebody another key.
async fn another_key(broker: &Broker, person: &str) -> Person {
    let rotated = admin(broker, "POST", &format!("people/{person}/rotate"), &Value::Null).await;
    Person::with_key(rotated.json()["token"].as_str().unwrap())
}

/// Closes a session over HTTP.
pub(super) async fn close(person: &Person, broker: &Broker, session: &Opened) -> (u16, Value) {
    let path = format!("/api/sessions/{}", session.id);
    let answer = person.ask(broker, "DELETE", &path, &Value::Null).await;
    (answer.status.as_u16(), answer.json())
}

#[tokio::test]
async fn a_revoked_key_ends_all_that_it_opened_and_nothing_else() {
    let stage = Stage::set().await;
    let (ada, bob) = (stage.person("ada").await, stage.person("bob").await);
    ada.deposit(&stage.broker, 1_000_000).await;
    let (mut first, asking) = ada.connect(&stage.broker).await;
    first.say(SUMMARIZE).await;
    let asked = first.heard("PAYMENT_REQUEST").await;
    let (mut second, _) = ada.connect(&stage.broker).await;
    second.say(COUNT).await;
    second.answer().await;
    let (mut other, _) = bob.connect(&stage.broker).await;
    other.say(COUNT).await;
    other.answer().await;
    revoke(&stage.broker, "ada").await;
    is_cut(&mut first).await;
    is_cut(&mut second).await;
    // Nor does the token, whose time is not over, open anything again.
    is_cut(&mut Talk::open(&stage.broker, &asking).await).await;
    assert_eq!(ada.ask(&stage.broker, "GET", "/api/sessions", &Value::Null).await.status, 401);
    other.say(COUNT).await;
    assert_eq!(other.answer().await, "count: done", "somebody else is not disturbed");
    // The person, who is still theirs, gets another key and finds everything as it was.
    let ada = another_key(&stage.broker, "ada").await;
    let mut talk = Talk::open(&stage.broker, &ada.again(&stage.broker, &asking).await).await;
    assert_eq!(talk.heard("PAYMENT_REQUEST").await, asked);
    talk.say(APPROVE).await;
    talk.heard("PAYMENT_SUCCESSFUL").await;
    assert_eq!(talk.answer().await, "summarize: done");
    let removed = admin(&stage.broker, "DELETE", "people/ada", &Value::Null).await;
    assert_eq!(removed.status, 200);
    is_cut(&mut talk).await;
}

#[tokio::test]
async fn a_key_that_was_replaced_goes_on_until_it_is_revoked() {
    let stage = Stage::set().await;
    let old = stage.person("ada").await;
    let (mut talk, session) = old.connect(&stage.broker).await;
    let new = another_key(&stage.broker, "ada").await;
    talk.say(COUNT).await;
    assert_eq!(talk.answer().await, "count: done", "it is good for an hour more");
    let again = new.again(&stage.broker, &session).await;
    revoke(&stage.broker, "ada").await;
    is_cut(&mut talk).await;
    is_cut(&mut Talk::open(&stage.broker, &again).await).await;
}

/// A session of ada's with an agent at work and so many paid jobs waiting, whose key is revoked then.
async fn revoked_with_work_waiting(stage: &Stage, waiting: usize) -> Opened {
    let ada = stage.person("ada").await;
    ada.deposit(&stage.broker, 1_000_000).await;
    ada.auto_pay(&stage.broker, "1", "10").await;
    let (mut talk, session) = ada.connect(&stage.broker).await;
    stage.helper.hold(true);
    talk.say(COUNT).await;
    stage.helper.asked(1).await;
    for _ in 0..waiting {
        talk.say(SUMMARIZE).await;
    }
    // They are heard in order: this one's answer says that they wait.
    talk.say(APPROVE).await;
    talk.error("invalid_message").await;
    revoke(&stage.broker, "ada").await;
    is_cut(&mut talk).await;
    session
}

/// Whoever has stolen a key may have left work behind it: nothing of that is begun, and nothing paid by itself.
#[tokio::test]
async fn nothing_that_a_revoked_key_left_waiting_is_begun() {
    let stage = Stage::set().await;
    let session = revoked_with_work_waiting(&stage, 3).await;
    stage.helper.hold(false);
    let ada = another_key(&stage.broker, "ada").await;
    // It has come to rest when its phase is this one again, and nothing waits.
    let path = format!("/api/sessions/{}", session.id);
    loop {
        let seen = ada.ask(&stage.broker, "GET", &path, &Value::Null).await.json();
        if (&seen["phase"], &seen["waiting_messages"], &seen["agent_name"])
            == (&json!("CONNECTED"), &json!(0), &Value::Null)
        {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let mut talk = Talk::open(&stage.broker, &ada.again(&stage.broker, &session).await).await;
    assert_eq!(talk.answer().await, "count: done", "what was under way was finished");
    for _ in 0..3 {
        assert!(talk.error("internal_error").await.contains("not good any more"));
    }
    assert_eq!(ada.balance(&stage.broker).await, "1.00");
    assert_eq!(ada.spent_today(&stage.broker).await, "0.00");
    assert_eq!(stage.helper.invoked().len(), 1);
    talk.say(SUMMARIZE).await;
    talk.heard("PAYMENT_SUCCESSFUL").await;
    assert_eq!(talk.answer().await, "summarize: done", "the new key does");
}

/// Nor when its person is back, with another key, before its turn would have come.
#[tokio::test]
async fn what_a_revoked_key_left_waiting_is_not_the_next_key_s() {
    let stage = Stage::set().await;
    let session = revoked_with_work_waiting(&stage, 1).await;
    let ada = another_key(&stage.broker, "ada").await;
    let mut talk = Talk::open(&stage.broker, &ada.again(&stage.broker, &session).await).await;
    assert!(talk.error("internal_error").await.contains("not good any more"));
    talk.say(COUNT).await;
    stage.helper.hold(false);
    for _ in 0..2 {
        assert_eq!(talk.answer().await, "count: done");
    }
    assert_eq!(ada.balance(&stage.broker).await, "1.00");
}

#[tokio::test]
async fn a_session_is_closed_over_http() {
    let stage = Stage::set().await;
    let (ada, bob) = (stage.person("ada").await, stage.person("bob").await);
    ada.deposit(&stage.broker, 1_000_000).await;
    let (mut talk, session) = ada.connect(&stage.broker).await;
    stage.helper.hold(true);
    talk.approved().await;
    stage.helper.asked(1).await;
    assert_eq!(close(&bob, &stage.broker, &session).await.0, 404, "somebody else's");
    let closed = json!({ "session_id": session.id, "phase": "CLOSED" });
    assert_eq!(close(&ada, &stage.broker, &session).await, (200, closed.clone()));
    assert_eq!(talk.heard("SESSION_CLOSED").await, json!({ "reason": "Cancelled", "phase": "CLOSED" }));
    assert_eq!(talk.ended().await, 1000);
    assert_eq!(ada.balance(&stage.broker).await, "1.00", "given back");
    assert_eq!(close(&ada, &stage.broker, &session).await, (200, closed), "again");
    // One whose person is away, and one that nobody has ever opened.
    let (mut talk, away) = ada.connect(&stage.broker).await;
    talk.say(COUNT).await;
    talk.0.close().await;
    let new = ada.session(&stage.broker).await;
    for session in [away, new] {
        assert_eq!(close(&ada, &stage.broker, &session).await.1["phase"], "CLOSED");
        let mut late = Talk::open(&stage.broker, &session).await;
        late.error("session_not_found").await;
        assert_eq!(late.ended().await, 4004);
    }
}
