//! The session route: a bill, or what was paid for.

use super::{Answer, Fault, NOW, Seller, State, offer};
use bytes::Bytes;
use http::{Request, Response, header::RETRY_AFTER};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tollwire_exact::evm::{Dialect, check_at};
use tollwire_x402::v2::{PaymentPayload, PaymentRequirements};
use tollwire_x402::{header, reason};

pub(super) fn session(seller: &Seller, request: &Request<Incoming>) -> Answer {
    let mut state = seller.state();
    let Some(payment) = request.headers().get(header::PAYMENT_SIGNATURE) else { return Ok(bill(&mut state)) };
    state.paid_requests += 1;
    let fault = state.faults.pop_front();
    match fault {
        Some(Fault::Refuse) => return Ok(refused(&mut state, reason::EVM_INSUFFICIENT_BALANCE)),
        Some(Fault::Ignore) => return Ok(bill(&mut state)),
        _ => {}
    }
    let claim = request.headers()[header::TOLLWIRE_CLAIM].to_str().unwrap().to_owned();
    let payment: PaymentPayload = header::decode(header::PAYMENT_SIGNATURE, payment.as_bytes()).unwrap();
    let jti = take(&mut state, &payment, claim);
    match fault {
        Some(Fault::LoseAnswer) => Err(std::io::Error::other("lost")),
        Some(Fault::Pending) => Ok(answer(
            503,
            &json!({"type": "urn:tollwire:problem:settlement-pending"}),
            &[("retry-after", "0")],
        )),
        Some(Fault::PendingAs402) => Ok(refused(&mut state, reason::SETTLEMENT_PENDING)),
        _ => Ok(sold(&state, &jti)),
    }
}

/// Takes a payment, once; all that the protocol asks of a client is checked here.
fn take(state: &mut State, payment: &PaymentPayload, claim: String) -> String {
    let accepted = serde_json::to_value(&payment.accepted).unwrap();
    let requirements: PaymentRequirements = serde_json::from_value(accepted.clone()).unwrap();
    let checked = check_at(&requirements, &payment.payload, Dialect::V2, NOW).unwrap().own_key().unwrap();
    let signed = &checked.payload.authorization;
    assert_eq!((signed.valid_after, signed.valid_before), (0, NOW + 60));
    if let Some((jti, first_claim)) = state.sold.get(checked.id.as_str()) {
        assert_eq!(&claim, first_claim, "the same claim collects the same payment");
        return jti.clone();
    }
    assert!(state.bill["accepts"].as_array().unwrap().contains(&accepted), "accepted is an exact echo");
    assert_eq!(serde_json::to_value(&payment.resource).unwrap(), state.bill["resource"]);
    assert_eq!(serde_json::to_value(&payment.extensions).unwrap(), state.bill["extensions"]);
    let jti = format!("00000000-0000-4000-8000-{:012}", state.sold.len());
    state.units.insert(jti.clone(), requirements.amount.atomic() / 10_000);
    state.sold.insert(checked.id.to_string(), (jti.clone(), claim));
    jti
}

fn sold(state: &State, jti: &str) -> Response<Full<Bytes>> {
    let ws = state.base.replacen("http", "ws", 1);
    let settled = json!({"success": true, "transaction": "0xabcd", "network": "eip155:84532"});
    let body = json!({
        "token": format!("token-{jti}"), "token_type": "Bearer", "expires_at": "2027-01-15T08:00:00Z",
        "ws_url": format!("{ws}/feeds/ticks/ws"),
        "session": {
            "jti": jti, "feed": "ticks", "unit": "stream", "units_remaining": state.units[jti], "deposited": "$0.10",
            "chain": "base-sepolia",
        },
    });
    answer(200, &body, &[(header::PAYMENT_RESPONSE, &header::encode(&settled).unwrap())])
}

fn bill(state: &mut State) -> Response<Full<Bytes>> {
    let text = encoded_bill(state);
    answer(402, &json!({}), &[(header::PAYMENT_REQUIRED, &text)])
}

pub(super) fn encoded_bill(state: &mut State) -> String {
    let accepts: Vec<Value> = state.amounts.iter().map(|amount| offer(*amount, &state.pay_to)).collect();
    state.bill = json!({
        "x402Version": 2, "error": "payment required", "accepts": accepts,
        "resource": {"url": format!("{}/feeds/ticks/session", state.base), "description": "Ticks"},
        "extensions": {"tollwire-session": {"info": {"quote": "s3cret-quote"}, "schema": {"type": "object"}}, "other": {"info": [1, {"a": null}]}},
    });
    header::encode(&state.bill).unwrap()
}

fn refused(state: &mut State, reason: &str) -> Response<Full<Bytes>> {
    let settled = json!({"success": false, "errorReason": reason, "errorMessage": "no", "transaction": "0xabcd", "network": "eip155:84532"});
    let required = encoded_bill(state);
    let headers = [
        (header::PAYMENT_REQUIRED, required.as_str()),
        (header::PAYMENT_RESPONSE, &header::encode(&settled).unwrap()),
        (RETRY_AFTER.as_str(), "0"),
    ];
    answer(402, &json!({}), &headers)
}

pub(super) fn answer(status: u16, body: &Value, headers: &[(&str, &str)]) -> Response<Full<Bytes>> {
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    answer.body(Full::new(body.to_string().into())).unwrap()
}
