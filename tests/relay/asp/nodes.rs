//! Two brokers on one Redis are one session: gapless, one chain, replay equals live, whatever is killed.

use super::rig::{Agent, Asp, Peer, commitment, introduce, key, proposal, say};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::time::Duration;
use tollwire_asp::Verifier;
use tollwire_testkit::redis::RedisServer;

pub(super) struct Pair {
    pub(super) one: Asp,
    pub(super) other: Asp,
    pub(super) redis: RedisServer,
}

impl Pair {
    pub(super) async fn start() -> Self {
        let redis = RedisServer::start().await.unwrap();
        let store = format!("store = \"{}\"", redis.url());
        let (one, other) = tokio::join!(Asp::with(&store, ""), Asp::with(&store, ""));
        Self { one, other, redis }
    }
}

pub(super) fn frame(performative: &str, number: u64) -> Value {
    let id = format!("p{number}");
    let body = match performative {
        "PROPOSE" => proposal(&id, "terms"),
        "COUNTER" => json!({"referenceId": "p", "counterProposalId": id, "subject": "s", "terms": {}}),
        "COMMIT" => commitment(&id),
        "QUERY" => json!({"queryId": id, "queryType": "t", "subject": "s", "parameters": {}}),
        _ => json!({"n": number}),
    };
    say(performative, body)
}

/// What one side has seen: messages it was given, and messages of its own that were acked.
#[derive(Default)]
struct Seen {
    live: Vec<Value>,
    acked: Vec<(u64, String)>,
}

/// Sends all of these at once and takes whatever comes until each has its answer.
async fn play(peer: &mut Peer, plan: &[(String, u64)], seen: &mut Seen) {
    for (performative, number) in plan {
        peer.send(&frame(performative, *number)).await;
    }
    let mut open = plan.len();
    while open > 0 {
        let frame = peer.frame().await;
        match frame["type"].as_str().unwrap() {
            "ack" => {
                let id = frame["messageId"].as_str().unwrap().to_owned();
                seen.acked.push((frame["sequenceNumber"].as_u64().unwrap(), id));
                open -= 1;
            }
            "error" => {
                let code = frame["code"].as_str().unwrap();
                assert!(["invalid_state_transition", "forbidden_performative"].contains(&code), "{frame}");
                open -= 1;
            }
            "message" => seen.live.push(frame["envelope"].clone()),
            _ => {}
        }
    }
}

/// Takes what still comes, until all of so many were seen; three were said before anybody looked.
async fn settle(peer: &mut Peer, last: u64, seen: &mut Seen) {
    let all = usize::try_from(last).unwrap() - 3;
    while seen.live.len() + seen.acked.len() < all {
        let frame = peer.frame().await;
        if frame["type"] == "message" {
            seen.live.push(frame["envelope"].clone());
        }
    }
}

/// The whole session, as it is replayed by a broker; verified.
async fn replay(agent: &Agent, session: &str) -> Vec<Value> {
    let (mut peer, ok) = agent.connect(session, None).await;
    let (mut verifier, mut all) = (Verifier::new(vec![key()]), Vec::new());
    for number in 1..=ok["lastSequence"].as_u64().unwrap() {
        let message = peer.message(number).await;
        verifier.next(&message).unwrap();
        all.push(message);
    }
    assert_eq!(verifier.finish(None).unwrap().state.to_string(), ok["state"].as_str().unwrap());
    all
}

/// What was seen live is what is replayed, and nothing is missing.
fn compare(seen: &Seen, all: &[Value]) {
    let at = |number: u64| &all[usize::try_from(number).unwrap() - 1];
    let mut numbers: Vec<u64> = seen.acked.iter().map(|(number, _)| *number).collect();
    for (number, id) in &seen.acked {
        assert_eq!(at(*number)["messageId"], *id, "what was acked is there");
    }
    for message in &seen.live {
        let number = message["sequenceNumber"].as_u64().unwrap();
        assert_eq!(at(number), message);
        numbers.push(number);
    }
    numbers.sort_unstable();
    let first = *numbers.first().unwrap();
    let expected: Vec<u64> = (first..first + u64::try_from(numbers.len()).unwrap()).collect();
    assert_eq!(numbers, expected, "each once, without a gap");
    assert_eq!(numbers.last(), Some(&u64::try_from(all.len()).unwrap()));
}

