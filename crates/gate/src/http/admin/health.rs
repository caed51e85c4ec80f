//! `/metrics`, `/healthz`, `/readyz`.

use super::RenderMetrics;
use crate::gate::Gate;
use crate::http::answer::{Answer, json, of_type};
use http::StatusCode;
use serde_json::json;

pub(super) fn metrics(render: &RenderMetrics) -> Answer {
    of_type(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", render())
}

pub(super) fn alive() -> Answer {
    json(StatusCode::OK, &json!({ "status": "ok" }))
}

/// Ready means that the ledger is whole and is the one this node started with.
pub(super) async fn ready(gate: &Gate) -> Answer {
    match gate.ledger.ready().await {
        Ok(()) => json(StatusCode::OK, &json!({ "status": "ready" })),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "not ready", "reason": "ledger" }))
        }
    }
}
