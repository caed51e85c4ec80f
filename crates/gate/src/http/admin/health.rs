//! `/metrics`, `/healthz`, `/readyz`.
//!
//! Every scrape asks the store, so that its lag shows while nobody buys:
//!
//! | name | what |
//! |---|---|
//! | `tollwire_store_ready` | 1 if the store is whole and the one this node started with, else 0 |
//! | `tollwire_store_answer_seconds` | how long it took to say so, at most 5 |

use super::RenderMetrics;
use crate::gate::Gate;
use crate::http::answer::{Answer, json, of_type};
use http::StatusCode;
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long a scrape waits for the store; scrapers wait for 10 s by default.
const STORE_WAIT: Duration = Duration::from_secs(5);

pub(super) async fn metrics(gate: &Gate, render: &RenderMetrics) -> Answer {
    let began = Instant::now();
    let whole = matches!(timeout(STORE_WAIT, gate.ledger.ready()).await, Ok(Ok(())));
    ::metrics::gauge!("tollwire_store_answer_seconds").set(began.elapsed());
    ::metrics::gauge!("tollwire_store_ready").set(u32::from(whole));
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
