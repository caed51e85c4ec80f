//! `GET /feeds/{feed}/session`: the bill, or, with a payment, the session it buys.

use super::answer::{Answer, json};
use super::bill::{refusal, settlement};
use crate::error::Error;
use crate::gate::Gate;
use crate::pay::Paid;
use crate::payment::Presented;
use http::header::CACHE_CONTROL;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde_json::json;
use std::net::IpAddr;
use tollwire_x402::FeedId;

pub(super) async fn get(gate: &Gate, feed: &FeedId, parts: &Parts) -> Answer {
    match pay(gate, feed, parts).await {
        Ok(paid) => paid_answer(gate, feed, &paid),
        Err(error) => refusal(gate, feed, &format!("/feeds/{feed}/session"), &error),
    }
}

async fn pay(gate: &Gate, feed: &FeedId, parts: &Parts) -> Result<Paid, Error> {
    let presented = Presented::read(&parts.headers)?.ok_or(Error::PaymentRequired)?;
    let _pass = gate.pass(parts.extensions.get::<IpAddr>().copied())?;
    gate.pay(feed, &presented).await
}

/// The one answer that carries a token in its body.
fn paid_answer(gate: &Gate, feed: &FeedId, paid: &Paid) -> Answer {
    let session = &paid.session;
    let body = json!({
        "token": paid.token.expose(),
        "token_type": "Bearer",
        "expires_at": paid.token.expires_at(),
        "ws_url": gate.config().ws_url(&format!("/feeds/{feed}/ws")),
        "session": {
            "jti": paid.jti,
            "feed": session.feed,
            "unit": session.unit,
            "units_remaining": session.remaining(),
            "deposited": session.deposited.to_string(),
            "chain": session.chain,
        },
    });
    let mut answer = json(StatusCode::OK, &body);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    settlement(&mut answer, paid.dialect, &paid.settlement);
    answer
}
