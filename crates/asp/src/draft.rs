//! A message as an agent sends it: without what the server assigns.

use crate::agent::AgentUri;
use crate::chain::Hash;
use crate::code::Code;
use crate::performative::Performative;
use crate::trust::TrustScore;
use crate::{VERSION, body, canonical, json};
use serde_json::{Map, Value};

/// The longest proof that is passed on, in bytes.
const PROOF_BYTES_MAX: usize = 4096;

/// A message to be. What the server assigns (`messageId`, `sequenceNumber`, `timestamp`, most of `sender` and `integrity`) is
/// not read, and nor is what is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// What is done by it.
    pub performative: Performative,
    /// To whom it is, if not to all.
    pub recipient: Option<AgentUri>,
    /// A proof of its own, passed on in `sender.dpopProof`.
    pub proof: Option<String>,
    /// What its sender believes to be the head of the chain.
    pub previous: Option<Hash>,
    content: Value,
    /// Canonical.
    pub(crate) content_text: String,
    /// Canonical.
    pub(crate) constraints_text: Option<String>,
}

/// Why an envelope is no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refused {
    /// Its code in frames.
    pub code: Code,
    /// For people.
    pub why: String,
}

fn schema(why: impl Into<String>) -> Refused {
    Refused { code: Code::SchemaViolation, why: why.into() }
}

impl Draft {
    /// Reads the `envelope` of a `send` frame.
    pub fn read(envelope: &str) -> Result<Self, Refused> {
        let value = json::read(envelope).map_err(|error| schema(format!("envelope: {error}")))?;
        let Value::Object(mut members) = value else { return Err(schema("envelope is an object")) };
        match members.get("version").map(Value::as_str) {
            None | Some(Some(VERSION)) => {}
            Some(Some(other)) if is_version(other) => {
                let why = format!("this is {VERSION}");
                return Err(Refused { code: Code::UnsupportedVersion, why });
            }
            Some(_) => return Err(schema("version is asp/ and a number such as 0.1")),
        }
        let performative = text(&members, "performative")?;
        let performative = performative.parse().map_err(|_| schema("performative is one of the thirteen"))?;
        let content = members.remove("content").filter(Value::is_object);
        let content = content.ok_or_else(|| schema("content is an object"))?;
        if content.get("mimeType").is_some_and(|kind| !kind.is_string()) {
            return Err(schema("content.mimeType is a text"));
        }
        body::check(performative, content.get("body").unwrap_or(&Value::Null)).map_err(schema)?;
        let recipient = optional(&members, "recipient", |value| value.as_str()?.parse().ok())?;
        let constraints_text = match members.get("constraints") {
            None => None,
            Some(constraints) if fits(constraints) => Some(write(constraints)?),
            Some(_) => return Err(schema("constraints are not as they must be")),
        };
        let inner =
            |object: &str, member: &str| members.get(object).and_then(|object| object.get(member)).cloned();
        let proof = match inner("sender", "dpopProof") {
            None => None,
            Some(Value::String(proof)) if is_proof(&proof) => Some(proof),
            Some(_) => return Err(schema("sender.dpopProof is a compact JWT")),
        };
        let previous =
            match inner("integrity", "previousHash") {
                None => None,
                Some(hash) => {
                    let hash = hash.as_str().and_then(|hash| hash.parse().ok());
                    Some(hash.ok_or_else(|| {
                        schema("integrity.previousHash is sha256: and 64 hexadecimal digits")
                    })?)
                }
            };
        let content_text = write(&content)?;
        Ok(Self { performative, recipient, proof, previous, content, content_text, constraints_text })
    }

    /// Its `content.body`.
    pub fn body(&self) -> &Value {
        self.content.get("body").unwrap_or(&Value::Null)
    }

    /// What tells it from other messages, whatever the chain's head is: of the same draft the same.
    pub fn digest(&self) -> Hash {
        let recipient = self.recipient.as_ref().map_or("", AgentUri::as_str);
        let constraints = self.constraints_text.as_deref().unwrap_or_default();
        let parts = [self.performative.as_str(), recipient, constraints, &self.content_text];
        Hash::of(parts.join("\n").as_bytes())
    }
}

/// `asp/` and two numbers.
pub(crate) fn is_version(text: &str) -> bool {
    let numbers = text.strip_prefix("asp/").and_then(|numbers| numbers.split_once('.'));
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    numbers.is_some_and(|(major, minor)| number(major) && number(minor))
}