pub(super) fn plans(rounds: usize) -> Vec<[Vec<(String, u64)>; 2]> {
    const WORDS: [&str; 12] = [
        "PROPOSE", "ACCEPT", "REJECT", "COUNTER", "COMMIT", "WITHDRAW", "INFORM", "QUERY", "CLARIFY",
        "OBSERVE", "DELEGATE", "INFORM",
    ];
    let side = || {
        prop::collection::vec(
            (prop::sample::select(&WORDS[..]).prop_map(str::to_owned), any::<u32>().prop_map(u64::from)),
            1..12,
        )
    };
    let mut runner = TestRunner::deterministic();
    (0..rounds)
        .map(|_| {
            (side(), side()).prop_map(|(one, other)| [one, other]).new_tree(&mut runner).unwrap().current()
        })
        .collect()
}

#[tokio::test]
async fn random_words_from_both_sides_are_one_chain() {
    let pair = Pair::start().await;
    for plan in plans(6) {
        let (alpha, _, session) = pair.one.pair().await;
        let beta = pair.other.agent("cloudprime").await;
        let (mut a, _) = alpha.connect(&session, None).await;
        let (mut b, _) = beta.connect(&session, None).await;
        introduce(&mut a, &mut b).await;
        let (mut ours, mut theirs) = (Seen::default(), Seen::default());
        for turn in 0..3 {
            let shift = |side: &Vec<(String, u64)>| {
                side.iter().map(|(word, number)| (word.clone(), number + turn)).collect::<Vec<_>>()
            };
            let (one, other) = (shift(&plan[0]), shift(&plan[1]));
            tokio::join!(play(&mut a, &one, &mut ours), play(&mut b, &other, &mut theirs));
        }
        let all = replay(&alpha, &session).await;
        let last = u64::try_from(all.len()).unwrap();
        settle(&mut a, last, &mut ours).await;
        settle(&mut b, last, &mut theirs).await;
        compare(&ours, &all);
        compare(&theirs, &all);
        assert_eq!(replay(&beta, &session).await, all, "the same from the other broker");
    }
}

#[tokio::test]
async fn what_was_acked_outlives_a_killed_broker_and_a_killed_redis() {
    let mut pair = Pair::start().await;
    let (alpha, _, session) = pair.one.pair().await;
    let beta = pair.other.agent("cloudprime").await;
    let (mut a, _) = alpha.connect(&session, None).await;
    let (mut b, _) = beta.connect(&session, None).await;
    introduce(&mut a, &mut b).await;
    let mut acked = Vec::new();
    for number in 4..=10 {
        acked.push(a.speak("INFORM", json!({"n": number}), None).await);
        b.message(number).await;
    }
    pair.one.broker.crash().await;
    for number in 11..=15 {
        acked.push(b.speak("INFORM", json!({"n": number}), None).await);
    }
    pair.one.broker.restart().await;
    let (mut a, _) = alpha.connect(&session, Some(10)).await;
    for number in 11..=15 {
        a.message(number).await;
    }
    pair.redis.kill9().await.unwrap();
    a.send(&say("INFORM", json!({}))).await;
    a.error("internal_error").await;
    pair.redis.restart().await.unwrap();
    let mut sent = None;
    for _ in 0..50 {
        b.send(&say("INFORM", json!({"n": 16}))).await;
        let frame = b.frame().await;
        if frame["type"] == "ack" {
            sent = frame["sequenceNumber"].as_u64();
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let all = replay(&alpha, &session).await;
    assert!(acked.iter().chain(sent.iter()).all(|number| *number <= u64::try_from(all.len()).unwrap()));
    assert_eq!(sent, Some(u64::try_from(all.len()).unwrap()));
    let heard = loop {
        let frame = a.heard("message").await["envelope"]["sequenceNumber"].as_u64();
        if frame >= sent {
            break frame;
        }
    };
    assert_eq!(heard, sent, "live again");
}
