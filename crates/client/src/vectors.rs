//! The shared vectors of the WebSocket transport, as this client reads them: `tests/vectors/websocket.json`.

use crate::control::{Envelope, Said};
use crate::endpoint::Endpoint;
use crate::http_client::{Answer, problem_kind, retry_after};
use crate::offer::Pinned;
use crate::payer::read_bill;
use crate::session::{Asked, Session, settlement};
use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::Value;
use std::time::Duration;
use tollwire_session::KeySet;
use tollwire_x402::header;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/websocket.json");

fn file() -> Value {
    serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap()
}

fn list<'a>(value: &'a Value, member: &str) -> &'a Vec<Value> {
    value[member].as_array().unwrap()
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap()
}

/// An exchange's answer, as it would come from the wire.
fn answer(exchange: &Value) -> Answer {
    let response = &exchange["response"];
    let lines = response["headers"].as_object().unwrap();
    let headers: HeaderMap = lines
        .iter()
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.as_str().unwrap().parse().unwrap()))
        .collect();
    let status = u16::try_from(response["status"].as_u64().unwrap()).unwrap();
    let body = response.get("body").map(Value::to_string).unwrap_or_default();
    Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: body.into() }
}

/// Bills, settlements, sessions and problems: each is read for what it is.
#[test]
fn every_answer_is_read() {
    let file = file();
    let url = Endpoint::http("http://pay.example:4020/feeds/ticks/session", true).unwrap();
    let pinned = Pinned::default();
    let [mut bills, mut settled, mut sessions, mut problems] = [0; 4];
    for exchange in list(&file, "exchanges") {
        let (name, answer) = (text(exchange, "name"), answer(exchange));
        let decoded = &exchange["response"]["decoded"];
        if answer.headers.contains_key(header::PAYMENT_REQUIRED) {
            let bill = read_bill(&answer).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(serde_json::to_value(&bill).unwrap(), decoded[header::PAYMENT_REQUIRED], "{name}");
            bills += 1;
        }
        if answer.headers.contains_key(header::PAYMENT_RESPONSE) {
            let outcome = settlement(&answer).unwrap_or_else(|| panic!("{name}: no settlement"));
            assert_eq!(Value::Bool(outcome.success), decoded[header::PAYMENT_RESPONSE]["success"], "{name}");
            settled += 1;
        }
        let body = &exchange["response"]["body"];
        if answer.status == StatusCode::OK && body["session"].is_object() {
            let asked =
                Asked { url: &url, payment: None, pinned: &pinned, allow_plain: true, can_prove: false };
            let session = Session::read(&answer, &asked).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(session.jti.as_str(), text(&body["session"], "jti"), "{name}");
            assert_eq!(Some(session.units_remaining), body["session"]["units_remaining"].as_u64(), "{name}");
            assert_eq!(session.issuer.as_deref(), file["issuer"].as_str(), "{name}");
            sessions += 1;
        }
        if let Some(kind) = body["type"].as_str() {
            let last = kind.rsplit(':').next();
            assert_eq!(problem_kind(&answer.body).as_deref(), last, "{name}");
            problems += 1;
        }
        if answer.status == StatusCode::SERVICE_UNAVAILABLE {
            assert!(retry_after(&answer.headers) >= Some(Duration::from_secs(1)), "{name}");
        }
    }
    assert!(
        bills >= 4 && settled >= 6 && sessions >= 5 && problems >= 15,
        "{bills} {settled} {sessions} {problems}"
    );
}

/// What the facilitator said is taken; what is forged is the feed's.
#[test]
fn every_control_message_is_judged() {
    let file = file();
    let keys = KeySet::from_jwks(&file["jwks"].to_string()).unwrap();
    let issuer = text(&file, "issuer");
    let session = |name: &str| {
        let sessions = list(&file, "sessions");
        let found = sessions.iter().find(|session| session["name"] == name).unwrap();
        text(found, "jti").parse().unwrap()
    };
    let now = file["now"].as_u64().unwrap();
    let mut kinds = std::collections::BTreeMap::new();
    for talk in list(&file, "conversations") {
        let session = session(text(talk, "session"));
        for control in list(talk, "steps").iter().filter_map(|step| step.get("control")) {
            let name = text(talk, "name");
            let envelope = Envelope::read(text(control, "text")).unwrap();
            envelope.verify(&keys, issuer, &session, now).unwrap_or_else(|error| panic!("{name}: {error}"));
            let said = envelope.content().unwrap().unwrap_or_else(|| panic!("{name}: an unknown kind"));
            let (kind, id) = match said {
                Said::PaymentRequired { id, .. } => ("x402/payment-required", Some(id)),
                Said::PaymentResponse { id, settled } => {
                    assert_eq!(Value::Bool(settled.success), control["data"]["success"], "{name}");
                    ("x402/payment-response", Some(id))
                }
                Said::Receipt(receipt) => {
                    assert_eq!(receipt, text(&control["data"], "receipt"), "{name}");
                    ("x402/receipt", None)
                }
                Said::Error { code, .. } => {
                    assert_eq!(code, text(&control["data"], "error"), "{name}");
                    ("x402/error", None)
                }
            };
            assert_eq!(kind, text(control, "type"), "{name}");
            assert!(id.is_none_or(|id| id == text(control, "id")), "{name}");
            *kinds.entry(kind).or_insert(0) += 1;
        }
    }
    assert_eq!(kinds.len(), 4, "{kinds:?}");
    for forgery in list(&file, "forged") {
        let now = forgery["now"].as_u64().unwrap();
        let verdict = match Envelope::read(text(forgery, "text")) {
            None => "ordinary",
            Some(envelope) => match envelope.verify(&keys, issuer, &session(text(forgery, "session")), now) {
                Ok(_) => "ok",
                Err(error) => error.name(),
            },
        };
        assert_eq!(verdict, text(forgery, "expect"), "{}", text(forgery, "name"));
    }
}
