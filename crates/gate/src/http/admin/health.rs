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

/// Ready means that this node is to stay, and that its ledger is whole and the one it started with.
pub(super) async fn ready(gate: &Gate) -> Answer {
    if gate.is_draining() {
        return json(
            StatusCode::SERVICE_UNAVAILABLE,
            &json!({ "status": "not ready", "reason": "draining" }),
        );
    }
    match gate.ledger.ready().await {
        Ok(()) => json(StatusCode::OK, &json!({ "status": "ready" })),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "not ready", "reason": "ledger" }))
        }
    }
}
