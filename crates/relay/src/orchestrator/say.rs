//! Frames to a person.

use serde::Serialize;
use serde_json::value::RawValue;
use tollwire_x402::Usdc;

/// What went wrong, in the protocol's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorType {
    AgentUnavailable,
    PaymentDeclined,
    SessionNotFound,
    AuthFailed,
    InternalError,
    /// An extension: what was sent cannot be taken, and changes nothing.
    InvalidMessage,
}

impl ErrorType {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::AgentUnavailable => "agent_unavailable",
            Self::PaymentDeclined => "payment_declined",
            Self::SessionNotFound => "session_not_found",
            Self::AuthFailed => "auth_failed",
            Self::InternalError => "internal_error",
            Self::InvalidMessage => "invalid_message",
        }
    }
}

#[derive(Serialize)]
struct Frame<T> {
    #[serde(rename = "type")]
    kind: &'static str,
    data: T,
}

#[derive(Serialize)]
struct AgentMessage<'a> {
    content: &'a str,
    agent_id: &'a str,
    agent_name: &'a str,
    message_id: &'a str,
}

/// Words of an agent, or of the brain. `message_id` is an extension: the same one is the same message.
pub(crate) fn agent_message(content: &str, (id, name): (&str, &str), message_id: &str) -> String {
    let data = AgentMessage { content, agent_id: id, agent_name: name, message_id };
    written("AGENT_MESSAGE", data)
}

/// What is asked for.
#[derive(Serialize)]
pub(crate) struct PaymentRequest<'a> {
    pub(crate) amount_usdc: String,
    pub(crate) agent_name: &'a str,
    pub(crate) action: &'a str,
    pub(crate) description: &'a str,
    pub(crate) payment_id: &'a str,
    pub(crate) expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) payment_required: Option<&'a RawValue>,
}

/// Asks for a payment.
pub(crate) fn payment_request(data: PaymentRequest<'_>) -> String {
    written("PAYMENT_REQUEST", data)
}

#[derive(Serialize)]
struct PaymentSuccessful<'a> {
    amount_usdc: String,
    tx_hash: &'a str,
    payment_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
}

/// That a payment is made. `source` says from what, if no transaction was made for it alone.
pub(crate) fn payment_successful(
    amount: Usdc,
    tx_hash: &str,
    payment_id: &str,
    source: Option<&str>,
) -> String {
    let data = PaymentSuccessful { amount_usdc: dollars(amount), tx_hash, payment_id, source };
    written("PAYMENT_SUCCESSFUL", data)
}

#[derive(Serialize)]
struct SessionClosed<'a> {
    reason: &'a str,
    phase: &'static str,
}

/// That the session has ended.
pub(crate) fn session_closed(reason: &str) -> String {
    written("SESSION_CLOSED", SessionClosed { reason, phase: "CLOSED" })
}

#[derive(Serialize)]
struct Error<'a> {
    error_type: &'static str,
    message: &'a str,
}

/// That something is not done.
pub(crate) fn error(kind: ErrorType, message: &str) -> String {
    written("ERROR", Error { error_type: kind.as_str(), message })
}

/// An amount as this protocol writes it: `0.05`.
pub(crate) fn dollars(amount: Usdc) -> String {
    amount.to_string().trim_start_matches('$').to_owned()
}

fn written<T: Serialize>(kind: &'static str, data: T) -> String {
    // Our own types serialize; if one did not, an error is the honest rest.
    serde_json::to_string(&Frame { kind, data }).unwrap_or_else(|_| {
        r#"{"type":"ERROR","data":{"error_type":"internal_error","message":"internal error"}}"#.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_the_protocol_s_with_extensions_behind() {
        assert_eq!(
            agent_message(
                "Here's the summary: …",
                ("3fa85f64-5717-4562-b3fc-2c963f66afa6", "Document Summarizer"),
                "m"
            ),
            r#"{"type":"AGENT_MESSAGE","data":{"content":"Here's the summary: …","agent_id":"3fa85f64-5717-4562-b3fc-2c963f66afa6","agent_name":"Document Summarizer","message_id":"m"}}"#
        );
        let request = PaymentRequest {
            amount_usdc: dollars("0.05".parse().unwrap()),
            agent_name: "Document Summarizer",
            action: "summarize",
            description: "Summarize a 5,000-word document",
            payment_id: "p",
            expires_at: "t".into(),
            payment_required: None,
        };
        assert_eq!(
            payment_request(request),
            r#"{"type":"PAYMENT_REQUEST","data":{"amount_usdc":"0.05","agent_name":"Document Summarizer","action":"summarize","description":"Summarize a 5,000-word document","payment_id":"p","expires_at":"t"}}"#
        );
        assert_eq!(
            payment_successful("0.05".parse().unwrap(), "0x1", "p", Some("balance")),
            r#"{"type":"PAYMENT_SUCCESSFUL","data":{"amount_usdc":"0.05","tx_hash":"0x1","payment_id":"p","source":"balance"}}"#
        );
        assert_eq!(
            session_closed("Task completed"),
            r#"{"type":"SESSION_CLOSED","data":{"reason":"Task completed","phase":"CLOSED"}}"#
        );
        let unhealthy = "The requested agent is currently unhealthy. Please try again later.";
        assert_eq!(
            error(ErrorType::AgentUnavailable, unhealthy),
            format!(
                r#"{{"type":"ERROR","data":{{"error_type":"agent_unavailable","message":"{unhealthy}"}}}}"#
            )
        );
    }
}
