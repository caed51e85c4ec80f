//! JSON-RPC over HTTP, as small as one node needs it.
//!
//! Not alloy's transport: that writes the node's URL (which may hold an access key) and every request (which holds
//! the payer's signature) into its debug spans, and its errors quote both. Here neither leaves this module.

use crate::Error;
use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use std::error::Error as StdError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The most calls in one request; nodes refuse more than they find seemly, and 100 is what most allow.
const BATCH_CALLS_MAX: usize = 100;

/// How much of a node's error text is kept, in characters.
const TEXT_CHARS_MAX: usize = 200;

/// A connection pool to one node.
pub(crate) struct Rpc {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    uri: Uri,
    authorization: Option<HeaderValue>,
    timeout: Duration,
    /// The most calls in one request; less once the node has refused so many.
    calls_max: AtomicUsize,
}

/// One call of several.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    /// A JSON array, as text: most of what is asked is long hexadecimal strings, which need no tree.
    pub(crate) params: String,
}

impl Call {
    fn write(&self, id: usize, out: &mut String) {
        let Self { method, params } = self;
        for part in [r#"{"jsonrpc":"2.0","id":"#, &id.to_string(), r#","method":""#, method, r#"","params":"#]
        {
            out.push_str(part);
        }
        out.push_str(params);
        out.push('}');
    }
}

/// Why a call gave no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No answer, or nothing that is JSON-RPC. The text names no URL.
    Silent(String),
    /// The node answered with an error.
    Answer(Answer),
}

/// What a call gave: JSON as text. Most of it is nobody's concern (a block names all its transactions), so it is read where
/// it is needed, without a tree of all.
pub(crate) type Given = Box<RawValue>;

/// What several calls came to, in their order; or why there is no answer to any.
pub(crate) type Answers = Result<Vec<Result<Given, Failure>>, Failure>;

/// A JSON-RPC answer.
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    /// A result may be `null`.
    #[serde(borrow, default, deserialize_with = "there")]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

fn there<'de, D: Deserializer<'de>>(value: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(value).map(Some)
}

/// A JSON-RPC error object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) code: i64,
    pub(crate) message: String,
    /// What a reverted call returned.
    pub(crate) data: Option<Vec<u8>>,
}

