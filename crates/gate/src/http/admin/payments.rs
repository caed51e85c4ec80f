//! `GET /admin/payments/in-doubt`: payments of which it is not known whether the money moved.

use super::sessions;
use crate::error::Error;
use crate::gate::Gate;
use crate::http::answer::{Answer, json};
use crate::http::credentials::parameter;
use crate::rfc3339;
use http::StatusCode;
use http::request::Parts;
use serde_json::{Value, json};
use tollwire_ledger::model::Payment;
use tollwire_x402::PaymentId;

/// One page, in the order of identities: `?after=` the last one seen, `?limit=`.
pub(super) async fn in_doubt(gate: &Gate, parts: &Parts) -> Result<Answer, Error> {
    let after = match parameter(parts, "after")? {
        Some(text) => {
            let rule = |_| Error::malformed("after", "write a payment's identity");
            Some(text.parse::<PaymentId>().map_err(rule)?)
        }
        None => None,
    };
    let limit = sessions::limit(parts)?;
    let page = gate.ledger.in_doubt(after.as_ref(), limit).await?;
    let next = (page.len() == limit).then(|| page.last().map(|(id, _)| id.clone())).flatten();
    let rows: Vec<Value> = page.iter().map(|(id, payment)| shown(id, payment)).collect();
    Ok(json(StatusCode::OK, &json!({ "payments": rows, "next": next })))
}

/// What an operator needs to look for it on the chain; neither its payload nor what proves possession of it.
fn shown(id: &PaymentId, payment: &Payment) -> Value {
    let intent = &payment.intent;
    let purchase = match (intent.plain, intent.top_up) {
        (true, _) => "plain",
        (false, true) => "top-up",
        (false, false) => "session",
    };
    let transactions: Vec<&str> = payment.attempts.iter().map(|attempt| attempt.tx.as_str()).collect();
    json!({
        "payment": id,
        "purchase": purchase,
        "session": (!intent.plain).then_some(&intent.session),
        "feed": intent.feed,
        "amount": intent.amount,
        "network": intent.network,
        "chain": intent.chain,
        "payer": intent.payer,
        "pay_to": intent.pay_to,
        "recorded": rfc3339::millis(payment.recorded),
        "valid_before": rfc3339::seconds(intent.valid_before),
        "transactions": transactions,
        "gone": payment.gone,
    })
}
