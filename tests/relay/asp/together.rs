//! Messages that come together are said together, and each has its own answer; beside another broker's, and through a kill.

use super::nodes::Pair;
use super::rig::{Agent, Asp, Peer, introduce, key, say};
use futures_util::SinkExt as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tollwire_asp::Verifier;
use tollwire_testkit::feed::Message;
use tollwire_testkit::redis::RedisServer;

/// A `send` with a name.
fn named(id: &str, performative: &str, body: &Value) -> Value {
    let mut frame = say(performative, body.clone());
    frame["id"] = json!(id);
    frame
}

fn inform(n: u64) -> Value {
    say("INFORM", json!({ "n": n }))
}

/// Sends frames in one write.
async fn burst(peer: &mut Peer, frames: &[Value]) {
    for frame in frames {
        peer.0.0.feed(Message::text(frame.to_string())).await.unwrap();
    }
    peer.0.0.flush().await.unwrap();
}

/// The next answers, each an ack's number or an error's code; messages and states are passed over.
async fn answers(peer: &mut Peer, count: usize) -> Vec<Result<u64, String>> {
    let mut all = Vec::new();
    while all.len() < count {
        let frame = peer.frame().await;
        match frame["type"].as_str().unwrap() {
            "ack" => all.push(Ok(frame["sequenceNumber"].as_u64().unwrap())),
            "error" => all.push(Err(frame["code"].as_str().unwrap().to_owned())),
            _ => {}
        }
    }
    all
}

/// The whole session as it is replayed, verified; each message's `n`, if it has one.
async fn replayed(agent: &Agent, session: &str) -> Vec<Option<u64>> {
    let (mut peer, ok) = agent.connect(session, None).await;
    let (mut verifier, mut all) = (Verifier::new(vec![key()]), Vec::new());
    for number in 1..=ok["lastSequence"].as_u64().unwrap() {
        let message = peer.message(number).await;
        verifier.next(&message).unwrap();
        all.push(message["content"]["body"]["n"].as_u64());
    }
    verifier.finish(None).unwrap();
    all
}