impl Rpc {
    pub(crate) fn new(url: &str, timeout: Duration) -> Result<Self, Error> {
        let wrong = |reason: &str| Error::Config { key: "rpc_url", reason: reason.to_owned() };
        let mut url: url::Url =
            url.parse().map_err(|_| wrong("not a URL; write such as https://node.example/key"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("write an http or https URL; others are not spoken"));
        }
        let authorization = basic(&url);
        let _cannot_fail_for_http = (url.set_username(""), url.set_password(None));
        let uri =
            url.as_str().parse().map_err(|_| wrong("not a URL; write such as https://node.example/key"))?;
        let provider = rustls::crypto::ring::default_provider();
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(provider)
            .map_err(|_| wrong("this build has no TLS"))?
            .https_or_http()
            .enable_http1()
            .build();
        let http = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { http, uri, authorization, timeout, calls_max: AtomicUsize::new(BATCH_CALLS_MAX) })
    }

    /// One call. `method` and the node's own words are all that a failure tells.
    pub(crate) async fn call(&self, call: &Call) -> Result<Given, Failure> {
        let mut body = String::new();
        call.write(1, &mut body);
        let (status, body) = self.post(call.method, body).await?;
        read_answer(call.method, status, read_json(call.method, status, &body)?)
    }

    /// How many calls the node takes in one request, as far as is known.
    pub(crate) fn calls_at_most(&self) -> usize {
        self.calls_max.load(Ordering::Relaxed)
    }

    /// Several calls in one request, answered in their order. A node that does not take so many in one is asked fewer at a
    /// time, one by one at last, and remembered as such.
    pub(crate) async fn call_many(&self, calls: Vec<Call>) -> Answers {
        let mut answers = Vec::with_capacity(calls.len());
        let mut rest = calls.as_slice();
        while let Some(first) = rest.first() {
            let at_once = self.calls_at_most().min(rest.len());
            let (some, later) = rest.split_at(at_once.max(1));
            if at_once < 2 {
                answers.push(self.call(first).await);
            } else if let Some(told) = self.call_together(some).await? {
                answers.extend(told);
            } else {
                continue; // Fewer at a time now.
            }
            rest = later;
        }
        Ok(answers)
    }

    /// `None` if the node does not take so many calls in one request.
    async fn call_together(&self, calls: &[Call]) -> Result<Option<Vec<Result<Given, Failure>>>, Failure> {
        let first = calls.first().map_or("", |call| call.method);
        let mut body = String::with_capacity(1024);
        for (id, call) in calls.iter().enumerate() {
            body.push(if id == 0 { '[' } else { ',' });
            call.write(id, &mut body);
        }
        body.push(']');
        let (status, body) = self.post(first, body).await?;
        let answer = read_json(first, status, &body)?;
        let Ok(told) = serde_json::from_str::<Vec<&RawValue>>(answer.get()) else {
            // A refusal that is no matter of today's load: what is asked alone will say more.
            let busy = matches!(read_answer(first, status, answer), Err(Failure::Silent(_)));
            if busy {
                return Err(Failure::Silent(format!("{first} and others: HTTP {status} without answers")));
            }
            let at_most = calls.len() / 2;
            self.calls_max.fetch_min(at_most.max(1), Ordering::Relaxed);
            tracing::info!(
                refused = calls.len(),
                at_most,
                "the chain node takes no such batch; smaller ones from now on"
            );
            return Ok(None);
        };
        let mut answers: Vec<_> = calls
            .iter()
            .map(|call| Err(Failure::Silent(format!("{}: left out of the answer", call.method))))
            .collect();
        for one in told {
            let Ok(told) = serde_json::from_str::<Told<'_>>(one.get()) else { continue };
            let id = told.id.and_then(|id| id.get().parse::<usize>().ok());
            let place = id.and_then(|id| Some((answers.get_mut(id)?, calls.get(id)?)));
            if let Some((place, call)) = place {
                *place = told.outcome(call.method, status);
            }
        }
        Ok(Some(answers))
    }

    async fn post(&self, method: &'static str, body: String) -> Result<(StatusCode, Bytes), Failure> {
        let silent = |what: String| Failure::Silent(format!("{method}: {what}"));
        let exchange = tokio::time::timeout(self.timeout, self.exchange(body));
        match exchange.await {
            Ok(exchanged) => exchanged.map_err(silent),
            Err(_elapsed) => Err(silent(format!("no answer within {:?}", self.timeout))),
        }
    }

    async fn exchange(&self, body: String) -> Result<(StatusCode, Bytes), String> {
        let mut request = Request::new(Full::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization.clone());
        }
        let response = self.http.request(request).await.map_err(|error| root_cause(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
            Some(_) => format!("an answer of more than {ANSWER_BYTES_MAX} bytes"),
            None => root_cause(error.as_ref()),
        })?;
        Ok((status, body.to_bytes()))
    }
}

/// `user:password@` of a URL, as HTTP says it.
fn basic(url: &url::Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let pair = format!("{}:{}", url.username(), url.password().unwrap_or_default());
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
    let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The innermost error's text: outer ones may quote the URL.
fn root_cause(error: &(dyn StdError + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn read_json<'a>(method: &str, status: StatusCode, body: &'a [u8]) -> Result<&'a RawValue, Failure> {
    serde_json::from_slice(body).map_err(|_| no_json_rpc(method, status))
}

fn no_json_rpc(method: &str, status: StatusCode) -> Failure {
    Failure::Silent(format!("{method}: HTTP {status} without JSON-RPC"))
}

/// What one call came to.
fn read_answer(method: &str, status: StatusCode, answer: &RawValue) -> Result<Given, Failure> {
    let told: Told<'_> = serde_json::from_str(answer.get()).map_err(|_| no_json_rpc(method, status))?;
    told.outcome(method, status)
}

impl Told<'_> {
    /// What the call came to. Nodes send errors with any status; only what is not JSON-RPC is judged by it.
    fn outcome(&self, method: &str, status: StatusCode) -> Result<Given, Failure> {
        if let Some(error) = self.error {
            let error = serde_json::from_str(error.get()).map_err(|_| no_json_rpc(method, status))?;
            return Err(read_error(&error, status));
        }
        let missing = || Failure::Silent(format!("{method}: HTTP {status} without a result"));
        self.result.map(ToOwned::to_owned).ok_or_else(missing)
    }
}

