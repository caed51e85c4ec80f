//! `/admin/feeds`: feeds that come, change and go while the process runs. They are never written to the configuration
//! file; those registered here are kept in a store of their own.

use crate::error::Error;
use crate::feed::{Entry, FeedError, FeedJson, Origin};
use crate::gate::Gate;
use crate::http::answer::{Answer, empty, insert, json};
use crate::http::{body, feeds};
use http::StatusCode;
use http::header::LOCATION;
use http_body::Body;
use serde_json::{Value, json};
use tollwire_x402::FeedId;

pub(super) fn list(gate: &Gate) -> Answer {
    let feeds: Vec<Value> = gate.feeds().list().iter().map(|entry| private(gate, entry)).collect();
    json(StatusCode::OK, &json!({ "feeds": feeds }))
}

pub(super) fn show(gate: &Gate, id: &FeedId) -> Result<Answer, Error> {
    let entry = gate.feeds().get(id).ok_or(FeedError::Unknown)?;
    Ok(json(StatusCode::OK, &private(gate, &entry)))
}

pub(super) async fn add<B>(gate: &Gate, body: B) -> Result<Answer, Error>
where
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let feed = FeedJson::read(&body::read(body).await?)?.into_feed(gate)?;
    let id = feed.id().clone();
    let entry = gate.change_feed(&id, || gate.feeds().add(feed, Origin::Admin)).await?;
    tracing::info!(feed = %entry.feed.id(), "feed added");
    let mut answer = json(StatusCode::CREATED, &private(gate, &entry));
    insert(answer.headers_mut(), LOCATION, &format!("/admin/feeds/{}", entry.feed.id()));
    Ok(answer)
}

pub(super) async fn change<B>(gate: &Gate, id: &FeedId, body: B) -> Result<Answer, Error>
where
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let patch = FeedJson::read(&body::read(body).await?)?;
    if patch.id.as_ref().is_some_and(|new| new != id) {
        return Err(FeedError::field("id", "a feed keeps its id").into());
    }
    let update = || gate.feeds().update(id, gate.clock.now(), |feed| patch.apply(gate, feed));
    let entry = gate.change_feed(id, update).await?;
    tracing::info!(feed = %id, tariff = entry.tariff.version, "feed changed");
    Ok(json(StatusCode::OK, &private(gate, &entry)))
}

pub(super) async fn remove(gate: &Gate, id: &FeedId) -> Result<Answer, Error> {
    gate.change_feed(id, || gate.feeds().remove(id)).await?;
    tracing::info!(feed = %id, "feed removed");
    Ok(empty(StatusCode::NO_CONTENT))
}

/// What the operator may know: all but the values of upstream headers.
fn private(gate: &Gate, entry: &Entry) -> Value {
    let route = &entry.feed.route;
    let mut shown = feeds::public(gate, entry);
    let headers: Vec<&str> = route.upstream_headers.keys().map(http::HeaderName::as_str).collect();
    let origin = match entry.origin {
        Origin::Configuration => "configuration",
        Origin::Admin => "admin",
    };
    if let Some(members) = shown.as_object_mut() {
        members.insert("upstream".into(), json!(route.upstream.as_str()));
        members.insert("upstream_headers".into(), json!(headers));
        members.insert("provider_wallet".into(), json!(entry.feed.provider_wallet));
        members.insert("origin".into(), json!(origin));
    }
    shown
}
