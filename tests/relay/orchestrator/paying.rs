//! What jobs cost: asked for, covered, held, taken, given back.

use super::rig::{APPROVE, COUNT, PRICE, SUMMARIZE, Stage, Talk};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::time::Duration;
use tollwire_tests::agent::Agent;

/// A signed answer to a payment request, and the wallet that signed it.
pub(super) fn signed(agent: &Agent, asked: &Value) -> Value {
    let bill = &asked["payment_required"];
    let offer = bill["accepts"][0].clone();
    agent.pay_v2(bill, &offer, &Agent::terms(&offer)).message
}

pub(super) fn approval(payment: &Value) -> String {
    json!({ "type": "PAYMENT_RESPONSE", "data": { "approved": true, "payment": payment } }).to_string()
}

#[tokio::test]
async fn auto_pay_pays_within_its_caps_and_asks_beyond_them() {
    let stage = Stage::set().await;
    let person = stage.person("ada").await;
    let (_, deposit) = person.deposit(&stage.broker, 1_000_000).await;
    person.auto_pay(&stage.broker, "0.05", "0.12").await;
    let (mut talk, _) = person.connect(&stage.broker).await;
    for _ in 0..2 {
        talk.say(SUMMARIZE).await;
        let paid = talk.heard("PAYMENT_SUCCESSFUL").await;
        assert_eq!((&paid["amount_usdc"], &paid["tx_hash"]), (&json!("0.05"), &json!(deposit)));
        assert_eq!(talk.answer().await, "summarize: done");
    }
    assert_eq!(person.spent_today(&stage.broker).await, "0.10");
    talk.approved().await;
    talk.answer().await;
    assert_eq!(person.spent_today(&stage.broker).await, "0.10", "what was asked for is not auto-pay's");
    assert_eq!(person.balance(&stage.broker).await, "0.85");
    // Above the cap of one job, by one atomic unit.
    person.auto_pay(&stage.broker, "0.049999", "50").await;
    talk.approved().await;
    talk.answer().await;
    // What fails costs nothing of the day.
    person.auto_pay(&stage.broker, "0.05", "0.15").await;
    stage.helper.fails(true);
    talk.say(SUMMARIZE).await;
    talk.heard("PAYMENT_SUCCESSFUL").await;
    let told = talk.answer().await;
    assert!(told.contains("it is unreadable") && told.contains("not charged"), "{told}");
    assert_eq!(person.spent_today(&stage.broker).await, "0.10");
    assert_eq!(person.balance(&stage.broker).await, "0.80");
}

/// Sessions of one person at once, each with one job; how many were paid without being asked for.
pub(super) async fn at_once(talks: Vec<Talk>) -> usize {
    let all = talks.into_iter().map(|mut talk| async move {
        talk.say(SUMMARIZE).await;
        let frame = talk.frame().await;
        match frame["type"].as_str().unwrap() {
            "PAYMENT_SUCCESSFUL" => {
                assert_eq!(talk.answer().await, "summarize: done");
                true
            }
            "PAYMENT_REQUEST" => false,
            _ => panic!("{frame}"),
        }
    });
    join_all(all).await.into_iter().filter(|paid| *paid).count()
}

#[tokio::test]
async fn twenty_sessions_at_once_never_exceed_the_day() {
    let stage = Stage::set().await;
    let person = stage.person("ada").await;
    person.deposit(&stage.broker, 10_000_000).await;
    // Seven jobs and all but one atomic unit of an eighth.
    person.auto_pay(&stage.broker, "1", "0.399999").await;
    let mut talks = Vec::new();
    for _ in 0..20 {
        talks.push(person.connect(&stage.broker).await.0);
    }
    assert_eq!(at_once(talks).await, 7);
    assert_eq!(person.spent_today(&stage.broker).await, "0.35");
    assert_eq!(person.balance(&stage.broker).await, "9.65");
}

#[tokio::test]
async fn an_approval_twice_charges_once() {
    let stage = Stage::set().await;
    let person = stage.person("ada").await;
    person.deposit(&stage.broker, 1_000_000).await;
    let (mut talk, _) = person.connect(&stage.broker).await;
    stage.helper.hold(true);
    talk.say(SUMMARIZE).await;
    talk.heard("PAYMENT_REQUEST").await;
    for _ in 0..3 {
        talk.say(APPROVE).await;
    }
    let mut kinds = Vec::new();
    for _ in 0..3 {
        kinds.push(talk.frame().await["type"].as_str().unwrap().to_owned());
    }
    kinds.sort();
    assert_eq!(kinds, ["ERROR", "ERROR", "PAYMENT_SUCCESSFUL"]);
    stage.helper.hold(false);
    assert_eq!(talk.answer().await, "summarize: done");
    assert_eq!(person.balance(&stage.broker).await, "0.95");
    assert_eq!(stage.helper.invoked().len(), 1);
}

