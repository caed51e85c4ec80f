//! `relay.call` as broker and agent speak it.

use crate::rig::{Rig, ask, code, frame, get, send, text};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tollwire_testkit::feed::Message;

#[tokio::test]
async fn twenty_calls_on_one_socket_are_answered_as_they_are_done() {
    let rig = Rig::start().await;
    let mut socket = rig.open().await;
    let begun = Instant::now();
    for id in 0..20_u64 {
        let wait = if id == 0 { 3_000 } else { 1_000 };
        send(&mut socket, &get(id, &format!("/slow?{wait}"))).await;
    }
    let mut order = Vec::new();
    for _ in 0..20 {
        let answer = frame(&mut socket).await;
        let id = answer["id"].as_u64().unwrap();
        assert_eq!(answer["result"]["slow"], if id == 0 { 3_000 } else { 1_000 }, "{answer}");
        assert_eq!(answer["metadata"]["status"], 200);
        order.push(id);
    }
    assert_eq!(order.last(), Some(&0), "the first sent is the last answered");
    assert!(begun.elapsed() < Duration::from_secs(12), "one after the other: {:?}", begun.elapsed());
    order.sort_unstable();
    assert_eq!(order, (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn bodies_pass_byte_for_byte_in_both_directions() {
    let rig = Rig::start().await;
    let mut socket = rig.open().await;
    for body in [
        r#"{"b":1.0,"a":12345678901234567890123,"x":1e400}"#,
        r#"{ "z" : [ 1 , 2.50, -0.0 ], "a":"\u00e9\ud83d\ude00\/", "a":"\ud800" }"#,
        "[[[[1E+2]]]]",
        "1.0",
        "true",
    ] {
        let envelope = format!(
            r#"{{"id":"c1","method":"relay.call","params":{{"apiId":"demo","path":"/echo","requestMethod":"POST","requestBody":{body}}}}}"#
        );
        socket.send(Message::text(envelope)).await;
        let answer = text(&mut socket).await;
        assert!(answer.starts_with(&format!(r#"{{"id":"c1","result":{body},"metadata""#)), "{answer}");
        assert_eq!(rig.api.seen().last().unwrap().body, body);
    }
}

#[tokio::test]
async fn text_and_bytes_have_their_encodings() {
    let rig = Rig::start().await;
    let mut socket = rig.open().await;
    let mut envelope = get(1, "/echo");
    envelope["params"]["requestMethod"] = json!("PUT");
    envelope["params"]["requestBody"] = json!("a\n\u{e9}\"");
    envelope["params"]["requestHeaders"] = json!({ "Content-Type": "text/plain" });
    let answer = ask(&mut socket, &envelope).await;
    assert_eq!((&answer["result"], &answer["metadata"]["encoding"]), (&json!("a\n\u{e9}\""), &json!("text")));

    envelope["params"]["requestBody"] = json!("AP+A");
    envelope["metadata"] = json!({ "encoding": "base64", "mine": 1 });
    let answer = ask(&mut socket, &envelope).await;
    assert_eq!(rig.api.seen().last().unwrap().body, &[0, 0xFF, 0x80][..]);
    assert_eq!((&answer["result"], &answer["metadata"]["encoding"]), (&json!("AP+A"), &json!("base64")));

    let answer = ask(&mut socket, &get(2, "/headers")).await;
    assert_eq!((&answer["result"], &answer["metadata"]["encoding"]), (&json!("AP+A"), &json!("base64")));
    let headers = &answer["metadata"]["headers"];
    assert_eq!((&headers["x-own"], &headers["retry-after"]), (&json!("1"), &json!("7")), "{answer}");
    assert!(headers.get("set-cookie").is_none() && headers.get("x-forwarded-for").is_none(), "{answer}");
}

#[tokio::test]
async fn every_answer_of_the_api_but_402_is_a_result() {
    let rig = Rig::start().await;
    let mut socket = rig.open().await;
    for status in [201, 400, 404, 429, 500, 503] {
        let answer = ask(&mut socket, &get("c", &format!("/status?{status}"))).await;
        assert_eq!(answer["metadata"]["status"], status);
        assert_eq!((&answer["result"], &answer["error"]), (&json!({ "status": true }), &Value::Null));
    }
}

#[tokio::test]
async fn what_is_wrong_is_told_and_the_socket_stays() {
    let rig = Rig::start().await;
    let mut socket = rig.open().await;
    let mut unknown = get("u", "/echo");
    unknown["params"]["apiId"] = json!("nobody");
    assert_eq!(code(&ask(&mut socket, &unknown).await, "u"), 404);

    socket.send(Message::text("{nonsense")).await;
    assert_eq!(text(&mut socket).await, r#"{"error":{"code":400,"message":"Invalid JSON"}}"#);
    socket.send(Message::text(r#"[{"id":1,"method":"relay.call"}]"#)).await;
    assert_eq!(text(&mut socket).await, r#"{"error":{"code":400,"message":"Invalid JSON"}}"#);

    let other = ask(&mut socket, &json!({ "id": 9, "method": "relay.pay" })).await;
    assert_eq!(
        other,
        json!({ "id": 9, "error": { "code": 404, "message": "No handler registered for method: relay.pay" } })
    );
    let no_id = ask(&mut socket, &json!({ "method": "relay.call", "params": { "apiId": "demo" } })).await;
    assert!(no_id.get("id").is_none() && no_id["error"]["code"] == 400, "{no_id}");
    let answer = ask(&mut socket, &get(-5, "/status?200")).await;
    assert_eq!(answer["id"], -5, "{answer}");
}

#[tokio::test]
async fn an_id_is_used_by_one_call_at_a_time() {
    let rig = Rig::start().await;
    let mut socket = rig.open().await;
    send(&mut socket, &get("same", "/held")).await;
    rig.api.asked(1).await;
    assert_eq!(code(&ask(&mut socket, &get("same", "/echo")).await, "same"), 409);
    assert_eq!(rig.api.seen().len(), 1, "the second was not sent on");
    rig.api.release();
    assert_eq!(frame(&mut socket).await["result"], json!({ "held": true }), "the first is unaffected");
    assert_eq!(ask(&mut socket, &get("same", "/status?200")).await["metadata"]["status"], 200, "free again");
}

#[tokio::test]
async fn a_call_can_be_taken_back() {
    let rig = Rig::start().await;
    let mut socket = rig.open().await;
    send(&mut socket, &get("c1", "/held")).await;
    rig.api.asked(1).await;
    let cancel = |id: &str| json!({ "id": "k", "method": "relay.cancel", "params": { "id": id } });
    let mut told = [ask(&mut socket, &cancel("c1")).await, frame(&mut socket).await];
    told.sort_by_key(|frame| frame["id"].to_string());
    assert_eq!(code(&told[0], "c1"), 499);
    assert_eq!(told[1], json!({ "id": "k", "result": { "cancelled": true } }));
    rig.api.given_up(1).await;
    assert_eq!(code(&ask(&mut socket, &cancel("c1")).await, "k"), 404, "it is gone");
}

#[tokio::test]
async fn a_socket_that_closes_takes_its_unpaid_calls_back_and_no_others() {
    let rig = Rig::start().await;
    let (mut one, mut other) = (rig.open().await, rig.open().await);
    send(&mut one, &get(1, "/held")).await;
    send(&mut other, &get(1, "/held")).await;
    rig.api.asked(2).await;
    one.close().await;
    rig.api.given_up(1).await;
    rig.api.release();
    assert_eq!(frame(&mut other).await["result"], json!({ "held": true }));
}

#[tokio::test]
async fn calls_in_flight_are_bounded() {
    let rig = Rig::limited("calls_per_socket = 2\ncalls = 3").await;
    let (mut one, mut other) = (rig.open().await, rig.open().await);
    send(&mut one, &get(1, "/held")).await;
    send(&mut one, &get(2, "/held")).await;
    assert_eq!(code(&ask(&mut one, &get(3, "/held")).await, 3), 429, "of one socket");
    send(&mut other, &get(1, "/held")).await;
    rig.api.asked(3).await;
    assert_eq!(code(&ask(&mut other, &get(2, "/held")).await, 2), 429, "of all");
    rig.api.release();
    assert_eq!(frame(&mut other).await["result"], json!({ "held": true }));
    assert_eq!(ask(&mut other, &get(2, "/status?200")).await["metadata"]["status"], 200);
}
