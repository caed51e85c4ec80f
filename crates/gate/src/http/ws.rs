//! `GET /feeds/{feed}/ws`: a stream, for a token or for a payment on the spot.

use super::answer::Answer;
use super::bill::{payable, refusal, settlement};
use super::credentials::{parameter, upgrade_token};
use super::problem::problem;
use crate::error::Error;
use crate::feed::Entry;
use crate::gate::Gate;
use crate::offers::EXTENSION;
use crate::pay::Paid;
use crate::payment::{Presented, single};
use http::Request;
use http::request::Parts;
use http_body::Body;
use serde_json::json;
use std::net::IpAddr;
use std::sync::Arc;
use tollwire_ledger::BoxFuture;
use tollwire_ledger::model::Session;
use tollwire_proxy::{Admission, InBand, OpenError};
use tollwire_x402::v2::Extra;
use tollwire_x402::{FeedId, StreamId, header};

pub(super) async fn get<B>(gate: &Gate, feed: &FeedId, request: Request<B>) -> Answer
where
    B: Body + Send + 'static,
{
    let (parts, body) = request.into_parts();
    let Some(entry) = gate.feeds().get(feed) else {
        return refused(gate, None, feed, &Error::UnknownFeed);
    };
    let (admission, paid) = match admit(gate, &parts, feed).await {
        Ok(admitted) => admitted,
        Err(error) => return refused(gate, Some(&entry), feed, &error),
    };
    let opened = gate.proxy.open(Request::from_parts(parts, body), admission, &entry.feed.route).await;
    let mut answer = match opened {
        Ok(answer) => answer,
        Err(error) => refused(gate, Some(&entry), feed, &error.into()),
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
async fn admit(gate: &Gate, parts: &Parts, feed: &FeedId) -> Result<(Admission, Option<Paid>), Error> {
    let stream = stream_id(parts)?;
    let control: Option<Arc<dyn InBand>> = match parameter(parts, "control")?.as_deref() {
        None => None,
        Some("v1") => Some(Arc::new(Silence)),
        Some(_) => return Err(Error::malformed("control", "write v1, or leave it out")),
    };
    let token = upgrade_token(parts)?;
    let payment = Presented::read(&parts.headers)?;
    let (session, payer, paid) = match (token, payment) {
        (Some(_), Some(_)) => {
            return Err(Error::malformed("token", "send a token or a payment, not both"));
        }
        (Some(token), None) => {
            let claims = gate.admit(&token, feed)?;
            (claims.jti, claims.sub, None)
        }
        (None, Some(presented)) => {
            // Nobody pays for an upgrade that cannot happen.
            tollwire_proxy::check_handshake(parts).map_err(OpenError::from)?;
            let _pass = gate.pass(parts.extensions.get::<IpAddr>().copied())?;
            let paid = gate.pay(feed, &presented).await?;
            (paid.jti.clone(), paid.session.payer.clone(), Some(paid))
        }
        (None, None) => return Err(Error::PaymentRequired),
    };
    Ok((Admission { session, payer, stream, control }, paid))
}

/// A conversation in which nothing is said yet.
struct Silence;

impl InBand for Silence {
    fn heard(&self, _: String) -> BoxFuture<'_, Vec<String>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    fn malformed(&self, _: &'static str) -> BoxFuture<'_, Vec<String>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    fn low<'a>(&'a self, _: &'a Session) -> BoxFuture<'a, Option<String>> {
        Box::pin(std::future::ready(None))
    }

    fn parting<'a>(&'a self, _: &'a Session) -> BoxFuture<'a, Option<String>> {
        Box::pin(std::future::ready(None))
    }
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

fn refused(gate: &Gate, entry: Option<&Entry>, feed: &FeedId, error: &Error) -> Answer {
    let problem = problem(error);
    metrics::counter!("tollwire_upgrades_refused_total", "reason" => problem.kind()).increment(1);
    let path = format!("/feeds/{feed}/ws");
    match (error, entry) {
        (
            Error::Open(OpenError::Exhausted { .. } | OpenError::Expired) | Error::BalanceExpired,
            Some(entry),
        ) => payable(gate, entry, &path, problem),
        _ => refusal(gate, feed, &path, error),
    }
}