/// One is refused, and its neighbours are not: by its form, by the state, by the chain, by its name, twice in one burst.
async fn one_refused_among_many(asp: &Asp) {
    let (alpha, beta, session) = asp.pair().await;
    let (mut a, _) = alpha.connect(&session, None).await;
    let (mut b, _) = beta.connect(&session, None).await;
    introduce(&mut a, &mut b).await;
    burst(&mut a, &[named("first", "INFORM", &json!({"n": 4}))]).await;
    assert_eq!(answers(&mut a, 1).await, [Ok(4)]);
    let mut chained = inform(0);
    chained["envelope"]["integrity"] = json!({"previousHash": format!("sha256:{}", "1".repeat(64))});
    let frames = [
        inform(5),
        say("QUERY", json!({})),
        inform(6),
        say("ACCEPT", json!({"referenceId": "nothing"})),
        named("first", "INFORM", &json!({"n": 4})),
        named("first", "INFORM", &json!({"n": 0})),
        named("mine", "INFORM", &json!({"n": 7})),
        chained,
        named("mine", "INFORM", &json!({"n": 7})),
        named("mine", "INFORM", &json!({"n": 0})),
        json!({"type": "shout"}),
        inform(8),
        say("ESCALATE", json!({"n": 9})),
        say("PROPOSE", super::rig::proposal("p", "terms")),
        named("late", "CLARIFY", &json!({"n": 0})),
        named("mine", "INFORM", &json!({"n": 7})),
    ];
    burst(&mut a, &frames).await;
    let refused = |code: &str| Err(code.to_owned());
    let found = answers(&mut a, frames.len()).await;
    let state = refused("invalid_state_transition");
    assert_eq!(
        found,
        [
            Ok(5),
            refused("schema_violation"),
            Ok(6),
            found[3].clone(),
            Ok(4),
            refused("idempotency_conflict"),
            Ok(7),
            refused("hash_chain_error"),
            Ok(7),
            refused("idempotency_conflict"),
            refused("invalid_frame"),
            Ok(8),
            Ok(9),
            state.clone(),
            state,
            Ok(7),
        ]
    );
    assert!(found[3].is_err(), "nothing was proposed");
    for number in 4..=9 {
        b.message(number).await;
    }
    assert_eq!(b.heard("session_state").await["state"], "ESCALATED");
    let numbers: Vec<_> = replayed(&beta, &session).await;
    assert_eq!(numbers[3..], (4..=9).map(Some).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_refused_among_many_on_a_file() {
    one_refused_among_many(&Asp::start().await).await;
}

#[tokio::test]
async fn one_refused_among_many_on_redis() {
    let redis = RedisServer::start().await.unwrap();
    one_refused_among_many(&Asp::with(&format!("store = \"{}\"", redis.url()), "").await).await;
}

/// Several connections of one session speak at once, at two brokers: one chain, in which all of it stands once and each
/// connection's in its order.
#[tokio::test]
async fn bursts_from_many_connections_at_two_brokers_are_one_chain() {
    const EACH: u64 = 60;
    let pair = Pair::start().await;
    let (alpha, _, session) = pair.one.pair().await;
    let beta = pair.other.agent("cloudprime").await;
    let (mut a, _) = alpha.connect(&session, None).await;
    let (mut b, _) = beta.connect(&session, None).await;
    introduce(&mut a, &mut b).await;
    let (mut second, _) = alpha.connect(&session, Some(3)).await;
    let (mut third, _) = alpha.connect(&session, Some(3)).await;
    let talk = async |peer: &mut Peer, from: u64| {
        let frames: Vec<Value> = (from..from + EACH).map(inform).collect();
        let mut acked = Vec::new();
        for part in frames.chunks(20) {
            burst(peer, part).await;
            acked.extend(answers(peer, part.len()).await.into_iter().map(Result::unwrap));
        }
        (from, acked)
    };
    let all: [(u64, Vec<u64>); 4] = tokio::join!(
        talk(&mut a, 1_000),
        talk(&mut second, 2_000),
        talk(&mut third, 3_000),
        talk(&mut b, 4_000)
    )
    .into();
    let said = replayed(&beta, &session).await;
    assert_eq!(u64::try_from(said.len()).unwrap(), 3 + 4 * EACH);
    let mut places = BTreeMap::new();
    for (from, acked) in all {
        assert!(acked.is_sorted(), "{from}");
        for (n, place) in (from..).zip(acked) {
            assert_eq!(said[usize::try_from(place).unwrap() - 1], Some(n), "what was acked is there");
            assert_eq!(places.insert(place, n), None);
        }
    }
    assert_eq!(places.len(), said.len() - 3);
    assert_eq!(replayed(&alpha, &session).await, said, "the same from the other broker");
}

/// Messages leave in one burst, and the broker is killed while it answers: whatever was acked is kept, without a gap.
async fn acked_is_kept_through_a_kill(mut asp: Asp) {
    for round in 0..4 {
        let (alpha, beta, session) = asp.pair().await;
        let (mut a, _) = alpha.connect(&session, None).await;
        let (mut b, _) = beta.connect(&session, None).await;
        introduce(&mut a, &mut b).await;
        let frames: Vec<Value> = (4..204).map(inform).collect();
        burst(&mut a, &frames).await;
        // More and more of it has been answered when it is killed.
        let mut acked = answers(&mut a, round * 30).await;
        asp.broker.crash().await;
        // What had left before.
        while let Some(Ok(Message::Text(text))) = futures_util::StreamExt::next(&mut a.0.0).await {
            let frame: Value = serde_json::from_str(&text).unwrap();
            if frame["type"] == "ack" {
                acked.push(Ok(frame["sequenceNumber"].as_u64().unwrap()));
            }
        }
        asp.broker.restart().await;
        let kept = replayed(&alpha, &session).await;
        for (n, acked) in (4..).zip(acked) {
            let place = usize::try_from(acked.unwrap()).unwrap();
            assert_eq!(kept.get(place - 1), Some(&Some(n)));
        }
        assert!(kept[3..].iter().zip(4..).all(|(kept, n)| *kept == Some(n)), "in order, without a gap");
    }
}

#[tokio::test]
async fn acked_is_kept_through_a_kill_on_a_file() {
    acked_is_kept_through_a_kill(Asp::start().await).await;
}

#[tokio::test]
async fn acked_is_kept_through_a_kill_on_redis() {
    let redis = RedisServer::start().await.unwrap();
    acked_is_kept_through_a_kill(Asp::with(&format!("store = \"{}\"", redis.url()), "").await).await;
}

/// Whoever is alone is acked, and nothing of what it said is read back for it.
#[tokio::test]
async fn nothing_is_read_back_for_who_said_it() {
    let redis = RedisServer::start().await.unwrap();
    let asp = Asp::with(&format!("store = \"{}\"", redis.url()), "").await;
    let (alpha, beta, session) = asp.pair().await;
    let (mut a, _) = alpha.connect(&session, None).await;
    let (mut b, _) = beta.connect(&session, None).await;
    introduce(&mut a, &mut b).await;
    b.0.close().await;
    let reads = async || {
        let info = redis.command(&["INFO", "commandstats"]).await.unwrap();
        info.lines().find(|line| line.starts_with("cmdstat_xrange:")).map(str::to_owned)
    };
    burst(&mut a, &[inform(4)]).await;
    assert_eq!(answers(&mut a, 1).await, [Ok(4)]);
    let before = reads().await;
    for part in (5..105).map(inform).collect::<Vec<_>>().chunks(20) {
        burst(&mut a, part).await;
        assert!(answers(&mut a, part.len()).await.iter().all(Result::is_ok));
    }
    assert_eq!(reads().await, before);
}

/// A word over HTTP is told to connections of the same broker, whose Redis tells nobody.
#[tokio::test]
async fn what_is_said_over_http_is_told_here_and_at_other_brokers() {
    let pair = Pair::start().await;
    let (alpha, beta, session) = pair.one.pair().await;
    let (mut a, _) = alpha.connect(&session, None).await;
    let (mut b, _) = beta.connect(&session, None).await;
    introduce(&mut a, &mut b).await;
    let elsewhere = pair.other.agent("cloudprime").await;
    let (mut c, _) = elsewhere.connect(&session, Some(3)).await;
    let path = format!("/v1/asp/sessions/{session}/messages");
    for number in 4..=6 {
        let said = alpha.send("POST", &path, &inform(number)["envelope"]).await;
        assert_eq!(said.status, 201, "{}", said.text());
        for peer in [&mut a, &mut b, &mut c] {
            peer.message(number).await;
        }
    }
    let gamma = pair.one.agent("elsewhere").await;
    let said = gamma.send("POST", &path, &inform(7)["envelope"]).await;
    assert_eq!(said.status, 403, "who takes no part says nothing, whatever head is known: {}", said.text());
}
