//! kill -9 of the broker, and people who come back.

use super::rig::{APPROVE, COUNT, Opened, Person, SUMMARIZE, Stage, Talk};
use serde_json::{Value, json};
use std::time::Duration;
use tollwire_tests::agent::Agent;
use tollwire_tests::broker::Broker;

/// Comes back with a fresh token.
async fn again(person: &Person, broker: &Broker, session: &Opened) -> Talk {
    Talk::open(broker, &person.again(broker, session).await).await
}

#[tokio::test]
async fn what_is_outstanding_is_said_again_and_a_job_goes_on_without_its_person() {
    let stage = Stage::set().await;
    let person = stage.person("ada").await;
    person.deposit(&stage.broker, 1_000_000).await;
    let (mut talk, session) = person.connect(&stage.broker).await;
    talk.say(SUMMARIZE).await;
    let asked = talk.heard("PAYMENT_REQUEST").await;
    talk.0.close().await;
    let mut talk = again(&person, &stage.broker, &session).await;
    assert_eq!(talk.heard("PAYMENT_REQUEST").await, asked, "the same one");
    stage.helper.hold(true);
    talk.say(APPROVE).await;
    talk.heard("PAYMENT_SUCCESSFUL").await;
    stage.helper.asked(1).await;
    talk.say(COUNT).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    talk.0.close().await;
    stage.helper.hold(false);
    stage.helper.asked(2).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut talk = again(&person, &stage.broker, &session).await;
    let mut frame = talk.frame().await;
    if frame["type"] == "PAYMENT_SUCCESSFUL" {
        // Its pong may not have left before the socket was closed.
        frame = talk.frame().await;
    }
    assert_eq!(frame["data"]["content"], "summarize: done", "{frame}");
    assert_eq!(talk.answer().await, "count: done");
    assert!(talk.is_silent(Duration::from_millis(300)).await);
    talk.0.close().await;
    let mut talk = again(&person, &stage.broker, &session).await;
    assert!(talk.is_silent(Duration::from_millis(300)).await, "what has arrived is not said again");
    assert_eq!(person.balance(&stage.broker).await, "0.95");
}

#[tokio::test]
async fn killed_while_it_asks_it_asks_the_same_again() {
    let mut stage = Stage::set().await;
    let person = stage.person("ada").await;
    person.deposit(&stage.broker, 1_000_000).await;
    let (mut talk, session) = person.connect(&stage.broker).await;
    talk.say(SUMMARIZE).await;
    let asked = talk.heard("PAYMENT_REQUEST").await;
    talk.say(COUNT).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    stage.broker.crash_and_restart().await;
    let mut talk = again(&person, &stage.broker, &session).await;
    assert_eq!(talk.heard("PAYMENT_REQUEST").await, asked);
    talk.say(APPROVE).await;
    talk.heard("PAYMENT_SUCCESSFUL").await;
    assert_eq!(talk.answer().await, "summarize: done");
    assert_eq!(talk.answer().await, "count: done", "what waited goes on, once its brain is back");
    assert_eq!(person.balance(&stage.broker).await, "0.95");
}

#[tokio::test]
async fn killed_while_an_agent_works_it_goes_on_and_charges_once() {
    let mut stage = Stage::set().await;
    let person = stage.person("ada").await;
    person.deposit(&stage.broker, 1_000_000).await;
    let (mut talk, session) = person.connect(&stage.broker).await;
    stage.helper.hold(true);
    talk.approved().await;
    stage.helper.asked(1).await;
    stage.broker.crash_and_restart().await;
    // Nobody comes back for it, and it goes on all the same.
    stage.helper.asked(2).await;
    stage.helper.hold(false);
    let mut talk = again(&person, &stage.broker, &session).await;
    let mut frame = talk.frame().await;
    if frame["type"] == "PAYMENT_SUCCESSFUL" {
        // It may not have been noted any more that this had arrived.
        frame = talk.frame().await;
    }
    assert_eq!(frame["data"]["content"], "summarize: done", "{frame}");
    assert_eq!(person.balance(&stage.broker).await, "0.95");
    let jobs: Vec<Value> =
        stage.helper.invoked().iter().map(|(_, asked)| asked["context"]["job_id"].clone()).collect();
    assert_eq!(jobs[0], jobs[1], "to the agent it is the same job");
}

/// Killed at whatever step of signed payments: each job is asked for once, paid once, and done.
#[tokio::test]
async fn killed_in_the_middle_of_a_payment_it_never_asks_again() {
    let mut stage = Stage::set().await;
    let person = stage.person("ada").await;
    for round in 0..6_u64 {
        let session = person.session(&stage.broker).await;
        let mut talk = Talk::open(&stage.broker, &session).await;
        talk.say(SUMMARIZE).await;
        let asked = talk.heard("PAYMENT_REQUEST").await;
        let bill = &asked["payment_required"];
        let offer = bill["accepts"][0].clone();
        let payment = Agent::new().pay_v2(bill, &offer, &Agent::terms(&offer)).message;
        let approval =
            json!({ "type": "PAYMENT_RESPONSE", "data": { "approved": true, "payment": payment } });
        talk.say(&approval.to_string()).await;
        tokio::time::sleep(Duration::from_millis(3 * round)).await;
        stage.broker.crash_and_restart().await;
        let mut talk = again(&person, &stage.broker, &session).await;
        let (mut paid, mut done) = (0, 0);
        while done == 0 {
            let frame = talk.frame().await;
            match frame["type"].as_str().unwrap() {
                // It had not heard the answer before it died: the very same request, and the same payment answers it.
                "PAYMENT_REQUEST" => {
                    assert_eq!(
                        (frame["data"]["payment_id"].as_str(), paid),
                        (asked["payment_id"].as_str(), 0)
                    );
                    talk.say(&approval.to_string()).await;
                }
                "PAYMENT_SUCCESSFUL" => paid += 1,
                "AGENT_MESSAGE" => done += 1,
                _ => panic!("round {round}: {frame}"),
            }
        }
        assert_eq!((paid, done), (1, 1), "round {round}");
    }
}
