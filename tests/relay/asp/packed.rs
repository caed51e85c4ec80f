//! The same frames as MessagePack, by subprotocol.

use super::rig::{Agent, Asp, key, proposal, say};
use futures_util::SinkExt as _;
use serde_json::{Value, json};
use std::time::Duration;
use tollwire_asp::Verifier;
use tollwire_testkit::feed::Message;
use tollwire_tests::ws::{Socket, open_with_answer};

/// A connection that speaks MessagePack.
struct Packed(Socket);

async fn open(asp: &Asp, session: &str, protocols: &str) -> (Socket, Option<String>) {
    let url = asp.broker.url(&Agent::socket_path(session)).replacen("http", "ws", 1);
    let headers: Vec<(&str, &str)> =
        if protocols.is_empty() { Vec::new() } else { vec![("sec-websocket-protocol", protocols)] };
    let (socket, headers) = open_with_answer(&url, &headers).await.unwrap();
    let chosen = headers.get("sec-websocket-protocol").map(|name| name.to_str().unwrap().to_owned());
    (socket, chosen)
}

impl Packed {
    async fn connect(asp: &Asp, agent: &Agent, session: &str) -> Self {
        let (socket, chosen) = open(asp, session, "x.unknown,asp.msgpack,asp.json").await;
        assert_eq!(chosen.as_deref(), Some("asp.msgpack"), "the first that is known");
        let mut packed = Self(socket);
        packed.send(&agent.auth(session, None)).await;
        assert_eq!(packed.heard("auth_ok").await["sessionId"], session);
        packed
    }

    async fn send(&mut self, frame: &Value) {
        self.0.send(Message::binary(rmp_serde::to_vec(frame).unwrap())).await;
    }

    async fn heard(&mut self, kind: &str) -> Value {
        match self.0.next().await {
            Message::Binary(bytes) => {
                let frame: Value = rmp_serde::from_slice(&bytes).unwrap();
                assert_eq!(frame["type"], kind, "{frame}");
                frame
            }
            other => panic!("not a binary frame: {other:?}"),
        }
    }
}

#[tokio::test]
async fn one_speaks_messagepack_and_the_other_json() {
    let asp = Asp::start().await;
    let (alpha, beta, session) = asp.pair().await;
    let mut a = Packed::connect(&asp, &alpha, &session).await;
    let (mut b, _) = beta.connect(&session, None).await;
    a.send(&say("PROPOSE", proposal("inv", "session-invitation"))).await;
    assert_eq!(a.heard("ack").await["sequenceNumber"], 1);
    a.heard("session_state").await;
    b.message(1).await;
    b.heard("session_state").await;
    b.speak("ACCEPT", json!({}), Some("INTRODUCED")).await;
    a.heard("message").await;
    a.heard("session_state").await;
    let terms = json!({
        "proposalId": "prop_001", "type": "terms", "subject": "GPU compute procurement",
        "terms": {"gpuType": "A100", "quantity": 4, "pricePerHour": 3.50, "n": [1, -1, 9_007_199_254_740_991_i64, 0.1, null, true, "é\n"]}
    });
    a.send(&say("PROPOSE", terms.clone())).await;
    a.heard("ack").await;
    a.heard("session_state").await;
    assert_eq!(b.message(3).await["content"]["body"], terms);
    let mut whole = Packed::connect(&asp, &beta, &session).await;
    let mut verifier = Verifier::new(vec![key()]);
    let all = alpha.messages(&session).await;
    for message in &all {
        let packed = whole.heard("message").await["envelope"].clone();
        verifier.next(&packed).unwrap();
        assert_eq!(packed, *message);
    }
    assert_eq!(all.len(), 3);
    // What cannot be in JSON, and what is too big for it, is refused; the connection stays.
    a.0.send(Message::binary(b"\x81\xa4type\xc4\x01x".to_vec())).await;
    assert_eq!(a.heard("error").await["code"], "invalid_frame");
    a.send(&say("INFORM", json!({"n": u64::MAX}))).await;
    assert_eq!(a.heard("error").await["code"], "schema_violation");
    // A member that stands twice.
    let mut twice = rmp_serde::to_vec(&say("INFORM", json!({"a": 1, "b": 2}))).unwrap();
    let at = twice.windows(2).position(|bytes| bytes == b"\xa1b").unwrap();
    twice[at + 1] = b'a';
    a.0.send(Message::binary(twice)).await;
    assert_eq!(a.heard("error").await["code"], "schema_violation");
    // Text is understood as well.
    a.0.send(Message::text(say("INFORM", json!({"n": 4})).to_string())).await;
    assert_eq!(a.heard("ack").await["sequenceNumber"], 4);
}

#[tokio::test]
async fn binary_frames_are_for_those_that_asked_for_them() {
    let asp = Asp::start().await;
    let (alpha, _, session) = asp.pair().await;
    for protocols in ["", "asp.json"] {
        let (mut socket, chosen) = open(&asp, &session, protocols).await;
        assert_eq!(chosen.unwrap_or_default(), protocols);
        socket.send(Message::text(alpha.auth(&session, None).to_string())).await;
        assert!(matches!(socket.next().await, Message::Text(text) if text.contains("auth_ok")));
        socket.send(Message::binary(b"\x81\xa4type\xa4pong".to_vec())).await;
        assert_eq!(socket.ended_within(Duration::from_secs(20)).await.code, 1003, "{protocols}");
    }
    let mut packed = Packed::connect(&asp, &alpha, &session).await;
    for _ in 0..25 {
        // The broker may have closed before the last of them.
        drop(packed.0.0.send(Message::binary(vec![0xc1])).await);
    }
    assert_eq!(packed.0.ended_within(Duration::from_secs(20)).await.code, 1008);
}
