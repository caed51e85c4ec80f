//! Answers that are wanted as they come.

use crate::rig::{Rig, code, frame, get, send};
use serde_json::{Value, json};

fn streamed(id: u64, path: &str) -> Value {
    let mut envelope = get(id, path);
    envelope["metadata"] = json!({ "stream": true });
    envelope
}

#[tokio::test]
async fn chunks_come_while_the_api_is_still_speaking() {
    let rig = Rig::start().await;
    let mut socket = rig.open().await;
    send(&mut socket, &streamed(7, "/events")).await;
    let first = json!({ "id": 7, "event": "relay.chunk", "seq": 1, "data": "data: 1\n\n" });
    assert_eq!(frame(&mut socket).await, first, "and no half character");
    send(&mut socket, &get(8, "/status?200")).await;
    assert_eq!(frame(&mut socket).await["id"], 8, "other calls go on between");
    rig.api.release();
    let mut rest = vec![frame(&mut socket).await];
    while rest.last().unwrap().get("event").is_some() {
        rest.push(frame(&mut socket).await);
    }
    let end = rest.pop().unwrap();
    assert_eq!((&end["id"], &end["result"]), (&json!(7), &Value::Null), "{end}");
    assert_eq!(end["metadata"]["chunks"], u64::try_from(rest.len()).unwrap() + 1);
    assert_eq!(end["metadata"]["contentType"], "text/event-stream");
    assert!(
        rest[0]["data"].as_str().unwrap().starts_with('€') || rest[0]["encoding"] == "base64",
        "{rest:?}"
    );
    assert_eq!(rest.last().unwrap()["encoding"], "base64", "what is no text: {rest:?}");
}

#[tokio::test]
async fn a_streamed_answer_may_be_longer_than_a_whole_one() {
    let rig = Rig::limited("answer_bytes = 1000").await;
    let mut socket = rig.open().await;
    send(&mut socket, &streamed(1, "/chunks?3000000")).await;
    let (mut bytes, mut seq) = (0, 0);
    let end = loop {
        let next = frame(&mut socket).await;
        let Some(data) = next["data"].as_str() else { break next };
        seq += 1;
        assert_eq!((&next["seq"], data.len() <= 64 * 1024), (&json!(seq), true));
        bytes += data.len();
    };
    assert_eq!((bytes, &end["metadata"]["chunks"]), (3_000_000, &json!(seq)), "{end}");
}

#[tokio::test]
async fn a_bill_is_never_streamed_and_nothing_is_unasked() {
    let rig = Rig::start().await;
    let mut socket = rig.open().await;
    send(&mut socket, &streamed(1, "/shop")).await;
    let bill = frame(&mut socket).await;
    assert_eq!(code(&bill, 1), 402);
    assert_eq!(bill["error"]["paymentRequired"]["x402Version"], 2);
    send(&mut socket, &get(2, "/chunks?100000")).await;
    assert_eq!(frame(&mut socket).await["result"].as_str().unwrap().len(), 100_000);
    send(&mut socket, &streamed(3, "/held")).await;
    rig.api.asked(3).await;
    send(&mut socket, &json!({ "method": "relay.cancel", "params": { "id": 3 } })).await;
    assert_eq!(code(&frame(&mut socket).await, 3), 499);
}
