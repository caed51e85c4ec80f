//! Envelopes and their answers. Bodies are bytes: JSON passes as it is written.

use super::call::{Answered, ApiCall, Called, Means, Way};
use super::{EXHAUSTED, Failed};
use crate::Error;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use tollwire_x402::facilitator::SettleResponse;
use tollwire_x402::v2::{PaymentPayload, PaymentRequired};
use tollwire_x402::{Usdc, header};

/// Where the broker says what is left of an account, in atomic units.
const BALANCE: &str = "tollwire-balance";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    id: u64,
    method: &'static str,
    params: Params<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<PaymentPayload>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Encoding>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Params<'a> {
    api_id: &'a str,
    path: &'a str,
    request_method: &'a str,
    request_headers: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_body: Option<Body<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Body<'a> {
    Json(&'a RawValue),
    Base64(String),
}

#[derive(Serialize)]
struct Encoding {
    encoding: &'static str,
}

/// The envelope of a call.
pub(super) fn envelope(id: u64, call: &ApiCall, means: Means<'_>) -> Result<String, Error> {
    let text = |value: &'static str| Error::Protocol(value.to_owned());
    let mut request_headers = BTreeMap::new();
    for (name, value) in &call.headers {
        let value = value.to_str().map_err(|_| text("a header's value is no text"))?;
        request_headers.insert(name.as_str(), value);
    }
    match means {
        Means::None => {}
        Means::Payment(payment) => {
            let claim = payment.claim.to_str().map_err(|_| text("a claim is no text"))?;
            request_headers.insert(header::TOLLWIRE_CLAIM, claim);
        }
        Means::Account { token, claim } => {
            request_headers.insert(header::TOLLWIRE_SESSION, token);
            request_headers.insert(header::TOLLWIRE_CLAIM, claim);
        }
    }
    let json = call.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    let raw: Option<&RawValue> = json.then(|| serde_json::from_slice(&call.body).ok()).flatten();
    // A string would be sent as its text, so it goes as base64 like all that is no JSON.
    let raw = raw.filter(|raw| !raw.get().starts_with('"') && raw.get().len() == call.body.len());
    let (request_body, metadata) = match (call.body.is_empty(), raw) {
        (true, _) => (None, None),
        (false, Some(raw)) => (Some(Body::Json(raw)), None),
        (false, None) => {
            (Some(Body::Base64(STANDARD.encode(&call.body))), Some(Encoding { encoding: "base64" }))
        }
    };
    let envelope = Envelope {
        id,
        method: "relay.call",
        params: Params {
            api_id: &call.api,
            path: &call.path,
            request_method: call.method.as_str(),
            request_headers,
            request_body,
        },
        payment: match means {
            Means::Payment(payment) => Some(payment.message()?),
            Means::None | Means::Account { .. } => None,
        },
        metadata,
    };
    serde_json::to_string(&envelope).map_err(|_| text("an envelope cannot be written"))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Frame<'a> {
    id: Option<u64>,
    event: Option<String>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<Failure>,
    payment_response: Option<SettleResponse>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    code: u16,
    #[serde(default)]
    message: String,
    payment_required: Option<PaymentRequired>,
    data: Option<Hint>,
}

