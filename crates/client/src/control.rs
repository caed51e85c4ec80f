//! The control messages of `?control=v1`: what facilitator and agent say to each other within a stream.
//!
//! They are JSON text frames among the feed's own messages. The facilitator's are signed for this session and this
//! moment; a message that looks like one and does not verify is the feed's, which may say what it likes.

use crate::Error;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::VecDeque;
use tollwire_session::{ControlClaims, ControlMessage, KeySet};
use tollwire_x402::facilitator::SettleResponse;
use tollwire_x402::v2::{PaymentPayload, PaymentRequired};
use tollwire_x402::{SessionId, json};

/// How every control message begins, in either direction. A message of the agent's own that begins so is not passed on.
pub(crate) const PREFIX: &str = r#"{"type":"x402/"#;

/// The longest control message an agent may send, in bytes.
const BYTES_MAX: usize = 16 * 1024;

/// How many verified messages are remembered, so that none is answered twice.
const SEEN_MAX: usize = 64;

/// A message that looks like the facilitator's.
#[derive(Deserialize)]
pub(crate) struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(borrow)]
    jws: Cow<'a, str>,
}

/// What the facilitator says.
pub(crate) enum Said {
    /// The balance is low, or a payment was refused: what to pay.
    PaymentRequired { id: String, bill: Box<PaymentRequired> },
    /// What became of a payment.
    PaymentResponse { id: String, settled: Box<SettleResponse> },
    /// A usage receipt.
    Receipt(String),
    /// A control message of ours could not be read.
    Error { code: String, message: String },
}

/// The messages that were taken already.
#[derive(Default)]
pub(crate) struct Seen(VecDeque<ControlClaims>);

impl<'a> Envelope<'a> {
    /// Reads a text, if it looks like a control message.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        if text.starts_with(PREFIX) { serde_json::from_str(text).ok() } else { None }
    }

    /// Whether the facilitator signed this very message for this session, just now.
    pub(crate) fn verify(
        &self,
        keys: &KeySet,
        issuer: &str,
        session: &SessionId,
        now: u64,
    ) -> Result<ControlClaims, tollwire_session::Error> {
        let message = ControlMessage { kind: &self.kind, id: self.id.as_deref(), data: self.data.get() };
        ControlClaims::verify(&self.jws, keys, issuer, session, &message, now)
    }

    /// What it says; `None` for what this version does not know.
    pub(crate) fn content(&self) -> Result<Option<Said>, Error> {
        #[derive(Deserialize)]
        struct ReceiptData {
            receipt: String,
        }
        #[derive(Deserialize)]
        struct ErrorData {
            error: String,
            #[serde(default)]
            message: String,
        }
        let data = self.data.get().as_bytes();
        let id = || self.id.as_deref().map(str::to_owned).ok_or(Error::Protocol("no id".into()));
        Ok(Some(match &*self.kind {
            "x402/payment-required" => {
                Said::PaymentRequired { id: id()?, bill: json::read("payment-required", data)? }
            }
            "x402/payment-response" => {
                Said::PaymentResponse { id: id()?, settled: json::read("payment-response", data)? }
            }
            "x402/receipt" => Said::Receipt(json::read::<ReceiptData>("receipt", data)?.receipt),
            "x402/error" => {
                let ErrorData { error: code, message } = json::read("error", data)?;
                Said::Error { code, message }
            }
            _ => return Ok(None),
        }))
    }
}

impl Seen {
    /// Whether a message is new; it is not from now on.
    pub(crate) fn is_new(&mut self, claims: ControlClaims) -> bool {
        if self.0.contains(&claims) {
            return false;
        }
        if self.0.len() >= SEEN_MAX {
            self.0.pop_front();
        }
        self.0.push_back(claims);
        true
    }
}

/// The message that pays, in answer to the notice `id`.
pub(crate) fn payment(id: &str, payment: &PaymentPayload) -> Result<String, Error> {
    #[derive(Serialize)]
    struct Message<'a> {
        r#type: &'static str,
        id: &'a str,
        data: &'a PaymentPayload,
    }
    let message = Message { r#type: "x402/payment", id, data: payment };
    let text =
        serde_json::to_string(&message).map_err(|_| Error::Protocol("an unwritable payment".into()))?;
    if text.len() > BYTES_MAX { Err(Error::Protocol("a payment above 16 KiB".into())) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollwire_session::{Algorithm, Issuer, SigningKey};

    const SESSION: &str = "7d444840-9dc0-4acd-b245-5ffdce74fad2";
    const NOW: u64 = 1_800_000_000;
    const DATA: &str = r#"{"error" : "malformed","message":"say it again"}"#;

    fn session() -> SessionId {
        SESSION.parse().unwrap()
    }

    fn signed(key: &SigningKey, session: &SessionId, data: &str) -> String {
        let message = ControlMessage { kind: "x402/error", id: None, data };
        Issuer::new(key.clone(), "us".into(), "us".into()).issue_control(session, &message, NOW).unwrap()
    }

    fn check(text: &str, keys: &KeySet, now: u64) -> bool {
        Envelope::read(text).is_some_and(|envelope| envelope.verify(keys, "us", &session(), now).is_ok())
    }

    #[test]
    fn only_the_facilitators_word_counts() {
        let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
        let keys = KeySet::default().with(&key);
        let message = |data: &str, jws: &str| {
            format!(r#"{{"type":"x402/error","id":null,"data":{data},"jws":"{jws}"}}"#)
        };
        let jws = signed(&key, &session(), DATA);
        let good = message(DATA, &jws);
        assert!(check(&good, &keys, NOW) && check(&good, &keys, NOW + 300));
        assert!(!check(&good, &keys, NOW + 301), "stale");
        let stranger = SigningKey::generate(Algorithm::EdDsa).unwrap();
        let other: SessionId = "7d444840-9dc0-4acd-b245-5ffdce74fad3".parse().unwrap();
        for (case, text) in [
            ("another text of the same JSON", message(&DATA.replace(" : ", ":"), &jws)),
            ("another kind", good.replace("x402/error", "x402/receipt")),
            ("another id", good.replace("null", r#""1""#)),
            ("a stranger's key", message(DATA, &signed(&stranger, &session(), DATA))),
            ("another session", message(DATA, &signed(&key, &other, DATA))),
            ("no signature", message(DATA, "")),
            ("a member twice", good.replace(r#""id":null"#, r#""id":null,"id":null"#)),
            ("white space before", format!(" {good}")),
            ("not JSON", good.replace('}', "")),
        ] {
            assert!(!check(&text, &keys, NOW), "{case}");
        }
        let envelope = Envelope::read(&good).unwrap();
        assert!(matches!(envelope.content(), Ok(Some(Said::Error { code, .. })) if code == "malformed"));
        let claims = envelope.verify(&keys, "us", &session(), NOW).unwrap();
        let mut seen = Seen::default();
        assert!(seen.is_new(claims.clone()) && !seen.is_new(claims));
    }
}
