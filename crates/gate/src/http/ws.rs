//! `GET /feeds/{feed}/ws`: a stream, for a token or for a payment on the spot.

use super::answer::Answer;
use super::bill::{Asked, payable, refusal, settlement};
use super::credentials::{parameter, upgrade_credential};
use super::problem::problem;
use crate::error::Error;
use crate::feed::Entry;
use crate::gate::Gate;
use crate::in_band::Conversation;
use crate::offers::EXTENSION;
use crate::pay::Paid;
use crate::payment::{Presented, single};
use http::Request;
use http::request::Parts;
use http_body::Body;
use serde_json::json;
use std::net::IpAddr;
use std::sync::Arc;
use tollwire_proxy::{Admission, InBand, OpenError};
use tollwire_x402::v2::Extra;
use tollwire_x402::{FeedId, StreamId, header};

pub(super) async fn get<B>(gate: &Arc<Gate>, feed: &FeedId, request: Request<B>) -> Answer
where
    B: Body + Send + 'static,
{
    let (parts, body) = request.into_parts();
    let Some(entry) = gate.feeds().get(feed).filter(|entry| !entry.feed.is_account()) else {
        return refused(gate, None, feed, &Error::UnknownFeed).await;
    };
    let (admission, paid) = match admit(gate, &parts, feed).await {
        Ok(admitted) => admitted,
        Err(error) => return refused(gate, Some(&entry), feed, &error).await,
    };
    let opened = gate.proxy.open(Request::from_parts(parts, body), admission, &entry.feed.route).await;
    let mut answer = match opened {
        Ok(answer) => answer,
        Err(error) => refused(gate, Some(&entry), feed, &error.into()).await,
    };
    // Whatever became of the stream: the session is bought, and this is the only place to say so.
    if let Some(paid) = paid {
        let mut outcome = paid.settlement;
        let info = json!({ "token": paid.token.expose(), "expiresAt": paid.token.expires_at() });
        outcome.extensions = Some(Extra::from_iter([(EXTENSION.to_owned(), json!({ "info": info }))]));
        settlement(&mut answer, paid.dialect, &outcome);
    }
    answer
}

/// Who may open a stream: the holder of a token, or who pays now.
async fn admit(gate: &Arc<Gate>, parts: &Parts, feed: &FeedId) -> Result<(Admission, Option<Paid>), Error> {
    let stream = stream_id(parts)?;
    let control = match parameter(parts, "control")?.as_deref() {
        None => false,
        Some("v1") => true,
        Some(_) => return Err(Error::malformed("control", "write v1, or leave it out")),
    };
    let address = parts.extensions.get::<IpAddr>().copied();
    let path = format!("/feeds/{feed}/ws");
    let token = upgrade_credential(parts)?;
    let payment = Presented::read(&parts.headers)?;
    let (session, payer, key, paid) = match (token, payment) {
        (Some(_), Some(_)) => {
            return Err(Error::malformed("token", "send a token or a payment, not both"));
        }
        (Some(token), None) => {
            let claims = gate.holder_for(parts, &path, &token, feed).await?;
            (claims.jti, claims.sub, claims.jkt, None)
        }
        (None, Some(mut presented)) => {
            // Nobody pays for an upgrade that cannot happen.
            tollwire_proxy::check_handshake(parts).map_err(OpenError::from)?;
            let _pass = gate.pass(address)?;
            presented.proofs.key = gate.proven_key(parts, &path).await?;
            let paid = gate.pay(feed, &presented).await?;
            let session = &paid.session;
            if session.jkt.is_some() && session.jkt != presented.proofs.key {
                return Err(Error::TokenBound);
            }
            (paid.jti.clone(), session.payer.clone(), session.jkt.clone(), Some(paid))
        }
        (None, None) => return Err(Error::PaymentRequired),
    };
    let control: Option<Arc<dyn InBand>> =
        if control { Some(Arc::new(Conversation::new(gate, &session, key, address))) } else { None };
    Ok((Admission { session, payer, stream, control }, paid))
}

/// The client's idempotency key for this open, in the header or, for browsers, in the query; not in both.
fn stream_id(parts: &Parts) -> Result<Option<StreamId>, Error> {
    let header = single(&parts.headers, header::TOLLWIRE_STREAM)?;
    let query = parameter(parts, "stream")?;
    let text = match (header, &query) {
        (Some(_), Some(_)) => {
            return Err(Error::malformed("stream", "send it as tollwire-stream or as ?stream=, not as both"));
        }
        (Some(value), None) => std::str::from_utf8(value).unwrap_or_default(),
        (None, Some(text)) => text,
        (None, None) => return Ok(None),
    };
    let rule = "16 to 64 characters of A-Z, a-z, 0-9, '-' or '_'";
    text.parse().map(Some).map_err(|_| Error::malformed("stream", rule))
}

async fn refused(gate: &Gate, entry: Option<&Entry>, feed: &FeedId, error: &Error) -> Answer {
    let problem = problem(error);
    metrics::counter!("tollwire_upgrades_refused_total", "reason" => problem.kind()).increment(1);
    let path = format!("/feeds/{feed}/ws");
    match (error, entry) {
        (
            Error::Open(OpenError::Exhausted { .. } | OpenError::Expired) | Error::BalanceExpired,
            Some(entry),
        ) => payable(gate, entry, &path, problem).await,
        _ => refusal(gate, Asked::new(feed, &path), error).await,
    }
}
