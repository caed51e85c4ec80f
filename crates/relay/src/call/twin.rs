//! The HTTP twin: the same call as an HTTP request of its own. What the API answers is the answer.

use super::caller::{Caller, How};
use super::payment::is_paid;
use super::priced::{Notes, Recall};
use super::request::{ApiRequest, METHODS};
use super::upstream::ApiAnswer;
use super::{CallError, headers, path};
use crate::http::{Answer, Problem};
use crate::runtime::Budget;
use crate::telemetry::Way;
use bytes::Bytes;
use http::header::{ALLOW, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use percent_encoding::percent_decode_str;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tollwire_x402::header::TOLLWIRE_SESSION;

/// How long a request's body may take to arrive.
const BODY_WAIT: Duration = Duration::from_secs(30);

/// Where calls are made: `/relay/{apiId}/{path}`.
pub(crate) const PREFIX: &str = "/relay/";

/// Makes the call of a request whose path begins with [`PREFIX`].
pub(crate) async fn twin<B>(caller: &Arc<Caller>, tasks: &TaskTracker, request: Request<B>) -> Answer
where
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if !METHODS.contains(request.method()) {
        return Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "this method is not passed on",
        )
        .header(ALLOW, "GET, HEAD, POST, PUT, PATCH, DELETE")
        .into_answer();
    }
    match call(caller, tasks, request).await {
        Ok(answer) => passed_on(answer),
        Err(error) => problem(&error),
    }
}

async fn call<B>(
    caller: &Arc<Caller>,
    tasks: &TaskTracker,
    request: Request<B>,
) -> Result<ApiAnswer, CallError>
where
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (mut head, body) = request.into_parts();
    let (api, path) = target(&head.uri).ok_or(CallError::UnknownApi)?;
    path::check(&path)?;
    headers::to_api(&mut head.headers);
    let place = caller.place()?;
    let body = read(body, caller.request_bytes_max).await?;
    let request = ApiRequest { method: head.method, path, headers: head.headers, body, paid: false };
    let paid = is_paid(&request.headers) || request.headers.contains_key(TOLLWIRE_SESSION);
    let caller = Arc::clone(caller);
    let calling = async move {
        let (budget, recall) = (Budget::unbounded(), Recall::default());
        let how = How { way: Way::Http, budget: &budget, listener: None, recall: &recall };
        let outcome = caller.call(&api, request, None, how).await;
        drop(place);
        outcome
    };
    if !paid {
        return calling.await;
    }
    // A payment that has been sent may be settled: its call goes on whatever becomes of the client.
    tasks.spawn(calling).await.unwrap_or(Err(CallError::SettlementUnknown))
}

/// The API's id and the path below it, with its query.
fn target(uri: &http::Uri) -> Option<(String, String)> {
    let rest = uri.path().strip_prefix(PREFIX)?;
    let split = rest.find('/').unwrap_or(rest.len());
    let (api, path) = rest.split_at(split);
    let api = percent_decode_str(api).decode_utf8().ok()?.into_owned();
    let mut path = if path.is_empty() { "/".to_owned() } else { path.to_owned() };
    if let Some(query) = uri.query() {
        path.push('?');
        path.push_str(query);
    }
    Some((api, path))
}

async fn read<B>(body: B, bytes_max: usize) -> Result<Bytes, CallError>
where
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match timeout(BODY_WAIT, Limited::new(body, bytes_max).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(CallError::TooLarge(bytes_max)),
        Ok(Err(_)) => Err(CallError::malformed("body", "send it whole")),
        Err(_) => Err(CallError::malformed("body", "send it within 30 seconds")),
    }
}

fn passed_on(answer: ApiAnswer) -> Answer {
    let mut passed = Response::new(Full::new(answer.body));
    *passed.status_mut() = answer.status;
    *passed.headers_mut() = answer.headers;
    let Notes { settled, replayed, not_retained, reason } = answer.notes;
    for (said, name, value) in [
        (settled == Some(false), "tollwire-settled", "false"),
        (replayed, "tollwire-replayed", "true"),
        (not_retained, "tollwire-body", "not_retained"),
        (reason.is_some(), "tollwire-reason", reason.unwrap_or_default()),
    ] {
        if said {
            passed.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
    }
    passed
}

fn problem(error: &CallError) -> Answer {
    let problem = Problem::new(error.status(), error.kind(), error.to_string());
    let problem = match error {
        CallError::ProofRequired(_) => problem.header(WWW_AUTHENTICATE, "SIGN-IN-WITH-X"),
        _ => problem,
    };
    match error.hint() {
        Some((name, value)) => problem.with(name, value).into_answer(),
        None => problem.into_answer(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_below_the_api_is_passed_on_as_it_came() {
        let of = |uri: &str| target(&uri.parse().unwrap());
        let pair = |api: &str, path: &str| Some((api.to_owned(), path.to_owned()));
        assert_eq!(of("/relay/demo/v1/a%2Fb?x=1&y"), pair("demo", "/v1/a%2Fb?x=1&y"));
        assert_eq!(of("/relay/demo"), pair("demo", "/"));
        assert_eq!(of("/relay/demo?x"), pair("demo", "/?x"));
        assert_eq!(of("/relay/demo//evil.example/"), pair("demo", "//evil.example/"));
        assert_eq!(of("/relay/d%65mo/"), pair("demo", "/"));
        assert_eq!(of("http://other.example/relay/demo/"), pair("demo", "/"));
        assert_eq!(of("/relay"), None);
    }
}