#[tokio::test]
async fn without_enough_money_nothing_is_done() {
    let stage = Stage::set().await;
    let person = stage.person("ada").await;
    let (mut talk, _) = person.connect(&stage.broker).await;
    talk.say(SUMMARIZE).await;
    talk.heard("PAYMENT_REQUEST").await;
    talk.say(APPROVE).await;
    let why = talk.error("invalid_message").await;
    assert!(why.contains("no prepaid account"), "{why}");
    // Linked meanwhile, it pays; but only as long as it suffices.
    person.deposit(&stage.broker, 100_000).await;
    talk.say(APPROVE).await;
    talk.heard("PAYMENT_SUCCESSFUL").await;
    talk.answer().await;
    talk.approved().await;
    talk.answer().await;
    talk.say(SUMMARIZE).await;
    talk.heard("PAYMENT_REQUEST").await;
    talk.say(APPROVE).await;
    let why = talk.error("internal_error").await;
    assert!(why.contains("top it up"), "{why}");
    assert_eq!(stage.helper.invoked().len(), 2, "nobody was asked without being paid");
    talk.say(COUNT).await;
    assert_eq!(talk.answer().await, "count: done", "it goes on");
}

#[tokio::test]
async fn a_signed_payment_pays_for_one_job_alone() {
    let stage = Stage::set().await;
    let person = stage.person("ada").await;
    let (mut talk, _) = person.connect(&stage.broker).await;
    let agent = Agent::new();
    talk.say(SUMMARIZE).await;
    let asked = talk.heard("PAYMENT_REQUEST").await;
    // What is not right is refused, and the right one is still taken.
    let offer = asked["payment_required"]["accepts"][0].clone();
    let mut terms = Agent::terms(&offer);
    terms.value = PRICE - 1;
    let short = agent.pay_v2(&asked["payment_required"], &offer, &terms).message;
    for wrong in [json!({ "x402Version": 2 }), json!("x"), short] {
        talk.say(&approval(&wrong)).await;
        talk.error("invalid_message").await;
    }
    let payment = signed(&agent, &asked);
    talk.say(&approval(&payment)).await;
    let paid = talk.heard("PAYMENT_SUCCESSFUL").await;
    assert!(paid["tx_hash"].as_str().unwrap().starts_with("0x"), "{paid}");
    assert_eq!(paid["source"], Value::Null, "a transaction of its own");
    assert_eq!(talk.answer().await, "summarize: done");
    talk.say(SUMMARIZE).await;
    talk.heard("PAYMENT_REQUEST").await;
    talk.say(&approval(&payment)).await;
    let why = talk.error("invalid_message").await;
    assert!(why.contains("already used"), "{why}");
    assert_eq!(stage.helper.invoked().len(), 1);
    // In another session neither, whoever it is.
    let (mut other, _) = stage.person("bob").await.connect(&stage.broker).await;
    other.say(SUMMARIZE).await;
    other.heard("PAYMENT_REQUEST").await;
    other.say(&approval(&payment)).await;
    other.error("invalid_message").await;
}

#[tokio::test]
async fn a_signed_payment_made_in_vain_pays_the_next_job() {
    let stage = Stage::set().await;
    let person = stage.person("ada").await;
    let (mut talk, _) = person.connect(&stage.broker).await;
    stage.helper.fails(true);
    talk.say(SUMMARIZE).await;
    let asked = talk.heard("PAYMENT_REQUEST").await;
    talk.say(&approval(&signed(&Agent::new(), &asked))).await;
    let paid = talk.heard("PAYMENT_SUCCESSFUL").await;
    let told = talk.answer().await;
    assert!(told.contains("kept for your next job"), "{told}");
    stage.helper.fails(false);
    talk.say(SUMMARIZE).await;
    let again = talk.heard("PAYMENT_SUCCESSFUL").await;
    assert_eq!((&again["source"], &again["tx_hash"]), (&json!("credit"), &paid["tx_hash"]));
    assert_eq!(talk.answer().await, "summarize: done");
    talk.say(SUMMARIZE).await;
    talk.heard("PAYMENT_REQUEST").await;
}

#[tokio::test]
async fn a_request_that_nobody_answers_expires() {
    let stage = Stage::with("payment_wait = \"1s\"").await;
    let person = stage.person("ada").await;
    person.deposit(&stage.broker, 1_000_000).await;
    let (mut talk, session) = person.connect(&stage.broker).await;
    talk.say(SUMMARIZE).await;
    talk.heard("PAYMENT_REQUEST").await;
    assert_eq!(talk.error("payment_declined").await, "payment request expired");
    talk.say(APPROVE).await;
    talk.error("invalid_message").await;
    // It expires while the person is away, too.
    talk.say(SUMMARIZE).await;
    talk.heard("PAYMENT_REQUEST").await;
    talk.0.close().await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let mut talk = Talk::open(&stage.broker, &session).await;
    assert_eq!(talk.error("payment_declined").await, "payment request expired");
    assert_eq!(person.balance(&stage.broker).await, "1.00");
}
