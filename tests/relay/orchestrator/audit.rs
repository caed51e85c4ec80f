//! The audit log explains every atomic unit of a person's jobs, and says nothing of what they were about.

use super::paying::{approval, signed};
use super::rig::{APPROVE, CANCEL, COUNT, SUMMARIZE, Stage, Talk, admin};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tollwire_tests::agent::Agent;
use tollwire_tests::broker::Broker;

/// What it says of people's money, in order.
async fn entries(broker: &Broker) -> (Vec<Value>, String) {
    let (mut entries, mut text, mut after) = (Vec::new(), String::new(), 0);
    loop {
        let page = admin(broker, "GET", &format!("audit?after={after}"), &Value::Null).await;
        assert_eq!(page.status, 200, "{page:?}");
        let page = page.text();
        let Some(last) = page.lines().last() else { return (entries, text) };
        after = serde_json::from_str::<Value>(last).unwrap()["seq"].as_u64().unwrap();
        let read = page.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        entries.extend(read.filter(|entry| entry["person_id"].is_string()));
        text.push_str(&page);
    }
}

/// The sum of all entries of these kinds, in atomic units.
fn sum(entries: &[Value], kinds: &[&str]) -> u64 {
    let of_kind = entries.iter().filter(|entry| kinds.contains(&entry["what"].as_str().unwrap()));
    of_kind.map(|entry| entry["amount"].as_str().unwrap().parse::<u64>().unwrap()).sum()
}

fn kinds(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["what"].as_str().unwrap()).collect()
}

/// One paid job.
async fn job(talk: &mut Talk, approval: &str) -> String {
    talk.say(SUMMARIZE).await;
    talk.heard("PAYMENT_REQUEST").await;
    talk.say(approval).await;
    talk.heard("PAYMENT_SUCCESSFUL").await;
    talk.answer().await
}

async fn signed_job(talk: &mut Talk) -> String {
    talk.say(SUMMARIZE).await;
    let asked = talk.heard("PAYMENT_REQUEST").await;
    talk.say(&approval(&signed(&Agent::new(), &asked))).await;
    let paid = talk.heard("PAYMENT_SUCCESSFUL").await;
    talk.answer().await;
    paid["tx_hash"].as_str().unwrap().to_owned()
}

/// What was held first for a job of a session, of an account with this deposit.
fn is_explained(first_held: &Value, session: &str, deposit: &str) {
    for (name, value) in [
        ("session_id", json!(session)),
        ("service_agent", json!("summarizer")),
        ("action", json!("summarize")),
        ("amount", json!("50000")),
        ("source", json!("balance")),
        ("auto_pay", json!(false)),
        ("tx_hash", json!(deposit)),
    ] {
        assert_eq!(first_held[name], value, "{first_held}");
    }
    assert!(first_held["account_id"].is_string() && first_held["payment_id"].is_string(), "{first_held}");
}

#[tokio::test]
async fn every_unit_of_a_person_s_jobs_is_explained() {
    let stage = Stage::set().await;
    let (ada, bob) = (stage.person("ada").await, stage.person("bob").await);
    let (_, deposit) = ada.deposit(&stage.broker, 1_000_000).await;
    // Two are done, of which one is paid by itself; one fails; one is cancelled.
    let (mut talk, session) = ada.connect(&stage.broker).await;
    assert_eq!(job(&mut talk, APPROVE).await, "summarize: done");
    ada.auto_pay(&stage.broker, "1", "0.05").await;
    talk.say(SUMMARIZE).await;
    talk.heard("PAYMENT_SUCCESSFUL").await;
    talk.answer().await;
    stage.helper.fails(true);
    assert!(job(&mut talk, APPROVE).await.contains("not charged"));
    stage.helper.fails(false);
    talk.say(COUNT).await;
    talk.answer().await;
    stage.helper.hold(true);
    talk.approved().await;
    stage.helper.asked(5).await;
    talk.say(CANCEL).await;
    talk.heard("SESSION_CLOSED").await;
    stage.helper.hold(false);
    // Signed: one is done, one is made in vain and pays the next after another failure.
    let (mut other, _) = bob.connect(&stage.broker).await;
    let first = signed_job(&mut other).await;
    stage.helper.fails(true);
    let vain = signed_job(&mut other).await;
    for fails in [true, false] {
        stage.helper.fails(fails);
        other.say(SUMMARIZE).await;
        other.heard("PAYMENT_SUCCESSFUL").await;
        other.answer().await;
    }

    let (all, text) = entries(&stage.broker).await;
    let of = |person: &str| -> Vec<Value> {
        all.iter().filter(|entry| entry["person_id"] == person).cloned().collect()
    };
    let (adas, bobs) = (of("ada"), of("bob"));
    let held = ["payment_held", "payment_captured"];
    let given_back = ["payment_held", "payment_released"];
    assert_eq!(kinds(&adas), [held, held, given_back, given_back].concat());
    assert_eq!(
        kinds(&bobs),
        [
            ["payment_settled", "payment_used"],
            ["payment_settled", "credit_kept"],
            ["credit_taken", "credit_returned"],
            ["credit_taken", "credit_used"],
        ]
        .concat()
    );
    // What the account has lost is what was captured.
    assert_eq!(ada.balance(&stage.broker).await, "0.90");
    assert_eq!(sum(&adas, &["payment_captured"]), 100_000);
    assert_eq!(sum(&adas, &["payment_held"]), sum(&adas, &["payment_captured", "payment_released"]));
    assert_eq!(sum(&bobs, &["payment_settled"]), sum(&bobs, &["payment_used", "credit_used"]));
    is_explained(&adas[0], &session.id, &deposit);
    assert_eq!(adas[2]["auto_pay"], true);
    assert_eq!(adas[1]["sha256"], hex::encode(Sha256::digest("summarize: done")));
    assert_eq!(adas[1]["bytes"], "summarize: done".len());
    assert_eq!((&bobs[0]["tx_hash"], &bobs[2]["tx_hash"]), (&json!(first), &json!(vain)));
    assert_eq!((&bobs[4]["tx_hash"], &bobs[6]["tx_hash"]), (&json!(vain), &json!(vain)));
    for content in ["example.com", "done", "unreadable"] {
        assert!(!text.contains(content), "{content} is content");
    }
}

/// However often its steps are made again, each is written down once.
#[tokio::test]
async fn what_is_made_again_after_a_crash_is_written_down_once() {
    let mut stage = Stage::set().await;
    let ada = stage.person("ada").await;
    ada.deposit(&stage.broker, 1_000_000).await;
    let (mut talk, session) = ada.connect(&stage.broker).await;
    stage.helper.hold(true);
    talk.approved().await;
    for asked in 1..=2 {
        stage.helper.asked(asked).await;
        stage.broker.crash_and_restart().await;
    }
    stage.helper.hold(false);
    let mut talk = Talk::open(&stage.broker, &ada.again(&stage.broker, &session).await).await;
    loop {
        let frame = talk.frame().await;
        if frame["type"] == "AGENT_MESSAGE" {
            break;
        }
    }
    let (all, _) = entries(&stage.broker).await;
    assert_eq!(kinds(&all), ["payment_held", "payment_captured"]);
    assert_eq!(all[0]["job_id"], all[1]["job_id"]);
    assert_eq!(ada.balance(&stage.broker).await, "0.95");
}