/// A compact JWS: nothing in it needs an escape.
pub(crate) fn is_proof(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    (1..=PROOF_BYTES_MAX).contains(&text.len()) && text.bytes().all(fits)
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<&'a str, Refused> {
    members.get(name).and_then(Value::as_str).ok_or_else(|| schema(format!("{name} is a text")))
}

fn optional<T>(
    members: &Map<String, Value>,
    name: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Option<T>, Refused> {
    let Some(value) = members.get(name) else { return Ok(None) };
    read(value).map(Some).ok_or_else(|| schema(format!("{name} is not as it must be")))
}

fn write(value: &Value) -> Result<String, Refused> {
    canonical::text(value).map_err(|error| schema(error.to_string()))
}

/// `constraints`, for those who answer.
fn fits(constraints: &Value) -> bool {
    let Value::Object(members) = constraints else { return false };
    members.iter().all(|(name, value)| match name.as_str() {
        "maxResponseTimeMs" | "maxTokenBudget" => value.is_u64(),
        "requiredTrustScore" => serde_json::from_value::<TrustScore>(value.clone()).is_ok(),
        "allowedPerformatives" => serde_json::from_value::<Vec<Performative>>(value.clone()).is_ok(),
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(envelope: &str) -> Result<(), &'static str> {
        Draft::read(envelope).map(drop).map_err(|refused| refused.code.as_str())
    }

    #[test]
    fn what_is_read_and_what_is_refused() {
        for good in [
            r#"{"performative":"INFORM","content":{"body":{}}}"#,
            r#"{"version":"asp/0.1","performative":"INFORM","content":{"mimeType":"text/plain","body":{"n":1.5},"context":[]},"new":1}"#,
            r#"{"performative":"CLOSE","content":{"body":{}},"recipient":"agent://a","constraints":{"maxTokenBudget":5,"requiredTrustScore":72.5,"allowedPerformatives":["ACCEPT"]},"sender":{"dpopProof":"e30.e30.x"}}"#,
        ] {
            assert_eq!(code(good), Ok(()), "{good}");
        }
        for (bad, expected) in [
            (r#"{"version":"asp/1.0","performative":"INFORM","content":{"body":{}}}"#, "unsupported_version"),
            (r#"{"version":"1","performative":"INFORM","content":{"body":{}}}"#, "schema_violation"),
            (r#"{"version":1,"performative":"INFORM","content":{"body":{}}}"#, "schema_violation"),
            (r#"{"performative":"SHOUT","content":{"body":{}}}"#, "schema_violation"),
            (r#"{"content":{"body":{}}}"#, "schema_violation"),
            (r#"{"performative":"INFORM","content":{}}"#, "schema_violation"),
            (r#"{"performative":"INFORM","content":{"body":{"a":1,"a":1}}}"#, "schema_violation"),
            (r#"{"performative":"INFORM","content":{"body":{"n":9007199254740993}}}"#, "schema_violation"),
            (r#"{"performative":"INFORM","content":{"body":{}},"recipient":"you"}"#, "schema_violation"),
            (
                r#"{"performative":"INFORM","content":{"body":{}},"constraints":{"maxTokenBudget":-1}}"#,
                "schema_violation",
            ),
            (
                r#"{"performative":"INFORM","content":{"body":{}},"constraints":{"allowedPerformatives":["X"]}}"#,
                "schema_violation",
            ),
            (
                r#"{"performative":"INFORM","content":{"body":{}},"integrity":{"previousHash":"x"}}"#,
                "schema_violation",
            ),
            (
                r#"{"performative":"INFORM","content":{"body":{}},"sender":{"dpopProof":"\""}}"#,
                "schema_violation",
            ),
            ("[]", "schema_violation"),
            ("", "schema_violation"),
        ] {
            assert_eq!(code(bad), Err(expected), "{bad}");
        }
    }

    #[test]
    fn the_same_message_has_the_same_digest() {
        let digest = |text: &str| Draft::read(text).unwrap().digest();
        let one = digest(r#"{"performative":"INFORM","content":{"body":{"a":1.0,"b":2}}}"#);
        assert_eq!(one, digest(r#"{"content":{"body":{"b":2,"a":1}},"performative":"INFORM"}"#));
        assert_ne!(one, digest(r#"{"content":{"body":{"b":2,"a":1}},"performative":"OBSERVE"}"#));
        assert_ne!(one, digest(r#"{"content":{"body":{"b":3,"a":1}},"performative":"INFORM"}"#));
    }
}
