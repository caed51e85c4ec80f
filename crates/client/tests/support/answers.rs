//! The session route: a bill, or what was paid for.

use super::{Answer, Fault, NOW, Seller, State, offer};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response, header::RETRY_AFTER};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tollwire_exact::evm::{Dialect, check_at};
use tollwire_session::{KeySet, dpop};
use tollwire_x402::v2::{PaymentPayload, PaymentRequirements};
use tollwire_x402::{header, reason};

pub(super) fn session(seller: &Seller, request: &Request<Incoming>) -> Answer {
    let mut state = seller.state();
    if let Some(signed) = request.headers().get(header::SIGN_IN_WITH_X) {
        return Ok(signed_in(&mut state, signed.as_bytes()));
    }
    let Some(payment) = request.headers().get(header::PAYMENT_SIGNATURE) else { return Ok(bill(&mut state)) };
    state.paid_requests += 1;
    if state.forgets {
        return Ok(answer(401, &json!({"type": "urn:tollwire:problem:proof-required"}), &[]));
    }
    let fault = state.faults.pop_front();
    match fault {
        Some(Fault::Refuse) => return Ok(refused(&mut state, reason::EVM_INSUFFICIENT_BALANCE)),
        Some(Fault::Ignore) => return Ok(bill(&mut state)),
        _ => {}
    }
    let claim = request.headers()[header::TOLLWIRE_CLAIM].to_str().unwrap().to_owned();
    let payment: PaymentPayload = header::decode(header::PAYMENT_SIGNATURE, payment.as_bytes()).unwrap();
    let jti = take(&mut state, &payment, &claim, None);
    if state.binds {
        let jkt = proven(&mut state, request, "/feeds/ticks/session", None);
        state.bound.insert(jti.clone(), jkt);
    }
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

/// `POST /session/top-up`.
pub(super) fn top_up(seller: &Seller, request: &Request<Incoming>) -> Answer {
    let mut state = seller.state();
    state.top_up_requests += 1;
    if !state.top_up {
        return Ok(answer(404, &json!({}), &[]));
    }
    assert_eq!(request.method(), "POST");
    let jti = holder(&mut state, request, "/session/top-up");
    let Some(payment) = request.headers().get(header::PAYMENT_SIGNATURE) else { return Ok(bill(&mut state)) };
    let fault = state.faults.pop_front();
    match fault {
        Some(Fault::Refuse) => return Ok(refused(&mut state, reason::EVM_INSUFFICIENT_BALANCE)),
        Some(Fault::Ignore) => return Ok(bill(&mut state)),
        _ => {}
    }
    let claim = request.headers()[header::TOLLWIRE_CLAIM].to_str().unwrap().to_owned();
    let payment: PaymentPayload = header::decode(header::PAYMENT_SIGNATURE, payment.as_bytes()).unwrap();
    assert_eq!(take(&mut state, &payment, &claim, Some(&jti)), jti);
    match fault {
        Some(Fault::LoseAnswer) => Err(std::io::Error::other("lost")),
        Some(Fault::PendingAs402) => Ok(refused(&mut state, reason::SETTLEMENT_PENDING)),
        _ => Ok(sold(&state, &jti)),
    }
}

/// The session whose token a request presents, rightly.
pub(super) fn holder(state: &mut State, request: &Request<Incoming>, path: &str) -> String {
    let authorization = request.headers()["authorization"].to_str().unwrap().to_owned();
    let (scheme, token) = authorization.split_once(' ').unwrap();
    let jti = token.rsplit('.').next().unwrap().to_owned();
    match state.bound.get(&jti).cloned() {
        None => assert_eq!(scheme, "Bearer"),
        Some(jkt) => {
            assert_eq!(scheme, "DPoP");
            assert_eq!(proven(state, request, path, Some(token)), jkt);
        }
    }
    jti
}

/// The key that a request's proof was made with; each proof works once.
fn proven(state: &mut State, request: &Request<Incoming>, path: &str, token: Option<&str>) -> String {
    let url = format!("{}{path}", state.base);
    let target = dpop::Request::new(request.method().as_str(), &url);
    let target = token.map_or(target, |token| target.with_token(token));
    let proof = dpop::verify(request.headers()["dpop"].to_str().unwrap(), &target, NOW).unwrap();
    assert!(state.proofs.insert(proof.replay_key()), "a proof was used twice");
    proof.jkt
}

pub(super) fn keys(state: &mut State) -> Response<Full<Bytes>> {
    state.keys_fetched += 1;
    let keys = KeySet::default().with(&state.published).jwks_json().unwrap();
    answer(200, &serde_json::from_str(&keys).unwrap(), &[])
}

/// A sign-in over the challenge of [`challenge`].
fn signed_in(state: &mut State, value: &[u8]) -> Response<Full<Bytes>> {
    let signed: Value = header::decode(header::SIGN_IN_WITH_X, value).unwrap();
    assert_eq!(signed["nonce"], NONCE);
    assert_eq!(signed["address"], "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A");
    match state.signs_in.clone() {
        Some(jti) if state.units.get(&jti).is_some_and(|units| *units > 0) => sold(state, &jti),
        _ => bill(state),
    }
}

const NONCE: &str = "6b49d20001020304a1b2c3d4e5f60718";

fn challenge(state: &State) -> Value {
    json!({
        "info": {
            "domain": state.base.trim_start_matches("http://"), "uri": format!("{}/feeds/ticks/session", state.base),
            "version": "1", "nonce": NONCE, "issuedAt": "2027-01-15T08:00:00.000Z",
        },
        "supportedChains": [{"chainId": "eip155:84532", "type": "eip191"}],
    })
}

/// Takes a payment, once, for a session of its own or for this one; all that the protocol asks of a client is checked.
pub(super) fn take(
    state: &mut State,
    payment: &PaymentPayload,
    claim: &str,
    tops_up: Option<&str>,
) -> String {
    let accepted = serde_json::to_value(&payment.accepted).unwrap();
    let requirements: PaymentRequirements = serde_json::from_value(accepted.clone()).unwrap();
    let checked = check_at(&requirements, &payment.payload, Dialect::V2, NOW).unwrap().own_key().unwrap();
    let signed = &checked.payload.authorization;
    assert_eq!((signed.valid_after, signed.valid_before), (0, NOW + 60));
    if let Some((jti, first_claim)) = state.sold.get(checked.id.as_str()) {
        assert!(claim == first_claim || first_claim.is_empty(), "the same claim collects the same payment");
        return jti.clone();
    }
    assert!(state.bill["accepts"].as_array().unwrap().contains(&accepted), "accepted is an exact echo");
    assert_eq!(serde_json::to_value(&payment.resource).unwrap(), state.bill["resource"]);
    assert_eq!(serde_json::to_value(&payment.extensions).unwrap(), state.bill["extensions"]);
    let fresh = || format!("00000000-0000-4000-8000-{:012}", state.sold.len());
    let jti = tops_up.map_or_else(fresh, str::to_owned);
    *state.units.entry(jti.clone()).or_default() += requirements.amount.atomic() / 10_000;
    state.sold.insert(checked.id.to_string(), (jti.clone(), claim.to_owned()));
    jti
}

fn sold(state: &State, jti: &str) -> Response<Full<Bytes>> {
    let ws = state.base.replacen("http", "ws", 1);
    let settled = json!({"success": true, "transaction": "0xabcd", "network": "eip155:84532"});
    let body = json!({
        "token": token(state, jti), "token_type": if state.bound.contains_key(jti) { "DPoP" } else { "Bearer" }, "expires_at": "2027-01-15T08:00:00Z",
        "ws_url": format!("{ws}/feeds/ticks/ws"),
        "session": {
            "jti": jti, "feed": "ticks", "unit": "stream", "units_remaining": state.units[jti], "deposited": "$0.10",
            "chain": "base-sepolia",
        },
    });
    answer(200, &body, &[(header::PAYMENT_RESPONSE, &header::encode(&settled).unwrap())])
}

/// Looks like a token as far as a client looks: its issuer can be read.
pub(super) fn token(state: &State, jti: &str) -> String {
    format!("h.{}.{jti}", URL_SAFE_NO_PAD.encode(json!({"iss": state.base}).to_string()))
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
        "extensions": {
            "tollwire-session": {
                "info": {"quote": "s3cret-quote", "price": state.price.to_string()}, "schema": {"type": "object"},
            },
            "other": {"info": [1, {"a": null}]},
        },
    });
    if state.signs_in.is_some() {
        state.bill["extensions"]["sign-in-with-x"] = challenge(state);
    }
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
