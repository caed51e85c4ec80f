//! What is told on standard error: payments and other events, as lines for people or as JSON lines.

use crate::cli::Events;
use serde_json::{Value, json};
use std::io::Write as _;
use tollwire_client::{Budget, Event, Receipt};
use tollwire_session::ReceiptClaims;
use tollwire_x402::Usdc;

/// What went wrong.
pub(crate) fn problem(text: impl std::fmt::Display) {
    line(format!("error: {text}"));
}

/// Something that is worth a line.
pub(crate) fn line(text: impl std::fmt::Display) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

/// Tells an event; messages of the feed are not told.
pub(crate) fn event(form: Events, event: &Event, budget: &Budget) {
    let told = match form {
        Events::None => None,
        Events::Text => text(event, budget),
        Events::Json => json(event).map(|mut told| {
            told["spent"] = json!(budget.spent());
            told.to_string()
        }),
    };
    if let Some(told) = told {
        line(told);
    }
}

/// The last line: what it cost, and how many units are left, if that is known.
pub(crate) fn end(form: Events, spent: Usdc, budget: &Budget, units: Option<u64>) {
    match form {
        Events::None => {}
        Events::Text => {
            let left = units.map(|units| format!("; {units} units left")).unwrap_or_default();
            line(format!("spent {spent} now, {} of {} in all{left}", budget.spent(), budget.total()));
        }
        Events::Json => {
            line(
                json!({"event": "end", "paid": spent, "spent": budget.spent(), "max": budget.total(), "units": units}),
            );
        }
    }
}

fn text(event: &Event, budget: &Budget) -> Option<String> {
    let spent = || format!("{} of {} spent", budget.spent(), budget.total());
    Some(match event {
        Event::Opened { session, units, paid } if *paid == Usdc::ZERO => {
            format!("opened: session {session}, {units} units, nothing paid")
        }
        Event::Opened { session, units, paid } => {
            format!("opened: session {session}, {units} units for {paid}; {}", spent())
        }
        Event::Low { units: Some(units) } => format!("low: {units} units left"),
        Event::Low { units: None } => "low: few units left".into(),
        Event::ToppedUp { paid, units } => format!("topped up: {units} units, paid {paid}; {}", spent()),
        Event::Unpaid { why } => format!("not topped up: {why}"),
        Event::Exhausted { reason } => format!("exhausted: {reason}"),
        Event::Renewed { paid } if *paid == Usdc::ZERO => "open again".into(),
        Event::Renewed { paid } => format!("open again: another session, paid {paid}; {}", spent()),
        Event::Receipt(receipt) => {
            let claims = receipt.claims();
            format!(
                "receipt: {} of {} {}s used, {} of {}",
                claims.used, claims.bought, claims.unit, claims.used_amount, claims.amount
            )
        }
        Event::Reconnecting { why } => format!("connection lost, opening another: {why}"),
        Event::Closed(closed) => format!("closed: {} {}", closed.code, closed.reason),
        _ => return None,
    })
}

fn json(event: &Event) -> Option<Value> {
    Some(match event {
        Event::Opened { session, units, paid } => {
            json!({"event": "opened", "session": session, "units": units, "paid": paid})
        }
        Event::Low { units } => json!({"event": "low", "units": units}),
        Event::ToppedUp { paid, units } => json!({"event": "topped-up", "paid": paid, "units": units}),
        Event::Unpaid { why } => json!({"event": "unpaid", "why": why.to_string()}),
        Event::Exhausted { reason } => json!({"event": "exhausted", "reason": reason}),
        Event::Renewed { paid } => json!({"event": "renewed", "paid": paid}),
        Event::Receipt(receipt) => {
            json!({"event": "receipt", "receipt": receipt.as_str(), "claims": claims(receipt)})
        }
        Event::Reconnecting { why } => json!({"event": "reconnecting", "why": why}),
        Event::Closed(closed) => json!({"event": "closed", "code": closed.code, "reason": closed.reason}),
        _ => return None,
    })
}

/// What a receipt says; amounts in atomic units of USDC.
pub(crate) fn claims(receipt: &Receipt) -> Value {
    let ReceiptClaims { iss, sub, jti, feed, unit, network, chain, bought, used, refunded, .. } =
        receipt.claims();
    let ReceiptClaims { remaining, amount, used_amount, from, to, iat, is_final, .. } = receipt.claims();
    json!({
        "iss": iss, "sub": sub, "jti": jti, "feed": feed, "unit": unit, "network": network, "chain": chain,
        "bought": bought, "used": used, "refunded": refunded, "remaining": remaining, "amount": amount,
        "used_amount": used_amount, "from": from, "to": to, "iat": iat, "final": is_final,
    })
}
