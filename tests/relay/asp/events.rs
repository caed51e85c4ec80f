//! A session as server-sent events: the same log, from the same place on.

use super::rig::{Agent, Asp, introduce, say};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// A stream of events.
struct Source {
    body: Incoming,
    text: String,
}

/// An event, as a reader of the format sees it.
#[derive(Debug, Clone, PartialEq)]
struct Event {
    id: Option<String>,
    kind: String,
    data: Value,
}

fn path(session: &str) -> String {
    format!("/v1/asp/sessions/{session}/events")
}

/// Opens one; the status if it is no stream.
async fn open(asp: &Asp, agent: &Agent, session: &str, last: Option<&str>) -> Result<Source, u16> {
    let (bearer, proof) = agent.shown("GET", &path(session));
    let mut request = http::Request::get(asp.broker.url(&path(session)))
        .header("authorization", bearer)
        .header("dpop", proof)
        .header("accept", "text/event-stream");
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request.body(Empty::new()).unwrap()).await.unwrap();
    if answer.status() != 200 {
        return Err(answer.status().as_u16());
    }
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut source = Source { body: answer.into_body(), text: String::new() };
    assert_eq!(source.block().await.unwrap(), "retry: 1000");
    Ok(source)
}

impl Source {
    /// The next block of lines; `None` at the end of the stream.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, _)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text.drain(..block.len() + 2);
                return Some(block);
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await.expect("nothing came");
            let Some(frame) = frame else {
                assert!(self.text.is_empty(), "cut off: {}", self.text);
                return None;
            };
            let data = frame.unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    async fn next(&mut self) -> Option<Event> {
        let mut block = self.block().await?;
        while block == ":" {
            // Only that the line is alive.
            block = self.block().await?;
        }
        let mut event = Event { id: None, kind: String::new(), data: Value::Null };
        for line in block.lines() {
            match line.split_once(": ").unwrap() {
                ("id", id) => event.id = Some(id.to_owned()),
                ("event", kind) => kind.clone_into(&mut event.kind),
                ("data", data) => event.data = serde_json::from_str(data).unwrap(),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(event.data["type"], event.kind, "a frame as over a WebSocket");
        Some(event)
    }

    async fn heard(&mut self, kind: &str) -> Value {
        let event = self.next().await.expect("the stream has ended");
        assert_eq!(event.kind, kind, "{event:?}");
        assert!(event.id.is_none() || kind == "message");
        event.data
    }

    async fn message(&mut self, number: u64) -> Value {
        let event = self.next().await.expect("the stream has ended");
        assert_eq!((event.id, event.kind.as_str()), (Some(number.to_string()), "message"), "{}", event.data);
        event.data["envelope"].clone()
    }
}

#[tokio::test]
async fn the_past_and_the_present_are_one_stream() {
    let asp = Asp::start().await;
    let (alpha, beta, session) = asp.pair().await;
    let (mut a, _) = alpha.connect(&session, None).await;
    let (mut b, _) = beta.connect(&session, None).await;
    introduce(&mut a, &mut b).await;
    let mut source = open(&asp, &beta, &session, None).await.ok().unwrap();
    let ok = source.heard("auth_ok").await;
    assert_eq!((&ok["state"], &ok["lastSequence"]), (&json!("CONVERSING"), &json!(3)));
    let all = alpha.messages(&session).await;
    for (number, message) in (1..).zip(&all) {
        assert_eq!(source.message(number).await, *message);
    }
    a.speak("INFORM", json!({"n": 4}), None).await;
    b.message(4).await;
    source.message(4).await;
    // What its own agent says elsewhere is told, too.
    b.speak("ESCALATE", json!({}), Some("ESCALATED")).await;
    source.message(5).await;
    assert_eq!(source.heard("session_state").await["state"], "ESCALATED");
    drop(source);
    a.message(5).await;
    a.heard("session_state").await;
    a.speak("INFORM", json!({"n": 6}), None).await;
    let mut source = open(&asp, &beta, &session, Some("5")).await.ok().unwrap();
    assert_eq!(source.heard("auth_ok").await["lastSequence"], 6);
    source.message(6).await;
    a.speak("CLOSE", json!({}), Some("CLOSED")).await;
    source.message(7).await;
    assert_eq!(source.heard("session_state").await["state"], "CLOSED");
    let end = source.heard("close").await;
    assert_eq!((&end["code"], &end["reconnect"]), (&json!(1000), &json!("no")));
    assert!(source.next().await.is_none());
    assert_eq!(open(&asp, &beta, &session, Some("7")).await.err(), Some(204), "there is nothing more, ever");
    let mut late = open(&asp, &alpha, &session, Some("6")).await.ok().unwrap();
    late.heard("auth_ok").await;
    late.message(7).await;
    late.heard("close").await;
}

#[tokio::test]
async fn who_may_not_listen_is_told_so() {
    let asp = Asp::with("store = \"memory:\"", "connections = 1").await;
    let (alpha, _, session) = asp.pair().await;
    let gamma = asp.agent("elsewhere").await;
    let refused = async |agent: &Agent, session: &str, last: Option<&str>| {
        open(&asp, agent, session, last).await.err().unwrap()
    };
    assert_eq!(refused(&gamma, &session, None).await, 403);
    assert_eq!(refused(&alpha, "ase_nobody", None).await, 404);
    assert_eq!(refused(&alpha, &session, Some("1")).await, 409, "ahead of the session");
    assert_eq!(refused(&alpha, &session, Some("x")).await, 422);
    let bare = tollwire_tests::http::get(&asp.broker.url(&path(&session)), &[]).await;
    assert_eq!((bare.status.as_u16(), &bare.json()["code"]), (401, &json!("AUTH_REQUIRED")));
    assert_eq!(alpha.send("POST", &path(&session), &json!({})).await.status, 405);
    let first = open(&asp, &alpha, &session, None).await.ok().unwrap();
    assert_eq!(refused(&alpha, &session, None).await, 429, "it counts as a connection");
    drop(first);
    let mut again = Err(0);
    for _ in 0..400 {
        again = open(&asp, &alpha, &session, None).await;
        if again.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    again.expect("who has gone has no seat any more");
}

#[tokio::test]
async fn a_stream_lives_by_heartbeats_and_ends_in_good_order() {
    let more = "heartbeat = \"100ms\"\npong_wait = \"50ms\"\ntoken_ttl = \"3s\"";
    let mut asp = Asp::with("store = \"memory:\"", more).await;
    let (alpha, beta, session) = asp.pair().await;
    let mut source = open(&asp, &alpha, &session, None).await.ok().unwrap();
    source.heard("auth_ok").await;
    let begun = Instant::now();
    for _ in 0..8 {
        assert_eq!(source.heard("heartbeat").await["state"], "IDLE");
    }
    assert!(begun.elapsed() >= Duration::from_millis(700), "nobody answers, and nobody is cut off");
    let end = loop {
        let event = source.next().await.unwrap();
        if event.kind != "heartbeat" {
            break event.data;
        }
    };
    assert_eq!(end["code"], "token_expired");
    assert_eq!(source.heard("close").await["code"], 4001);
    assert!(source.next().await.is_none());
    drop(beta);

    let alpha = asp.agent("acme").await;
    let mut source = open(&asp, &alpha, &session, None).await.ok().unwrap();
    source.heard("auth_ok").await;
    asp.broker.signal("TERM").await;
    let end = loop {
        let event = source.next().await.unwrap();
        if event.kind != "heartbeat" {
            break event.data;
        }
    };
    assert_eq!(
        (&end["type"], &end["code"], &end["reconnect"]),
        (&json!("close"), &json!(1001), &json!("yes"))
    );
    assert!(asp.broker.exit(Duration::from_secs(15)).await.success());
}

#[tokio::test]
async fn a_slow_listener_is_told_all_of_it() {
    let asp = Asp::with("store = \"memory:\"", "").await;
    let (alpha, beta, session) = asp.pair().await;
    let (mut a, _) = alpha.connect(&session, None).await;
    let (mut b, _) = beta.connect(&session, None).await;
    introduce(&mut a, &mut b).await;
    drop(b);
    let mut source = open(&asp, &beta, &session, Some("3")).await.ok().unwrap();
    let text = "x".repeat(40 * 1024);
    for number in 4..=60_u64 {
        a.send(&say("INFORM", json!({"n": number, "text": text}))).await;
        a.heard("ack").await;
    }
    source.heard("auth_ok").await;
    for number in 4..=60 {
        assert_eq!(source.message(number).await["content"]["body"]["n"], number);
    }
}
