//! Two brokers on one Redis: a session is opened on either, worked at by one, and a day's cap holds over both.

use super::helper::Helper;
use super::paying::at_once;
use super::revoking::{close, is_cut, revoke};
use super::rig::{APPROVE, COUNT, Person, SUMMARIZE, Talk, brain, register, secrets, settings, start};
use serde_json::json;
use tollwire_testkit::process::Process;
use tollwire_testkit::redis::RedisServer;
use tollwire_tests::broker::{Broker, BrokerSettings};
use tollwire_tests::http;

struct Pair {
    brokers: [Broker; 2],
    helper: Helper,
    _brain: Process,
    _redis: RedisServer,
}

async fn pair() -> Pair {
    let (redis, name) = (RedisServer::start().await.unwrap(), "http://127.0.0.1:1");
    let settings = settings(&redis.url(), name, "");
    let settings = BrokerSettings { public_url: Some(name.into()), ..settings };
    let secrets = secrets();
    let brokers = [start(&settings, &secrets).await, start(&settings, &secrets).await];
    let (brain, helper) = (brain(&brokers[0]).await, Helper::start().await);
    register(&brokers[0], &helper).await;
    Pair { brokers, helper, _brain: brain, _redis: redis }
}

#[tokio::test]
async fn a_session_is_opened_on_either_broker() {
    let pair = pair().await;
    let [one, other] = &pair.brokers;
    let person = Person::add(one, "ada").await;
    person.deposit(one, 1_000_000).await;
    let (mut talk, session) = person.connect(one).await;
    talk.say(SUMMARIZE).await;
    let asked = talk.heard("PAYMENT_REQUEST").await;
    let mut second = Talk::open(other, &session).await;
    assert_eq!(second.ended().await, 4010, "its person is at the other broker");
    talk.0.close().await;
    let mut talk = Talk::open(other, &person.again(other, &session).await).await;
    assert_eq!(talk.heard("PAYMENT_REQUEST").await, asked);
    talk.say(APPROVE).await;
    talk.heard("PAYMENT_SUCCESSFUL").await;
    assert_eq!(talk.answer().await, "summarize: done");
    assert_eq!(person.balance(one).await, "0.95");
}

#[tokio::test]
async fn a_broker_that_is_killed_leaves_its_sessions_to_the_other() {
    let mut pair = pair().await;
    let person = Person::add(&pair.brokers[1], "ada").await;
    person.deposit(&pair.brokers[1], 1_000_000).await;
    // The brain is at the first broker, which stays.
    let (mut talk, session) = person.connect(&pair.brokers[1]).await;
    pair.helper.hold(true);
    talk.approved().await;
    pair.helper.asked(1).await;
    pair.brokers[1].crash().await;
    // At once, while it still seems to live.
    let again = person.again(&pair.brokers[0], &session).await;
    let mut talk = Talk::open(&pair.brokers[0], &again).await;
    pair.helper.asked(2).await;
    pair.helper.hold(false);
    let mut frame = talk.frame().await;
    if frame["type"] == "PAYMENT_SUCCESSFUL" {
        frame = talk.frame().await;
    }
    assert_eq!(frame["data"]["content"], "summarize: done", "{frame}");
    talk.say(COUNT).await;
    assert_eq!(talk.answer().await, "count: done");
    assert_eq!(person.balance(&pair.brokers[0]).await, "0.95");
}

#[tokio::test]
async fn twenty_sessions_on_both_never_exceed_the_day() {
    let pair = pair().await;
    let person = Person::add(&pair.brokers[0], "ada").await;
    person.deposit(&pair.brokers[0], 10_000_000).await;
    person.auto_pay(&pair.brokers[0], "1", "0.399999").await;
    let mut talks = Vec::new();
    for at in 0..20_usize {
        talks.push(person.connect(&pair.brokers[at % 2]).await.0);
    }
    assert_eq!(at_once(talks).await, 7);
    for broker in &pair.brokers {
        assert_eq!(person.spent_today(broker).await, "0.35");
        assert_eq!(person.balance(broker).await, "9.65");
    }
}

#[tokio::test]
async fn what_is_revoked_or_closed_at_one_broker_ends_at_the_other() {
    let pair = pair().await;
    let [one, other] = &pair.brokers;
    let (ada, bob) = (Person::add(one, "ada").await, Person::add(one, "bob").await);
    let mut talks = Vec::new();
    for at in [one, other] {
        talks.push(ada.connect(at).await.0);
        let (mut talk, session) = bob.connect(at).await;
        talk.say(COUNT).await;
        assert_eq!(talk.answer().await, "count: done");
        assert_eq!(close(&bob, other, &session).await.0, 200);
        talk.heard("SESSION_CLOSED").await;
        assert_eq!(talk.ended().await, 1000);
    }
    let (mut stays, _) = bob.connect(other).await;
    for talk in &mut talks {
        talk.say(COUNT).await;
        assert_eq!(talk.answer().await, "count: done");
    }
    revoke(one, "ada").await;
    for talk in &mut talks {
        is_cut(talk).await;
    }
    stays.say(COUNT).await;
    assert_eq!(stays.answer().await, "count: done");
}

#[tokio::test]
async fn what_one_broker_finds_of_an_agent_the_other_knows() {
    let pair = pair().await;
    let [one, other] = &pair.brokers;
    let person = Person::add(one, "ada").await;
    let (mut talk, _) = person.connect(one).await;
    pair.helper.is_healthy(false);
    talk.say(COUNT).await;
    talk.error("agent_unavailable").await;
    let seen = http::get(&other.url("/api/agents/summarizer"), &[]).await.json();
    let found = (&seen["last_health_status"], &seen["consecutive_health_failures"], &seen["status"]);
    assert_eq!(found, (&json!("unhealthy"), &json!(1), &json!("active")));
}
