//! `GET /admin/sessions?order=newest`: sessions as an operator looks for them.
//!
//! The order comes from a walk over the ledger that is shared and a moment old ([`Gate::overview`]); the rows are read
//! when they are asked for.

use super::sessions;
use crate::error::Error;
use crate::gate::Gate;
use crate::http::answer::{Answer, json};
use crate::http::credentials::parameter;
use crate::overview::{Listed, State};
use http::StatusCode;
use http::request::Parts;
use serde_json::json;
use std::cmp::Reverse;
use tollwire_ledger::Timestamp;
use tollwire_ledger::model::Session;
use tollwire_x402::{FeedId, SessionId};

/// The most sessions of one payer that are listed.
const OF_PAYER_MAX: usize = 500;

/// What is looked for.
struct Wanted {
    feed: Option<FeedId>,
    state: Option<State>,
}

impl Wanted {
    fn read(parts: &Parts) -> Result<Self, Error> {
        let feed = match parameter(parts, "feed")? {
            Some(text) => Some(text.parse().map_err(|_| Error::malformed("feed", "write a feed's id"))?),
            None => None,
        };
        let rule = |()| Error::malformed("state", "write live, idle, frozen or ended");
        let state = parameter(parts, "state")?.map(|text| text.parse().map_err(rule)).transpose()?;
        Ok(Self { feed, state })
    }

    fn takes(&self, feed: &FeedId, state: State) -> bool {
        self.feed.as_ref().is_none_or(|wanted| wanted == feed)
            && self.state.is_none_or(|wanted| wanted == state)
    }
}

/// One page: `?feed=`, `?state=`, `?payer=` narrow it, `?limit=` is its length, `?after=` the `next` of the page
/// before. `matching` counts all pages.
pub(super) async fn list(gate: &Gate, parts: &Parts) -> Result<Answer, Error> {
    let (wanted, limit) = (Wanted::read(parts)?, sessions::limit(parts)?);
    let after = parameter(parts, "after")?.map(|text| place(&text)).transpose()?;
    if let Some(payer) = parameter(parts, "payer")? {
        return of_payer(gate, &payer, &wanted).await;
    }
    let overview = gate.overview().await?;
    let found: Vec<&Listed> =
        overview.newest.sessions.iter().filter(|listed| wanted.takes(&listed.feed, listed.state)).collect();
    let first = after
        .map_or(0, |(opened, jti)| found.partition_point(|listed| listed.place() <= (Reverse(opened), &jti)));
    let mut page = found.iter().skip(first);
    let mut rows = Vec::with_capacity(limit.min(found.len()));
    let mut last = None;
    for listed in page.by_ref().take(limit) {
        if let Some(session) = gate.ledger.session(&listed.jti).await? {
            rows.push(sessions::row(gate, &listed.jti, &session).await?);
        }
        last = Some(format!("{}.{}", listed.opened.millis(), listed.jti));
    }
    let next = page.next().and(last);
    Ok(json(
        StatusCode::OK,
        &json!({
            "sessions": rows, "next": next, "matching": found.len(), "before": first,
            "older": overview.newest.older,
        }),
    ))
}

/// All sessions of a wallet that match, newest first, at most [`OF_PAYER_MAX`] of its sessions.
async fn of_payer(gate: &Gate, payer: &str, wanted: &Wanted) -> Result<Answer, Error> {
    let found = gate.ledger.sessions_of(payer, OF_PAYER_MAX).await?;
    let now = gate.clock.now();
    let matches = |(_, session): &&(SessionId, Session)| wanted.takes(&session.feed, State::of(session, now));
    let mut rows = Vec::new();
    for (id, session) in found.iter().filter(matches) {
        rows.push(sessions::row(gate, id, session).await?);
    }
    let matching = rows.len();
    Ok(json(
        StatusCode::OK,
        &json!({ "sessions": rows, "next": null, "matching": matching, "before": 0, "older": 0 }),
    ))
}

/// A place in the order: milliseconds and a jti.
fn place(text: &str) -> Result<(Timestamp, SessionId), Error> {
    let parsed = text
        .split_once('.')
        .and_then(|(opened, jti)| Some((Timestamp::from_millis(opened.parse().ok()?), jti.parse().ok()?)));
    parsed.ok_or_else(|| Error::malformed("after", "write the next of the page before"))
}
