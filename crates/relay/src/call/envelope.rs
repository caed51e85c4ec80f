//! Reading envelopes. Bodies and payments are taken as the bytes they are; nothing in an error quotes the input.

use super::id::Id;
use super::payment::{PAYMENT_HEADERS, Payment};
use super::request::{ApiRequest, METHODS};
use super::{CallError, headers, path};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName};
use http::{HeaderValue, Method};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The most characters of an unknown method that are told back.
const METHOD_CHARS_MAX: usize = 64;

/// The most headers of one call.
const HEADERS_MAX: usize = 64;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What an agent wants.
#[derive(Debug)]
pub(super) enum Envelope {
    /// A call.
    Call(Box<Call>),
    /// To take a call back.
    Cancel {
        /// Its own id, if it wants an answer under one.
        id: Option<Id>,
        /// The call's.
        call: Id,
    },
}

/// A call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: Id,
    pub(super) api: String,
    pub(super) request: ApiRequest,
    pub(super) payment: Option<Payment>,
    /// Whether the answer is wanted in chunks, as it comes.
    pub(super) stream: bool,
}

/// Why a frame is not an envelope.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is no JSON object, or nobody can be told under which id.
    Unreadable {
        /// What would be right.
        rule: &'static str,
    },
    /// A method that nobody serves.
    UnknownMethod {
        /// The envelope's id.
        id: Option<Id>,
        /// The method, cut to a bearable length.
        method: String,
    },
    /// One of its parts is wrong.
    Call {
        /// The envelope's id.
        id: Id,
        /// What is wrong.
        error: CallError,
    },
}

// Each part by itself, so that what is wrong can be told under the envelope's id, in our words.
#[derive(Deserialize)]
struct Parts<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    payment: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Params<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    api_id: Option<&'a RawValue>,
    #[serde(borrow)]
    path: Option<&'a RawValue>,
    #[serde(borrow)]
    request_method: Option<&'a RawValue>,
    #[serde(borrow)]
    request_headers: Option<&'a RawValue>,
    #[serde(borrow)]
    request_body: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
struct Metadata<'a> {
    #[serde(borrow)]
    encoding: Option<&'a RawValue>,
    #[serde(borrow)]
    stream: Option<&'a RawValue>,
}

/// Reads a frame. `body_bytes_max` bounds the call's body.
pub(super) fn read(text: &str, body_bytes_max: usize) -> Result<Envelope, Refused> {
    let parts: Parts<'_> = object(text).ok_or(Refused::Unreadable { rule: "Invalid JSON" })?;
    let id = match parts.id.map(Id::read) {
        None => None,
        Some(Some(id)) => Some(id),
        Some(None) => {
            let rule = "id: write a string of at most 128 characters or a whole number";
            return Err(Refused::Unreadable { rule });
        }
    };
    let method = parts.method.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
    match method.as_deref() {
        Some("relay.call") => {
            let id = id.ok_or(Refused::Unreadable { rule: "id: every call has one" })?;
            match call(&parts, body_bytes_max) {
                Ok((api, request, payment, stream)) => {
                    Ok(Envelope::Call(Box::new(Call { id, api, request, payment, stream })))
                }
                Err(error) => Err(Refused::Call { id, error }),
            }
        }
        Some("relay.cancel") => {
            let params = parts.params.and_then(|raw| object::<Params<'_>>(raw.get()));
            match params.and_then(|params| Id::read(params.id?)) {
                Some(call) => Ok(Envelope::Cancel { id, call }),
                None => Err(Refused::Unreadable { rule: "params.id: write the id of a call" }),
            }
        }
        Some(other) => {
            Err(Refused::UnknownMethod { id, method: other.chars().take(METHOD_CHARS_MAX).collect() })
        }
        None => Err(Refused::Unreadable { rule: "method: write \"relay.call\"" }),
    }
}

/// Reads an object. serde takes an array for one, too; we do not.
fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    if text.trim_start().starts_with('{') { serde_json::from_str(text).ok() } else { None }
}

type Parsed = (String, ApiRequest, Option<Payment>, bool);

