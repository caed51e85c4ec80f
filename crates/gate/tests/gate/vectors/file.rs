//! The form of `tests/vectors/websocket.json`, described in the README beside it.

use super::stage::{self, Stage};
use super::{exchanges, talks};
use crate::support::PUBLIC_URL;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use tollwire_x402::close::CloseCode;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct File {
    pub(crate) about: String,
    pub(crate) now: u64,
    pub(crate) issuer: String,
    pub(crate) private_key: PrivateKey,
    pub(crate) jwks: Value,
    pub(crate) wallets: Vec<Value>,
    pub(crate) feeds: Vec<Value>,
    pub(crate) sessions: Vec<Value>,
    pub(crate) compared_headers: Vec<String>,
    pub(crate) close_codes: Vec<CloseRow>,
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) conversations: Vec<Conversation>,
    pub(crate) forged: Vec<Forgery>,
}

/// The key that signs everything here: it is printed in an RFC, and good for nothing but tests.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PrivateKey {
    pub(crate) source: String,
    pub(crate) pem: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CloseRow {
    pub(crate) code: u16,
    pub(crate) reason: String,
    pub(crate) when: String,
}

/// One HTTP request and its answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Exchange {
    pub(crate) name: String,
    pub(crate) section: String,
    pub(crate) request: Request,
    pub(crate) response: Response,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Of the compared headers those that are there.
    pub(crate) headers: BTreeMap<String, String>,
    /// The same, where they are base64 of JSON.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) decoded: BTreeMap<String, Value>,
    /// The body, where it is JSON.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(crate) body: Value,
    /// What ends the stream, where one was opened and the server closes it at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) close: Option<Close>,
    /// Members that differ each time, as JSON pointers into this object, and what they are.
    pub(crate) free: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Close {
    pub(crate) code: u16,
    pub(crate) reason: String,
}

/// One stream with `?control=v1`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Conversation {
    pub(crate) name: String,
    pub(crate) section: String,
    pub(crate) session: String,
    pub(crate) target: String,
    pub(crate) steps: Vec<Step>,
}

/// What the agent sends, or what it gets next.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    Send(Frame),
    /// The feed's own message, which is the agent's, sent back.
    Message(Payload),
    Control(Control),
    Close(Close),
}

/// A frame of the agent's, before masking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Frame {
    pub(crate) fin: bool,
    /// The three reserved bits, as a number.
    pub(crate) rsv: u8,
    pub(crate) opcode: u8,
    /// The payload, as text or as hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hex: Option<String>,
    /// The payload is filled up with `x` to so many bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fill: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Payload {
    Text(String),
    Hex(String),
}

/// A message of the server's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Control {
    pub(crate) r#type: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
    pub(crate) free: BTreeMap<String, String>,
    /// The frame's payload, byte for byte.
    pub(crate) text: String,
}

/// A message that is not the server's, or not for this session or this moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Forgery {
    pub(crate) name: String,
    pub(crate) session: String,
    pub(crate) now: u64,
    pub(crate) text: String,
    pub(crate) expect: String,
}

impl File {
    pub(crate) fn exchange(&self, name: &str) -> Option<&Exchange> {
        self.exchanges.iter().find(|exchange| exchange.name == name)
    }

    pub(crate) fn conversation(&self, name: &str) -> Option<&Conversation> {
        self.conversations.iter().find(|talk| talk.name == name)
    }

    /// The id of a session by its name.
    pub(crate) fn session(&self, name: &str) -> &str {
        let found = self.sessions.iter().find(|session| session["name"] == name);
        found.unwrap_or_else(|| panic!("no session {name}"))["jti"].as_str().unwrap()
    }

    /// Whether both files ask the same of a server.
    pub(crate) fn asks_the_same(&self, other: &Self) -> bool {
        let asked = |file: &Self| {
            let head = (&file.now, &file.issuer, &file.jwks, &file.feeds, &file.sessions, &file.close_codes);
            let exchanges =
                file.exchanges.iter().map(|e| (&e.name, &e.section, &e.request, e.response.status));
            let talks = file.conversations.iter().map(|talk| {
                let sends: Vec<_> = talk.steps.iter().map(Step::sent).collect();
                (&talk.name, &talk.section, &talk.target, sends)
            });
            format!("{head:?}{:?}{:?}", exchanges.collect::<Vec<_>>(), talks.collect::<Vec<_>>())
        };
        asked(self) == asked(other)
    }
}

impl Step {
    fn sent(&self) -> Option<&Frame> {
        match self {
            Self::Send(frame) => Some(frame),
            _ => None,
        }
    }

    /// Whether something of this kind came; of a control message the kind is its type.
    pub(crate) fn is_kind_of(&self, came: &Self) -> bool {
        match (self, came) {
            (Self::Message(expected), Self::Message(came)) => expected == came,
            (Self::Control(expected), Self::Control(came)) => expected.r#type == came.r#type,
            (Self::Close(expected), Self::Close(came)) => expected == came,
            _ => false,
        }
    }
}

/// Headers that are compared; another server may send any others.
pub(crate) const COMPARED: [&str; 12] = [
    "payment-required",
    "payment-response",
    "x-payment-response",
    "cache-control",
    "content-type",
    "www-authenticate",
    "retry-after",
    "upgrade",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-protocol",
    "tollwire-stream",
];

/// Close codes by which a stream of this transport ends.
pub(crate) fn close_codes() -> Vec<CloseRow> {
    [
        (CloseCode::Exhausted, "the balance is used up: pay, then open again"),
        (CloseCode::Unauthorized, "the session was revoked, or its balance's life is over"),
        (CloseCode::SessionClosed, "its payer or an operator ended the session"),
        (CloseCode::Replaced, "a newer connection took the stream over"),
        (CloseCode::TryAgainLater, "the server cannot reach its books: try later"),
        (CloseCode::GoingAway, "the server is going away: open again"),
        (
            CloseCode::ProtocolError,
            "the agent broke RFC 6455, or set a reserved bit; another reason may say which",
        ),
    ]
    .map(|(code, when)| CloseRow { code: code.code(), reason: code.reason().into(), when: when.into() })
    .into()
}

/// The file without what a server answers.
pub(crate) async fn file(stage: &Stage) -> File {
    let now = stage::NOW;
    File {
        about:
            "The WebSocket transport for x402: requests and answers, in order, on one server. Do not edit by \
                hand; see README.md beside this file."
                .into(),
        now,
        issuer: PUBLIC_URL.into(),
        private_key: stage::published(),
        jwks: serde_json::from_str(&stage.keys.jwks_json().unwrap()).unwrap(),
        wallets: stage::wallets(),
        feeds: stage::feeds(),
        sessions: stage::sessions(),
        compared_headers: COMPARED.map(str::to_owned).into(),
        close_codes: close_codes(),
        exchanges: exchanges::all(stage).await,
        conversations: talks::all(stage).await,
        forged: Vec::new(),
    }
}
