//! The form of control messages.

use crate::error::Error;
use serde::Deserialize;
use serde_json::Value;
use tollwire_session::{CONTROL_NAME_MAX, ControlMessage};
use tollwire_x402::v2::PaymentPayload;

/// What the agent sends: a payment.
pub(super) const PAYMENT: &str = "x402/payment";

/// What to pay.
pub(super) const REQUIRED: &str = "x402/payment-required";

/// How a payment was settled.
pub(super) const RESPONSE: &str = "x402/payment-response";

/// What was used.
pub(super) const RECEIPT: &str = "x402/receipt";

/// What is wrong.
pub(super) const ERROR: &str = "x402/error";

/// A payment as an agent sent it.
pub(super) struct Said {
    /// The agent's name for it; the answer bears the same.
    pub(super) id: String,
    pub(super) payment: PaymentPayload,
}

/// A message that is no payment.
pub(super) struct Unread {
    /// Its id, as far as it has one.
    pub(super) id: Option<String>,
    pub(super) error: Error,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    id: Value,
    data: Value,
}

/// Reads an agent's message. Members that are not known are passed over; one given twice is refused.
pub(super) fn read(text: &str) -> Result<Said, Unread> {
    let nameless = |error| Unread { id: None, error };
    let envelope: Envelope = tollwire_x402::json::read("control message", text.as_bytes())
        .map_err(|error| nameless(error.into()))?;
    let id = match envelope.id {
        Value::String(id) if is_id(&id) => id,
        _ => {
            let rule = format!("write 1 to {CONTROL_NAME_MAX} printable ASCII characters");
            return Err(nameless(Error::malformed("id", rule)));
        }
    };
    if envelope.kind != PAYMENT {
        let error = Error::malformed("type", "an agent sends x402/payment");
        return Err(Unread { id: Some(id), error });
    }
    match tollwire_x402::json::from_value("data", envelope.data) {
        Ok(payment) => Ok(Said { id, payment }),
        Err(error) => Err(Unread { id: Some(id), error: error.into() }),
    }
}

/// A message of ours. `data` stands in it byte for byte as it was signed.
pub(super) fn write(message: &ControlMessage<'_>, jws: &str) -> Option<String> {
    let (kind, id) = (serde_json::to_string(message.kind).ok()?, serde_json::to_string(&message.id).ok()?);
    let (data, jws) = (message.data, serde_json::to_string(jws).ok()?);
    Some(format!(r#"{{"type":{kind},"id":{id},"data":{data},"jws":{jws}}}"#))
}

fn is_id(text: &str) -> bool {
    (1..=CONTROL_NAME_MAX).contains(&text.len()) && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ours_begin_as_control_messages_do_and_keep_their_data_as_it_is() {
        let message = ControlMessage { kind: REQUIRED, id: None, data: r#"{"a" : 1}"# };
        let text = write(&message, "a.b.c").unwrap();
        assert_eq!(text, r#"{"type":"x402/payment-required","id":null,"data":{"a" : 1},"jws":"a.b.c"}"#);
        let message = ControlMessage { kind: ERROR, id: Some("a\"b"), data: "{}" };
        assert!(write(&message, "").unwrap().starts_with(r#"{"type":"x402/error","id":"a\"b","data":{}"#));
    }

    #[test]
    fn what_cannot_be_read_is_named_and_not_quoted() {
        let long = "x".repeat(65);
        for (text, id, field) in [
            (r#"{"type":"x402/"#.to_owned(), None, "control message"),
            (r#"{"type":"x402/payment"}"#.to_owned(), None, "control message"),
            (r#"{"type":"x402/payment","id":null,"data":{}}"#.to_owned(), None, "id"),
            (r#"{"type":"x402/payment","id":"","data":{}}"#.to_owned(), None, "id"),
            (r#"{"type":"x402/payment","id":"\n","data":{}}"#.to_owned(), None, "id"),
            (format!(r#"{{"type":"x402/payment","id":"{long}","data":{{}}}}"#), None, "id"),
            (r#"{"type":"x402/receipt","id":"1","data":{}}"#.to_owned(), Some("1"), "type"),
            (r#"{"type":"x402/payment","id":"1","data":{"s3cret":1}}"#.to_owned(), Some("1"), "data"),
            (r#"{"type":"x402/payment","id":"1","id":"2","data":{}}"#.to_owned(), None, "control message"),
        ] {
            let Err(unread) = read(&text) else { panic!("{text}") };
            assert_eq!(unread.id.as_deref(), id, "{text}");
            let told = unread.error.to_string();
            assert!(told.contains(field) && !told.contains("s3cret"), "{text}: {told}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,80}") {
            let _ = read(&text);
            let _ = read(&format!(r#"{{"type":"x402/payment","id":"1","data":{text}}}"#));
        }
    }
}