fn call(parts: &Parts<'_>, body_bytes_max: usize) -> Result<Parsed, CallError> {
    let params = parts.params.and_then(|raw| object::<Params<'_>>(raw.get()));
    let params = params.ok_or(CallError::malformed("params", "write an object, no field twice"))?;
    let api = text("params.apiId", params.api_id)?
        .ok_or(CallError::malformed("params.apiId", "name a registered API"))?;
    let path = text("params.path", params.path)?.unwrap_or_else(|| "/".to_owned());
    path::check(&path)?;
    let method = method(params.request_method)?;
    let mut headers = request_headers(params.request_headers)?;
    // It is the agent's own: what is not ours in it is nobody's business.
    let metadata = parts.metadata.and_then(|raw| object::<Metadata<'_>>(raw.get())).unwrap_or_default();
    let body = body(&params, &metadata, &mut headers)?;
    if body.len() > body_bytes_max {
        return Err(CallError::TooLarge(body_bytes_max));
    }
    let payment = parts.payment.map(Payment::of_envelope).transpose()?;
    let stream = metadata.stream.is_some_and(|raw| raw.get() == "true");
    Ok((api, ApiRequest { method, path, headers, body, paid: false }, payment, stream))
}

fn text(field: &'static str, raw: Option<&RawValue>) -> Result<Option<String>, CallError> {
    raw.map(|raw| serde_json::from_str(raw.get()))
        .transpose()
        .map_err(|_| CallError::malformed(field, "write a string"))
}

fn method(raw: Option<&RawValue>) -> Result<Method, CallError> {
    const FIELD: &str = "params.requestMethod";
    let Some(name) = text(FIELD, raw)? else { return Ok(Method::GET) };
    let known = METHODS.iter().find(|method| method.as_str().eq_ignore_ascii_case(&name));
    known.cloned().ok_or(CallError::malformed(FIELD, "GET, HEAD, POST, PUT, PATCH or DELETE"))
}

fn request_headers(raw: Option<&RawValue>) -> Result<HeaderMap, CallError> {
    const FIELD: &str = "params.requestHeaders";
    let bad = |rule| CallError::malformed(FIELD, rule);
    let Some(raw) = raw else { return Ok(HeaderMap::new()) };
    let lines: BTreeMap<String, String> =
        serde_json::from_str(raw.get()).map_err(|_| bad("write an object of strings"))?;
    if lines.len() > HEADERS_MAX {
        return Err(bad("at most 64 headers"));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::try_from(name).map_err(|_| bad("a name is no header name"))?;
        let value = HeaderValue::try_from(value).map_err(|_| bad("a value cannot stand in a header"))?;
        headers.append(name, value);
    }
    if PAYMENT_HEADERS.iter().any(|name| headers.contains_key(*name)) {
        return Err(bad("no payment here: send it as the envelope's payment"));
    }
    headers::to_api_from_envelope(&mut headers);
    Ok(headers)
}

/// The body's bytes: a string's content, base64 decoded, or JSON exactly as it was written.
fn body(params: &Params<'_>, metadata: &Metadata<'_>, headers: &mut HeaderMap) -> Result<Bytes, CallError> {
    const FIELD: &str = "params.requestBody";
    let binary = text("metadata.encoding", metadata.encoding)?.is_some_and(|encoding| encoding == "base64");
    let Some(raw) = params.request_body else { return Ok(Bytes::new()) };
    if raw.get().starts_with('"') {
        let content: String = serde_json::from_str(raw.get())
            .map_err(|_| CallError::malformed(FIELD, "a string must be Unicode text"))?;
        if !binary {
            return Ok(content.into());
        }
        let decoded = BASE64.decode(content);
        return decoded
            .map(Bytes::from)
            .map_err(|_| CallError::malformed(FIELD, "not base64, as metadata.encoding says"));
    }
    if binary {
        return Err(CallError::malformed(FIELD, "not a string of base64, as metadata.encoding says"));
    }
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    Ok(Bytes::copy_from_slice(raw.get().as_bytes()))
}

#[cfg(test)]
mod tests;