#[derive(Deserialize)]
struct Hint {
    retry: Option<String>,
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    status: u16,
    encoding: Option<String>,
    settled: Option<bool>,
    #[serde(default)]
    replayed: bool,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// An answer and the call it is to; `None` for frames that are to none of ours.
pub(super) fn read(text: &str) -> Option<(u64, Result<Answered, Error>)> {
    let frame: Frame<'_> = serde_json::from_str(text).ok()?;
    if frame.event.is_some() {
        return None;
    }
    Some((frame.id?, answered(frame)))
}

fn answered(frame: Frame<'_>) -> Result<Answered, Error> {
    let protocol = |what: &str| Error::Protocol(what.to_owned());
    if let Some(failure) = frame.error {
        let hint = |of: fn(&Hint) -> &Option<String>, word: &str| {
            failure.data.as_ref().and_then(|data| of(data).as_deref()) == Some(word)
        };
        let (short, again) = (hint(|data| &data.reason, EXHAUSTED), hint(|data| &data.retry, "same-payment"));
        return Ok(match (failure.code, failure.payment_required) {
            (402, _) if short => Answered::Short,
            (402, Some(bill)) => Answered::Bill(Box::new(bill), frame.payment_response),
            (code, _) => Answered::Failed(Failed { code, message: failure.message, again }),
        });
    }
    let metadata = frame.metadata.ok_or_else(|| protocol("an answer without metadata"))?;
    let body = match (metadata.encoding.as_deref(), frame.result) {
        (_, None) => Bytes::new(),
        (Some("json"), Some(raw)) => Bytes::copy_from_slice(raw.get().as_bytes()),
        (encoding, Some(raw)) => {
            let text: Option<String> =
                serde_json::from_str(raw.get()).map_err(|_| protocol("a body that is no text"))?;
            match (encoding, text) {
                (_, None) => Bytes::new(),
                (Some("base64"), Some(text)) => {
                    STANDARD.decode(text).map_err(|_| protocol("a body that is no base64"))?.into()
                }
                (_, Some(text)) => text.into(),
            }
        }
    };
    let mut headers = HeaderMap::new();
    for (name, value) in metadata.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    Ok(Answered::Answer(Box::new(Called {
        status: StatusCode::from_u16(metadata.status).map_err(|_| protocol("no HTTP status"))?,
        balance: balance(&headers),
        headers,
        body,
        paid: Usdc::ZERO,
        settlement: frame.payment_response,
        replayed: metadata.replayed,
        way: Way::Socket,
        settled: metadata.settled,
    })))
}

/// What is left of the account that paid, where one did.
pub(super) fn balance(headers: &HeaderMap) -> Option<Usdc> {
    Usdc::from_atomic(headers.get(BALANCE)?.to_str().ok()?.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_goes_and_comes_as_it_is_written() {
        let body = r#"{"b":1.0,"x":1e400}"#;
        let text = envelope(7, &ApiCall::post_json("demo", "/x?y", body), Means::None).unwrap();
        assert!(text.contains(&format!(r#""requestBody":{body}"#)), "{text}");
        let other = envelope(7, &ApiCall::get("demo", "/").body(&b"\xFF\x00"[..]), Means::None).unwrap();
        assert!(
            other.contains(r#""requestBody":"/wA=""#) && other.contains(r#""encoding":"base64""#),
            "{other}"
        );
        let text = envelope(7, &ApiCall::post_json("demo", "/", r#""text""#), Means::None).unwrap();
        assert!(text.contains(r#""encoding":"base64""#), "{text}");

        let frame = format!(r#"{{"id":7,"result":{body},"metadata":{{"status":404,"encoding":"json"}}}}"#);
        let Some((7, Ok(Answered::Answer(answer)))) = read(&frame) else { panic!("{frame}") };
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (404, body.as_bytes()));
        for nobody_s in ["{}", r#"{"id":"x"}"#, "nonsense", r#"{"id":7,"event":"relay.chunk"}"#] {
            assert!(read(nobody_s).is_none(), "{nobody_s}");
        }
    }

    #[test]
    fn doubt_is_told_from_refusal() {
        let failed = |frame: &str| match read(frame) {
            Some((1, Ok(Answered::Failed(failed)))) => (failed.code, failed.again),
            _ => panic!("{frame}"),
        };
        let doubt = r#"{"id":1,"error":{"code":504,"message":"x","data":{"retry":"same-payment"}}}"#;
        assert_eq!(failed(doubt), (504, true));
        assert_eq!(failed(r#"{"id":1,"error":{"code":502,"message":"x"}}"#), (502, false));
        let short = r#"{"id":1,"error":{"code":402,"message":"x","data":{"reason":"balance_exhausted"}}}"#;
        assert!(matches!(read(short), Some((1, Ok(Answered::Short)))));
    }
}
