//! A broker in front of an API, and frames to it.

use serde_json::{Value, json};
use std::time::Duration;
use tollwire_testkit::feed::Message;
use tollwire_tests::api::Api;
use tollwire_tests::broker::{Broker, BrokerSettings};
use tollwire_tests::ws::{Socket, open};

/// A broker with one API, `demo`.
pub(crate) struct Rig {
    pub(crate) api: Api,
    pub(crate) broker: Broker,
}

impl Rig {
    pub(crate) async fn start() -> Self {
        Self::limited("").await
    }

    /// With lines of `[limits]`.
    pub(crate) async fn limited(limits: &str) -> Self {
        let api = Api::start().await;
        let settings = BrokerSettings { limits: limits.into(), ..BrokerSettings::demo(&api.url("")) };
        let broker = Broker::start(&settings).await;
        Self { api, broker }
    }

    pub(crate) async fn open(&self) -> Socket {
        open(&self.broker.socket_url(), &[]).await.unwrap()
    }
}

/// The envelope of a GET.
pub(crate) fn get(id: impl Into<Value>, path: &str) -> Value {
    json!({ "id": id.into(), "method": "relay.call", "params": { "apiId": "demo", "path": path } })
}

/// Sends an envelope.
pub(crate) async fn send(socket: &mut Socket, envelope: &Value) {
    socket.send(Message::text(envelope.to_string())).await;
}

/// The next frame, as text.
pub(crate) async fn text(socket: &mut Socket) -> String {
    match socket.next().await {
        Message::Text(text) => text.to_string(),
        other => panic!("not a text frame: {other:?}"),
    }
}

/// The next frame.
pub(crate) async fn frame(socket: &mut Socket) -> Value {
    let text = text(socket).await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Sends an envelope and waits for the next frame.
pub(crate) async fn ask(socket: &mut Socket, envelope: &Value) -> Value {
    send(socket, envelope).await;
    frame(socket).await
}

/// The code of an error frame, which must be under this id.
pub(crate) fn code(frame: &Value, id: impl Into<Value>) -> u64 {
    assert_eq!(frame["id"], id.into(), "{frame}");
    frame["error"]["code"].as_u64().unwrap_or_else(|| panic!("no error: {frame}"))
}

/// How a socket ends.
pub(crate) async fn ended(socket: &mut Socket) -> u16 {
    socket.ended_within(Duration::from_secs(20)).await.code
}
