use super::*;
use proptest::prelude::*;

const MAX: usize = 100;

fn call_of(text: &str) -> Call {
    match read(text, MAX) {
        Ok(Envelope::Call(call)) => *call,
        other => panic!("{text}: {other:?}"),
    }
}

/// The code and text that a wrong call is answered with.
fn refusal(text: &str) -> (u16, String) {
    match read(text, MAX) {
        Err(Refused::Call { error, .. }) => (error.code(), error.to_string()),
        other => panic!("{text}: {other:?}"),
    }
}

fn with(params: &str) -> String {
    format!(r#"{{"id":1,"method":"relay.call","params":{{"apiId":"demo",{params}}}}}"#)
}

#[test]
fn the_defaults_are_a_get_of_the_root() {
    let call = call_of(r#"{"id":"c1","method":"relay.call","params":{"apiId":"demo"},"later":[1]}"#);
    assert_eq!((call.api.as_str(), call.request.path.as_str()), ("demo", "/"));
    assert_eq!((call.request.method, call.request.body.len()), (Method::GET, 0));
    assert!(call.payment.is_none());
}

#[test]
fn a_body_is_its_bytes() {
    let json = r#"{ "b":1.0,"a":12345678901234567890123,  "x":1e400, "s":"\ud800", "b":2 }"#;
    let call = call_of(&with(&format!(r#""requestMethod":"post","requestBody":{json}"#)));
    assert_eq!(call.request.body, json);
    assert_eq!(call.request.headers[CONTENT_TYPE], "application/json");
    assert_eq!(call.request.method, Method::POST);

    let call = call_of(&with(r#""requestBody":"a\n\u00e9","requestHeaders":{"Content-Type":"text/x"}"#));
    assert_eq!(call.request.body, "a\né".as_bytes());
    assert_eq!(call.request.headers[CONTENT_TYPE], "text/x");
    assert_eq!(call_of(&with(r#""requestBody":null"#)).request.body.len(), 0);

    let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
    assert_eq!(call_of(&with(&format!(r#""requestBody":{deep}"#))).request.body, deep);
}

#[test]
fn binary_bodies_are_base64_where_the_metadata_says_so() {
    let envelope = |body: &str| {
        format!(
            r#"{{"id":1,"method":"relay.call","params":{{"apiId":"demo","requestBody":{body}}},
                "metadata":{{"encoding":"base64","mine":{{}}}}}}"#
        )
    };
    assert_eq!(call_of(&envelope(r#""AP+A""#)).request.body, &[0, 0xFF, 0x80][..]);
    assert_eq!(call_of(&envelope(r#""AA""#)).request.body, &[0][..]);
    for bad in [r#""%%""#, "{}", "1"] {
        assert_eq!(refusal(&envelope(bad)).0, 400, "{bad}");
    }
}

#[test]
fn each_wrong_part_is_told_under_the_id() {
    for (params, field) in [
        (r#""path":"v1""#, "params.path"),
        (r#""path":5"#, "params.path"),
        (r#""requestMethod":"CONNECT""#, "params.requestMethod"),
        (r#""requestHeaders":[]"#, "params.requestHeaders"),
        (r#""requestHeaders":{"a":1}"#, "params.requestHeaders"),
        (r#""requestHeaders":{"a b":"x"}"#, "params.requestHeaders"),
        (r#""requestHeaders":{"a":"x\r\ny: z"}"#, "params.requestHeaders"),
        (r#""requestHeaders":{"Payment-Signature":"x"}"#, "params.requestHeaders"),
        (r#""requestHeaders":{"X-PAYMENT":"x"}"#, "params.requestHeaders"),
        (r#""requestBody":"\ud800""#, "params.requestBody"),
        (r#""path":"/","path":"/x""#, "params"),
    ] {
        let (code, text) = refusal(&with(params));
        assert!(code == 400 && text.starts_with(&format!("{field}: ")), "{params}: {text}");
    }
    let (code, _) = refusal(&with(&format!(r#""requestBody":"{}""#, "x".repeat(MAX + 1))));
    assert_eq!(code, 413);
    assert_eq!(refusal(r#"{"id":1,"method":"relay.call","params":["demo"]}"#).0, 400);
    assert_eq!(refusal(r#"{"id":1,"method":"relay.call"}"#).0, 400);
    assert_eq!(refusal(r#"{"id":1,"method":"relay.call","params":{"apiId":"d"},"payment":"x"}"#).0, 400);
}

#[test]
fn what_is_no_envelope_is_told_without_an_id() {
    let rule = |text: &str| match read(text, MAX) {
        Err(Refused::Unreadable { rule }) => rule,
        other => panic!("{text}: {other:?}"),
    };
    for bad in ["", "x", "[]", r#"[{"id":1}]"#, "null", r#"{"id":1,"id":2}"#, "{\"id\":1", "{}x"] {
        assert_eq!(rule(bad), "Invalid JSON", "{bad}");
    }
    assert!(rule(r#"{"method":"relay.call"}"#).starts_with("id: "));
    assert!(rule(r#"{"id":1.5,"method":"relay.call"}"#).starts_with("id: "));
    assert!(rule(r#"{"id":1}"#).starts_with("method: "));
    assert!(rule(r#"{"id":1,"method":5}"#).starts_with("method: "));
    assert!(rule(r#"{"id":1,"method":"relay.cancel","params":{}}"#).starts_with("params.id: "));
}

#[test]
fn other_methods_are_named() {
    let cancel = read(r#"{"method":"relay.cancel","params":{"id":"c1"}}"#, MAX).unwrap();
    assert!(matches!(cancel, Envelope::Cancel { id: None, call: Id::Text(id) } if id == "c1"));
    let unknown = read(r#"{"id":2,"method":"relay.bill"}"#, MAX).unwrap_err();
    assert_eq!(
        unknown,
        Refused::UnknownMethod { id: Some(Id::Number("2".into())), method: "relay.bill".into() }
    );
}

/// Text that looks like an envelope here and there.
fn nearly() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        r#"{"id":"#,
        r#""c1""#,
        "7",
        ",",
        ":",
        r#""method":"relay.call""#,
        r#""params":{"#,
        r#""apiId":"demo""#,
        r#""path":"/x""#,
        r#""requestBody":"#,
        r#"{"b":1.0,"x":1e400}"#,
        "null",
        "}",
        "]",
        "[",
        r#""\ud800""#,
        r#""payment":{"x402Version":2}"#,
        r#""metadata":{"encoding":"base64"}"#,
        "\u{0}",
        "é",
        "\"",
        "\\",
    ]);
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn garbage_is_an_answer_not_a_panic(text: String, near in nearly()) {
        let _ = read(&text, MAX);
        let _ = read(&near, MAX);
        let _ = read(&with(&near), MAX);
    }

    #[test]
    fn any_json_body_passes_byte_for_byte(
        numbers in prop::collection::vec("-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,4})?", 0..4),
        text in "[a-z ]{0,8}",
    ) {
        let body = format!("{{\"{text}\" : [{}]}}", numbers.join(" , "));
        let call = read(&with(&format!(r#""requestBody":{body}"#)), 1_000);
        let Ok(Envelope::Call(call)) = call else { panic!("{body}: {call:?}") };
        prop_assert_eq!(call.request.body, body.as_bytes());
    }
}
