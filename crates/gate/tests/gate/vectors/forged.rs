//! Messages that look like the server's and are not.

use super::file::{Conversation, Forgery, Step};
use super::stage::NOW;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use tollwire_session::KeySet;

/// A message as it is read by a client.
#[derive(Deserialize)]
pub(crate) struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) data: &'a RawValue,
    #[serde(borrow)]
    pub(crate) jws: Cow<'a, str>,
}

/// `ok`, why it is not the server's word, or `ordinary` for a message that is not even of that form.
pub(crate) fn judge(text: &str, keys: &KeySet, session: &str, now: u64) -> &'static str {
    let read = if text.starts_with(r#"{"type":"x402/"#) { serde_json::from_str(text).ok() } else { None };
    let Some(envelope): Option<Envelope<'_>> = read else { return "ordinary" };
    match super::verify(&envelope, keys, session, now) {
        Ok(_) => "ok",
        Err(error) => error.name(),
    }
}

/// The first bill of the conversations, and the forgeries of it.
pub(crate) fn of(conversations: &[Conversation]) -> Vec<Forgery> {
    let bill = conversations.iter().find_map(|talk| {
        let bill = talk.steps.iter().find_map(|step| match step {
            Step::Control(control) if control.r#type == "x402/payment-required" => Some(control.text.clone()),
            _ => None,
        });
        Some((talk.session.clone(), bill?))
    });
    let (session, bill) = bill.unwrap();
    let jws = bill.rsplit_once(r#""jws":""#).unwrap().1.trim_end_matches("\"}").to_owned();
    let (head, signature) = jws.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let bent = format!("{head}.{other}{}", &signature[1..]);
    let change = |from: &str, to: &str| {
        assert!(bill.contains(from), "{from}: {bill}");
        bill.replacen(from, to, 1)
    };
    let case = |name: &str, text: String, session: &str, now: u64, expect: &str| Forgery {
        name: name.into(),
        session: session.into(),
        now,
        text,
        expect: expect.into(),
    };
    let here = |name: &str, text: String, expect: &str| case(name, text, &session, NOW, expect);
    vec![
        here("another amount", change(r#""amount":"10000""#, r#""amount":"10001""#), "content"),
        here("another payee", change(r#""payTo":"0x"#, r#""payTo":"0X"#), "content"),
        here("white space within data", change(r#""data":{"#, r#""data":{ "#), "content"),
        here("another type", change("x402/payment-required", "x402/payment-response"), "content"),
        here("another id", change(r#""id":""#, r#""id":"1"#), "content"),
        here("a bent signature", change(&jws, &bent), "signature"),
        here("no signature", change(&jws, ""), "malformed"),
        here("white space in front", format!(" {bill}"), "ordinary"),
        here("a member twice", change(r#""jws":"#, r#""jws":"x","jws":"#), "ordinary"),
        here("no JSON", bill.trim_end_matches('}').to_owned(), "ordinary"),
        case("on another session's stream", bill.clone(), "talk", NOW, "audience"),
        case("older than five minutes", bill.clone(), &session, NOW + 301, "expired"),
        case("more than five minutes ahead", bill.clone(), &session, NOW - 301, "not_yet_valid"),
        case("five minutes old", bill.clone(), &session, NOW + 300, "ok"),
    ]
}