fn read_error(error: &Value, status: StatusCode) -> Failure {
    let code = error.get("code").and_then(Value::as_i64).unwrap_or_default();
    let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
    let message: String = message.chars().take(TEXT_CHARS_MAX).collect();
    if status == StatusCode::TOO_MANY_REQUESTS || code == -32005 {
        return Failure::Silent(format!("the node limits our requests: {message}"));
    }
    // Some nodes wrap the returned bytes once more: {"data": {"data": "0x.."}}.
    let data = error.get("data");
    let data = data.and_then(|data| data.as_str().or_else(|| data.get("data")?.as_str()));
    let data = data.and_then(|data| hex::decode(data.strip_prefix("0x")?).ok());
    Failure::Answer(Answer { code, message, data })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn credentials_leave_the_url_for_a_header() {
        let rpc = Rpc::new("https://user:pass@node.example/path?key=1", Duration::from_secs(1)).unwrap();
        assert_eq!(rpc.uri.to_string(), "https://node.example/path?key=1");
        assert_eq!(rpc.authorization.unwrap(), "Basic dXNlcjpwYXNz");
    }

    #[test]
    fn wrong_urls_are_refused_without_being_quoted() {
        for url in ["", "node.example/secret", "ws://node.example/secret", "http://"] {
            let error = Rpc::new(url, Duration::from_secs(1)).err().unwrap().to_string();
            assert!(error.starts_with("rpc_url: ") && !error.contains("secret"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_dead_node_is_silent_and_its_url_unsaid() {
        let rpc = Rpc::new("http://127.0.0.1:1/secret-key", Duration::from_secs(5)).unwrap();
        let call = Call { method: "eth_chainId", params: "[]".into() };
        let Failure::Silent(text) = rpc.call(&call).await.unwrap_err() else {
            panic!("nobody listens there")
        };
        assert!(text.starts_with("eth_chainId: ") && !text.contains("secret-key"), "{text}");
    }

    #[test]
    fn a_call_is_json() {
        let call = Call { method: "eth_getCode", params: json!(["0x01", "latest"]).to_string() };
        let mut text = String::new();
        call.write(7, &mut text);
        let wanted =
            json!({ "jsonrpc": "2.0", "id": 7, "method": "eth_getCode", "params": ["0x01", "latest"] });
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), wanted);
    }

    #[test]
    fn reads_answers_of_every_shape() {
        let read = |text: &str| {
            let answer = read_json("eth_x", StatusCode::OK, text.as_bytes())?;
            read_answer("eth_x", StatusCode::OK, answer).map(|given| given.get().to_owned())
        };
        for (text, given) in [
            (r#"{"jsonrpc":"2.0","id":1,"result":"0x1"}"#, r#""0x1""#),
            (r#"{"id":"one","result":null,"error":null}"#, "null"),
            (r#" {"result": {"logs": [ 1 ]}, "more": {}} "#, r#"{"logs": [ 1 ]}"#),
        ] {
            assert_eq!(read(text).as_deref(), Ok(given));
        }
        assert!(matches!(read(r#"{"result":null,"error":{"code":3}}"#), Err(Failure::Answer(_))));
        for (text, why) in [
            (r#"{"id":1}"#, "without a result"),
            ("[]", "without JSON-RPC"),
            (r#""busy""#, "without JSON-RPC"),
            (r#"{"result":"0x1""#, "without JSON-RPC"),
            ("<html>", "without JSON-RPC"),
            ("", "without JSON-RPC"),
        ] {
            assert!(matches!(read(text), Err(Failure::Silent(said)) if said.contains(why)), "{text}");
        }
    }

    #[test]
    fn reads_errors_of_every_shape() {
        let plain = json!({ "code": 3, "message": "execution reverted", "data": "0x08c379a0" });
        let nested = json!({ "code": -32000, "message": "reverted", "data": { "data": "0x08c379a0" } });
        for error in [plain, nested] {
            let Failure::Answer(answer) = read_error(&error, StatusCode::OK) else { panic!("an answer") };
            assert_eq!(answer.data.unwrap(), [0x08, 0xc3, 0x79, 0xa0]);
        }
        let limited = json!({ "code": -32005, "message": "slow down" });
        assert!(matches!(read_error(&limited, StatusCode::OK), Failure::Silent(_)));
    }
}
