//! `GET /feeds`: what is sold.

use super::answer::{Answer, json};
use crate::feed::{Entry, counted_word};
use crate::gate::Gate;
use http::StatusCode;
use serde_json::{Value, json};

pub(super) fn list(gate: &Gate) -> Answer {
    let feeds: Vec<Value> = gate.feeds().list().iter().map(|entry| public(gate, entry)).collect();
    json(StatusCode::OK, &json!({ "feeds": feeds }))
}

/// What anyone may know of a feed: never its upstream.
pub(super) fn public(gate: &Gate, entry: &Entry) -> Value {
    let feed = &entry.feed;
    let id = feed.id();
    json!({
        "id": id,
        "description": feed.description,
        "price": feed.price,
        "price_text": feed.price.to_string(),
        "unit": feed.unit(),
        "count": counted_word(feed.route.counted),
        "deposit_units": feed.deposit_units,
        "networks": feed.networks,
        "max_stream_seconds": feed.route.max_stream.as_secs(),
        "streams_per_session": feed.route.streams_max,
        "dpop": feed.dpop.as_str(),
        "paused": feed.paused,
        "tariff": entry.tariff.version,
        "session_url": gate.config().url(&format!("/feeds/{id}/session")),
        "ws_url": gate.config().ws_url(&format!("/feeds/{id}/ws")),
    })
}
