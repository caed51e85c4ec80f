//! What is said on streams with `?control=v1`, in order. The feeds send back what the agent says to them.

use super::file::{Close, Control, Conversation, Frame, Payload, Step};
use super::stage::{Stage, payment, token};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tollwire_x402::close::CloseCode;

const REQUIRED: &str = "Payment Required Signaling";
const PAYLOAD: &str = "Payment Payload Transmission";
const DELIVERY: &str = "Settlement Response Delivery";
const ERRORS: &str = "Error Handling";

fn sent(fin: bool, opcode: u8, text: impl Into<String>) -> Frame {
    Frame { fin, rsv: 0, opcode, text: Some(text.into()), hex: None, fill: None }
}

fn frame(fin: bool, opcode: u8, text: impl Into<String>) -> Step {
    Step::Send(sent(fin, opcode, text))
}

/// An unfragmented text message.
fn say(text: impl Into<String>) -> Step {
    frame(true, 1, text)
}

fn back(text: &str) -> Step {
    Step::Message(Payload::Text(text.into()))
}

/// A message of the server's of this type; the rest of it is compared with the file.
fn told(kind: &str) -> Step {
    let (r#type, free) = (format!("x402/{kind}"), BTreeMap::new());
    Step::Control(Control { r#type, id: None, data: Value::Null, free, text: String::new() })
}

fn closed(code: CloseCode) -> Step {
    Step::Close(Close { code: code.code(), reason: code.reason().into() })
}

fn pay(id: &str, payment: &Value) -> Step {
    say(format!(r#"{{"type":"x402/payment","id":{},"data":{payment}}}"#, json!(id)))
}

fn talk(name: &str, section: &str, session: &str, steps: Vec<Step>) -> Conversation {
    Conversation {
        name: name.into(),
        section: section.into(),
        session: session.into(),
        target: format!("/feeds/{session}/ws?token={}&control=v1", token(session, |_| {})),
        steps,
    }
}

pub(crate) async fn all(stage: &Stage) -> Vec<Conversation> {
    let mut all = payments(stage).await;
    all.extend(malformed());
    all.push(forwarded());
    all.push(talk(
        "a frame with a reserved bit ends the stream",
        PAYLOAD,
        "talk",
        vec![
            Step::Send(Frame { rsv: 4, ..sent(true, 1, "a") }),
            Step::Close(Close { code: CloseCode::ProtocolError.code(), reason: "reserved bit set".into() }),
        ],
    ));
    all
}

async fn payments(stage: &Stage) -> Vec<Conversation> {
    let offer = stage.offer("talk", 10_000).await;
    let good = payment(stage, &offer, 20);
    let mut bent = payment(stage, &offer, 21);
    bent["payload"]["authorization"]["nonce"] = format!("0x{}", "09".repeat(32)).into();
    // The one that has bought a session of another feed.
    let elsewhere = payment(stage, &stage.offer("ticks", 100_000).await, 1);
    vec![
        talk(
            "a low balance is told, what is left is served, and a receipt comes before the close",
            REQUIRED,
            "low",
            vec![
                told("payment-required"),
                say("one"),
                back("one"),
                say("two"),
                back("two"),
                say("three"),
                back("three"),
                told("receipt"),
                closed(CloseCode::Exhausted),
            ],
        ),
        talk(
            "a payment is answered by its settlement; the same one again, without a quote, proves nothing",
            DELIVERY,
            "talk",
            vec![
                pay("1", &good),
                told("payment-response"),
                pay("2", &good),
                told("error"),
                say("and the stream goes on"),
                back("and the stream goes on"),
            ],
        ),
        talk(
            "a payment that its payer did not sign is answered with a bill",
            ERRORS,
            "talk",
            vec![pay("3", &bent), told("payment-required")],
        ),
        talk(
            "a payment that was made for something else",
            ERRORS,
            "talk",
            vec![pay("4", &elsewhere), told("error")],
        ),
    ]
}

/// Each is answered and not passed on: what follows comes back, and it does not.
fn malformed() -> Vec<Conversation> {
    let text = |name: &'static str, text: String| (name, vec![say(text)]);
    let payment = |rest: &str| format!(r#"{{"type":"x402/payment",{rest}}}"#);
    let long = payment(&format!(r#""id":"{}","data":{{}}"#, "i".repeat(65)));
    let too_long =
        Frame { fill: Some(16 * 1024 + 1), ..sent(true, 1, r#"{"type":"x402/payment","id":"5","data":""#) };
    let hex = |text: &str, more: &str| {
        let bytes = hex::encode(text) + more;
        Step::Send(Frame { text: None, hex: Some(bytes), ..sent(true, 1, "") })
    };
    let cases = [
        text("not JSON", r#"{"type":"x402/payment"#.into()),
        text("no data", payment(r#""id":"5""#)),
        text("no id", payment(r#""data":{}"#)),
        text("an id that is a number", payment(r#""id":5,"data":{}"#)),
        text("an empty id", payment(r#""id":"","data":{}"#)),
        text("an id of 65 characters", long),
        text("a member twice", payment(r#""id":"5","id":"6","data":{}"#)),
        text("a type that agents do not send", r#"{"type":"x402/receipt","id":"5","data":{}}"#.into()),
        text("a type that nobody knows", r#"{"type":"x402/","id":"5","data":{}}"#.into()),
        text("data that is no payment", payment(r#""id":"5","data":"secret""#)),
        ("longer than 16 KiB", vec![Step::Send(too_long)]),
        ("not UTF-8", vec![hex(r#"{"type":"x402/payment","id":""#, "ff")]),
        (
            "fragmented",
            vec![frame(false, 1, r#"{"type":"x402/payment","#), frame(true, 0, r#""id":"5","data":{}}"#)],
        ),
        (
            "fragmented before its name is complete",
            vec![frame(false, 1, r#"{"ty"#), frame(true, 0, r#"pe":1}"#)],
        ),
    ];
    let cases = cases.into_iter().map(|(name, mut steps)| {
        steps.extend([told("error"), say("next"), back("next")]);
        talk(&format!("malformed: {name}"), ERRORS, "talk", steps)
    });
    cases.collect()
}

fn forwarded() -> Conversation {
    let texts = [
        "{}",
        r#"{"type":"x403/"#,
        r#" {"type":"x402/payment","id":"6","data":{}}"#,
        r#"{"Type":"x402/payment"}"#,
        r#"{"type":"x402"#,
    ];
    let mut steps: Vec<Step> = texts.iter().flat_map(|text| [say(*text), back(text)]).collect();
    // Bytes are the feed's, whatever they say.
    let bytes = r#"{"type":"x402/payment"}"#;
    let echoed = Step::Message(Payload::Hex(hex::encode(bytes)));
    steps.extend([frame(true, 2, bytes), echoed]);
    talk("what does not begin as a control message is the feed's", PAYLOAD, "talk", steps)
}
