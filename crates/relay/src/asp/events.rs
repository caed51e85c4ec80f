//! A session's events over HTTP (SSE): the same connection as over a WebSocket, with ears and no mouth.

use super::http::{one, refused};
use super::link::{Encoding, Link, link};
use super::start::Asp;
use super::work::Hello;
use super::{error::Failed, gatekeeper::Guest};
use crate::http::{Answer, Body};
use crate::runtime::{Budget, Next, Outbox, Outgoing};
use bytes::Bytes;
use futures_util::stream::unfold;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode, request::Parts};
use serde::Deserialize;
use serde_json::json;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tollwire_asp::{Code, SessionId};
use tollwire_x402::close::CloseCode;

/// What comes before the first event: how long to wait before connecting again, in milliseconds.
const BEFORE: &str = "retry: 1000\n\n";

/// How long nothing is written: who has gone away is found out by writing alone, and holds a place until then.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// A comment, which readers pass over.
const NOTHING: &str = ":\n\n";

/// What a stream of events holds on to, and gives back at its end.
struct Events<T> {
    outbox: Arc<Outbox>,
    stop: CancellationToken,
    over: bool,
    _link: Link,
    _place: T,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", borrow)]
    kind: &'a str,
    envelope: Option<Numbered>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Numbered {
    sequence_number: u64,
}

impl Asp {
    /// Streams a session's events from behind `Last-Event-ID` on, or says why not. `place` is let go when the stream ends.
    pub(crate) async fn events<T: Send + 'static>(
        &self,
        session: &SessionId,
        head: &Parts,
        (queue_bytes, tasks): (usize, &TaskTracker),
        (stop, cut): (CancellationToken, CancellationToken),
        place: T,
    ) -> Response<Body> {
        let outbox = Arc::new(Outbox::new(queue_bytes));
        let (link, work) =
            link(self.inner(), session.clone(), &outbox, (Budget::new(queue_bytes), Encoding::Json));
        let seated = match self.hello(head).await {
            Ok(hello) => work.seat(hello).await,
            Err(failed) => Err(failed),
        };
        match seated {
            Err(failed) => refused(&failed).map(Body::from),
            // The end, for readers that connect again and again by themselves.
            Ok(seated) if seated.has_seen_the_end() => nothing_more(),
            Ok(seated) => {
                tasks.spawn(Box::pin(async move {
                    cut.run_until_cancelled(work.serve(seated)).await;
                }));
                stream(Events { outbox, stop, over: false, _link: link, _place: place })
            }
        }
    }

    async fn hello(&self, head: &Parts) -> Result<Hello, Failed> {
        let guest: Guest = self.inner().guest(&head.headers, head.method.as_str(), head.uri.path()).await?;
        let asked = head.uri.query().unwrap_or_default();
        let asked = url::form_urlencoded::parse(asked.as_bytes());
        let asked =
            asked.filter(|(name, _)| name == "lastEventId").map(|(_, value)| value.into_owned()).last();
        let shown = one(&head.headers, "last-event-id").map(str::to_owned).or(asked);
        let last = shown.filter(|shown| !shown.is_empty()).map(|shown| shown.parse()).transpose();
        let last = last.map_err(|_| {
            Failed::new(Code::SchemaViolation, "Last-Event-ID is the sequenceNumber of the last message seen")
        })?;
        let proof = one(&head.headers, "dpop").unwrap_or_default().to_owned();
        Ok(Hello { guest, proof, last, answers: false })
    }
}

fn nothing_more() -> Response<Body> {
    let mut answer = Answer::default();
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.map(Body::from)
}

fn stream<T: Send + 'static>(events: Events<T>) -> Response<Body> {
    let first = Some(Bytes::from_static(BEFORE.as_bytes()));
    let body = Body::streamed(unfold((events, first), |(mut events, first)| async move {
        let next = match first {
            Some(first) => first,
            None => events.next().await?,
        };
        Some((next, (events, None)))
    }));
    let mut answer = Response::new(body);
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A front that collects what it passes on would keep events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    answer
}

impl<T> Events<T> {
    /// What is written next; `None` after the end.
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        loop {
            let next = tokio::select! {
                next = self.outbox.next() => next,
                () = sleep(SILENCE_MAX) => return Some(Bytes::from_static(NOTHING.as_bytes())),
                () = self.stop.cancelled() => {
                    self.outbox.end(None, CloseCode::GoingAway);
                    self.outbox.next().await
                }
            };
            match next {
                Next::Frame(Outgoing { text, .. }) => return Some(event(&text)),
                Next::Close(code) => {
                    self.over = true;
                    return Some(last_event(code));
                }
                Next::Ping | Next::Probe(_) => {}
            }
        }
    }
}

/// A frame as an event: its type is the event's, and a message's number its id.
fn event(frame: &str) -> Bytes {
    let mut text = String::with_capacity(frame.len().saturating_add(64));
    if let Ok(Head { kind, envelope }) = serde_json::from_str(frame) {
        if let Some(Numbered { sequence_number }) = envelope.filter(|_| kind == "message") {
            // Writing to a string does not fail.
            let _ = writeln!(text, "id: {sequence_number}");
        }
        let _ = writeln!(text, "event: {kind}");
    }
    let _ = write!(text, "data: {frame}\n\n");
    text.into()
}

/// How a stream ends, which has no close code of its own.
fn last_event(code: CloseCode) -> Bytes {
    let said = json!({"type": "close", "code": code.code(), "reason": code.reason(), "reconnect": code.reconnect().as_str()});
    event(&said.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_events() {
        for (frame, expected) in [
            (
                r#"{"type":"heartbeat","state":"IDLE"}"#,
                "event: heartbeat\ndata: {\"type\":\"heartbeat\",\"state\":\"IDLE\"}\n\n",
            ),
            (
                r#"{"type":"message","envelope":{"sequenceNumber":7}}"#,
                "id: 7\nevent: message\ndata: {\"type\":\"message\",\"envelope\":{\"sequenceNumber\":7}}\n\n",
            ),
        ] {
            assert_eq!(event(frame), expected);
        }
        let end = String::from_utf8(last_event(CloseCode::SessionClosed).to_vec()).unwrap();
        assert!(end.starts_with("event: close\ndata: {") && end.contains("\"code\":1000"), "{end}");
    }
}
