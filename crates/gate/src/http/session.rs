//! `GET /feeds/{feed}/session`: the bill; with a payment, the session it buys; for a wallet or a key that shows itself,
//! a session it has.

use super::answer::{Answer, json};
use super::bill::{Asked, refusal, settlement};
use super::credentials::{Credential, credential};
use crate::error::Error;
use crate::gate::Gate;
use crate::pay::Paid;
use crate::payment::{Presented, single};
use crate::resume::Resumed;
use crate::siwx::SignIn;
use crate::token::Token;
use http::header::CACHE_CONTROL;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use std::net::IpAddr;
use tollwire_ledger::model::Session;
use tollwire_x402::{FeedId, SessionId, Unit, header};

/// What a request came to.
enum Granted {
    Paid(Box<Paid>),
    Resumed(Box<Resumed>),
}

pub(super) async fn get(gate: &Gate, feed: &FeedId, parts: &Parts) -> Answer {
    let path = format!("/feeds/{feed}/session");
    match serve(gate, feed, &path, parts).await {
        Ok(Granted::Paid(paid)) => paid_answer(gate, &paid),
        Ok(Granted::Resumed(resumed)) => {
            let Resumed { jti, session, token } = *resumed;
            granted(&body(gate, &jti, &session, &token))
        }
        Err(error) => refusal(gate, Asked { sign_in: true, ..Asked::new(feed, &path) }, &error).await,
    }
}

async fn serve(gate: &Gate, feed: &FeedId, path: &str, parts: &Parts) -> Result<Granted, Error> {
    let address = parts.extensions.get::<IpAddr>().copied();
    if let Some(mut presented) = Presented::read(&parts.headers)? {
        let _pass = gate.pass(address)?;
        presented.proofs.key = gate.proven_key(parts, path).await?;
        return Ok(Granted::Paid(Box::new(gate.pay(feed, &presented).await?)));
    }
    if let Some(value) = single(&parts.headers, header::SIGN_IN_WITH_X)? {
        let sign_in = SignIn::decode(value)?;
        let _pass = gate.pass(address)?;
        return Ok(Granted::Resumed(Box::new(gate.resume_by_wallet(feed, &sign_in).await?)));
    }
    // A token bound to no key is no reason to hand out another.
    let by_key = credential(&parts.headers)?.filter(Credential::is_by_key);
    let credential = by_key.ok_or(Error::PaymentRequired)?;
    let _pass = gate.pass(address)?;
    let claims = gate.past_holder(parts, path, &credential).await?;
    Ok(Granted::Resumed(Box::new(gate.resume_by_key(feed, claims).await?)))
}

/// The answer to a payment, with the token in its body.
pub(super) fn paid_answer(gate: &Gate, paid: &Paid) -> Answer {
    let mut body = body(gate, &paid.jti, &paid.session, &paid.token);
    if let (Some(receipt), Some(members)) = (&paid.receipt, body.as_object_mut()) {
        members.insert("receipt".into(), json!(receipt));
    }
    let mut answer = granted(&body);
    settlement(&mut answer, paid.dialect, &paid.settlement);
    answer
}

fn granted(body: &Value) -> Answer {
    let mut answer = json(StatusCode::OK, body);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    answer
}

fn body(gate: &Gate, jti: &SessionId, session: &Session, token: &Token) -> Value {
    let feed = &session.feed;
    let ws_path = match session.unit {
        Unit::Usdc => gate.config().accounts_at.clone(),
        _ => format!("/feeds/{feed}/ws"),
    };
    json!({
        "token": token.expose(),
        "token_type": if session.jkt.is_some() { "DPoP" } else { "Bearer" },
        "expires_at": token.expires_at(),
        "ws_url": gate.config().ws_url(&ws_path),
        "session": {
            "jti": jti,
            "feed": feed,
            "unit": session.unit,
            "units_remaining": session.remaining(),
            "deposited": session.deposited.to_string(),
            "chain": session.chain,
        },
    })
}
