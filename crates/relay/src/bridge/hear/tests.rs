use super::*;
use proptest::prelude::*;

const EVENT: &str = "evt_01HQ7ZK3V8M2N4P6R8T0W2Y4A6";

fn code(outcome: Result<impl std::fmt::Debug, Unheard>) -> (&'static str, Heard) {
    let unheard = outcome.unwrap_err();
    (unheard.refusal.code(), unheard.heard)
}

#[test]
fn a_payload_is_taken_byte_for_byte() {
    for payload in [
        r#"{ "b":1.0,"a":12345678901234567890123, "x":1e400 }"#,
        r#"{"type":"event","agent_id":"other"}"#,
        r#""\ud800\u00e9""#,
        "[[[1.50]]]",
        "null",
        "-0.0",
    ] {
        let text = format!(
            r#"{{"payload": {payload} ,"type":"event","thread_id":"t:1","agent_id":"athena","more":1}}"#
        );
        let Ok(AppFrame::Event(event)) = app(&text, 1_000) else { panic!("{text}") };
        assert_eq!(event.payload, payload);
        assert_eq!((event.agent.as_str(), event.thread.as_str(), event.client_id), ("athena", "t:1", None));
    }
}

#[test]
fn what_is_no_message_is_told_apart_from_a_wrong_one() {
    for nonsense in
        ["", "[]", "1", "{", r#"{"kind":"event"}"#, r#"{"type":1}"#, r#"{"type":"ping","type":"ping"}"#]
    {
        assert_eq!(code(app(nonsense, 9)), ("INVALID_MESSAGE", Heard::Malformed), "{nonsense}");
        assert_eq!(code(agent(nonsense)), ("INVALID_MESSAGE", Heard::Malformed), "{nonsense}");
    }
    let of = |more: &str| format!(r#"{{"type":"event","agent_id":"a","payload":[1,2,3]{more}}}"#);
    let long = "x".repeat(513);
    for wrong in [
        of(""),
        of(r#","thread_id":"""#),
        of(&format!(r#","thread_id":"{long}""#)),
        of(r#","thread_id":1"#),
        of(r#","thread_id":"t","client_msg_id":"""#),
        of(&format!(r#","thread_id":"t","client_msg_id":"{long}""#)),
        r#"{"type":"event","agent_id":"a","thread_id":"t"}"#.into(),
        r#"{"type":"token","event_id":"e"}"#.into(),
    ] {
        assert_eq!(code(app(&wrong, 100)), ("INVALID_MESSAGE", Heard::Spoken), "{wrong}");
    }
    let large = app(&of(r#","thread_id":"t","client_msg_id":"m1""#), 6).unwrap_err();
    assert_eq!((large.refusal.code(), large.client_id.as_deref()), ("PAYLOAD_TOO_LARGE", Some("m1")));
    assert!(app(&of(r#","thread_id":"t""#), 7).is_ok(), "exactly as large as it may be");
}

#[test]
fn an_agent_s_older_spellings_are_understood() {
    let read = |more: &str| agent(&format!(r#"{{"type":"reply","event_id":"{EVENT}",{more}}}"#));
    let whole = |more: &str| match read(more) {
        Ok(AgentFrame::Reply { content, metadata, .. }) => {
            (content.get().to_owned(), metadata.map(|metadata| metadata.get().to_owned()))
        }
        other => panic!("{more}: {other:?}"),
    };
    assert_eq!(
        whole(r#""content":"Hi","done":true,"metadata":{ "x":1e400 }"#),
        ("\"Hi\"".into(), Some("{ \"x\":1e400 }".into()))
    );
    assert_eq!(
        whole(r#""final_reply":"Hi","tokens_used":12"#),
        ("\"Hi\"".into(), Some(r#"{"tokens_used":12}"#.into()))
    );
    assert_eq!(whole(r#""content":{"a":[1.0]}"#), (r#"{"a":[1.0]}"#.into(), None));
    assert!(
        matches!(read(r#""content":"Hi","done":false"#), Ok(AgentFrame::Token { text, .. }) if text == "Hi")
    );
    assert!(read(r#""done":true"#).is_err());
}

#[test]
fn an_agent_s_frames() {
    let read = |kind: &str, more: &str| agent(&format!(r#"{{"type":"{kind}","event_id":"{EVENT}"{more}}}"#));
    assert!(
        matches!(read("token", r#","token":"Got""#), Ok(AgentFrame::Token { text, .. }) if text == "Got")
    );
    assert!(matches!(read("ack", ""), Ok(AgentFrame::Ack { .. })));
    assert!(matches!(read("typing", r#","on":false"#), Ok(AgentFrame::Typing { on: false, .. })));
    let error = read("error", r#","error":"model failed","code":"AGENT_ERROR""#);
    assert!(
        matches!(error, Ok(AgentFrame::Error { message, code: Some(code), .. }) if message == "model failed" && code == "AGENT_ERROR")
    );
    assert!(read("token", "").is_err());
    assert!(agent(r#"{"type":"ack","event_id":"mine"}"#).is_err());
    assert!(matches!(agent(r#"{"type":"pong"}"#), Ok(AgentFrame::Pong)));
}

proptest! {
    /// Whatever comes in, reading it ends in an answer.
    #[test]
    fn nothing_makes_it_panic(text in ".{0,200}") {
        let _app = app(&text, 100);
        let _agent = agent(&text);
        let _event = app(&format!(r#"{{"type":"event",{text}}}"#), 100);
    }
}
