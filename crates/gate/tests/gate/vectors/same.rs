//! Comparing what came with what the file says: all of it, but for members that differ each time.

use super::file::{COMPARED, Response, Step};
use super::wire::Raw;
use crate::support::PUBLIC_URL;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tollwire_session::{KeySet, ReceiptClaims, Verifier};
use tollwire_x402::{SessionId, StreamId, header};

use super::stage::NOW;

/// An answer in the file's form.
pub(crate) fn described(raw: &Raw) -> Response {
    let compared =
        COMPARED.iter().filter_map(|name| Some(((*name).to_owned(), raw.headers.get(*name)?.clone())));
    let headers: BTreeMap<String, String> = compared.collect();
    let decoded: BTreeMap<String, Value> = headers
        .iter()
        .filter(|(name, _)| name.contains("payment"))
        .map(|(name, value)| (name.clone(), header::decode("a header", value.as_bytes()).unwrap()))
        .collect();
    let body = serde_json::from_str(&raw.body).unwrap_or(Value::Null);
    let mut free = BTreeMap::new();
    for name in headers.keys() {
        if name == "tollwire-stream" {
            free.insert("/headers/tollwire-stream".into(), "stream".into());
        }
        if name == "www-authenticate" {
            free.insert("/headers/www-authenticate".into(), "text".into());
        }
    }
    free_of(&json!(decoded), "/decoded", true, &mut free);
    free_of(&body, "/body", true, &mut free);
    Response { status: raw.status, headers, decoded, body, close: raw.close.clone(), free }
}

/// Finds the members that differ each time, by their names.
pub(crate) fn free_of(value: &Value, at: &str, errors: bool, free: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let here = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                let kind = match (name.as_str(), member) {
                    ("quote" | "nonce", Value::String(_)) => Some("secret"),
                    ("jti", Value::String(_)) => Some("uuid"),
                    ("token", Value::String(_)) => Some("token"),
                    ("receipt", Value::String(_)) => Some("receipt"),
                    ("transaction", Value::String(hash)) if !hash.is_empty() => Some("hash"),
                    ("unitsRemaining", Value::Number(_)) => Some("count"),
                    (
                        "title" | "detail" | "description" | "errorMessage" | "message" | "statement",
                        Value::String(_),
                    ) => Some("text"),
                    ("error", Value::String(_)) if errors => Some("text"),
                    _ => None,
                };
                match kind {
                    Some(kind) => drop(free.insert(here, kind.into())),
                    None => free_of(member, &here, errors, free),
                }
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                free_of(item, &format!("{at}/{n}"), errors, free);
            }
        }
        _ => {}
    }
}

/// Whether an answer is the one in the file.
pub(crate) fn responses(keys: &KeySet, known: &Response, got: &Response) -> Result<(), String> {
    let plain = |response: &Response| {
        // Encoded headers are compared by what they say.
        let headers = response.headers.iter().filter(|(name, _)| !response.decoded.contains_key(*name));
        let headers: BTreeMap<_, _> = headers.collect();
        json!({
            "status": response.status, "headers": headers, "decoded": response.decoded,
            "body": response.body, "close": response.close,
        })
    };
    compare(plain(known), plain(got), &known.free, Some(keys))
}

/// Whether what came on a stream is what the file says.
pub(crate) fn steps(known: &Step, got: &Step) -> Result<(), String> {
    match (known, got) {
        (Step::Control(known), Step::Control(got)) => {
            let plain = |control: &super::file::Control| json!({ "type": control.r#type, "id": control.id, "data": control.data });
            compare(plain(known), plain(got), &known.free, None)
        }
        (known, got) if known.is_kind_of(got) => Ok(()),
        (known, got) => Err(format!("{got:?} instead of {known:?}")),
    }
}

fn compare(
    mut known: Value,
    mut got: Value,
    free: &BTreeMap<String, String>,
    keys: Option<&KeySet>,
) -> Result<(), String> {
    for (pointer, kind) in free {
        let Some(member) = got.pointer_mut(pointer) else { return Err(format!("no {pointer}")) };
        if !is_a(kind, member, keys) {
            return Err(format!("{pointer} is no {kind}: {member}"));
        }
        *member = Value::Null;
        let Some(member) = known.pointer_mut(pointer) else {
            return Err(format!("the file has no {pointer}"));
        };
        *member = Value::Null;
    }
    if known == got { Ok(()) } else { Err(format!("\n got {got}\nfile {known}")) }
}

fn is_a(kind: &str, value: &Value, keys: Option<&KeySet>) -> bool {
    let text = value.as_str().unwrap_or_default();
    match kind {
        "text" => !text.is_empty(),
        "secret" => text.len() >= 16,
        "name" => (1..=64).contains(&text.len()),
        "uuid" => text.parse::<SessionId>().is_ok(),
        "stream" => text.parse::<StreamId>().is_ok(),
        "hash" => text.len() == 66 && text.starts_with("0x"),
        "count" => value.is_u64(),
        "token" => keys.is_none_or(|keys| {
            let leeway = std::time::Duration::ZERO;
            let verifier = Verifier::new(keys.clone(), PUBLIC_URL.into(), PUBLIC_URL.into(), leeway);
            verifier.verify(text, NOW).is_ok()
        }),
        "receipt" => keys.is_none_or(|keys| ReceiptClaims::verify(text, keys, PUBLIC_URL).is_ok()),
        other => panic!("an unknown kind: {other}"),
    }
}
