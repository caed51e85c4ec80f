//! An API's answer, held until it is settled, and kept after that.

use super::bill::settlement;
use crate::call::upstream::ApiAnswer;
use crate::runtime::Room;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tollwire_x402::Dialect;
use tollwire_x402::facilitator::SettleResponse;

/// The longest body that is kept, in bytes.
pub(super) const KEPT_BYTES_MAX: usize = 256 * 1024;

/// What is to be said about an answer beside the answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Notes {
    /// Whether the payment that came with the call was settled; `None` for calls that we do not price.
    pub(crate) settled: Option<bool>,
    /// Whether it was given before.
    pub(crate) replayed: bool,
    /// Whether there was a body that is too long to be kept.
    pub(crate) not_retained: bool,
    /// Why there is another bill, for programs.
    pub(crate) reason: Option<&'static str>,
}

/// What is left in the account that paid, in atomic units.
const BALANCE: &str = "tollwire-balance";

/// How an answer was paid for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Settled<'a> {
    /// By a payment, in words of this version.
    Payment(Dialect, &'a SettleResponse),
    /// By an account, which has so much left.
    Account(u64),
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Body {
    Whole(Vec<u8>),
    /// Too long to be kept: its SHA-256 and its length.
    Hash([u8; 32], u64),
}

impl Held {
    /// Without what an API says about payments: here that is our business.
    pub(super) fn of(answer: &ApiAnswer) -> Self {
        let about_payment = |name: &HeaderName| name.as_str().contains("payment");
        let headers = answer.headers.iter().filter(|(name, _)| !about_payment(name));
        Self {
            status: answer.status.as_u16(),
            headers: headers
                .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
                .collect(),
            body: Body::Whole(answer.body.to_vec()),
        }
    }

    /// What of it is kept.
    pub(super) fn kept(&self) -> Self {
        let body = match &self.body {
            Body::Whole(body) if body.len() > KEPT_BYTES_MAX => {
                Body::Hash(Sha256::digest(body).into(), u64::try_from(body.len()).unwrap_or(u64::MAX))
            }
            kept => kept.clone(),
        };
        Self { status: self.status, headers: self.headers.clone(), body }
    }

    /// The answer, with its settlement if there was one.
    pub(super) fn answer(&self, settled: Option<Settled<'_>>, replayed: bool) -> ApiAnswer {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value)) {
                headers.append(name, value);
            }
        }
        match settled {
            Some(Settled::Payment(dialect, response)) => settlement(&mut headers, dialect, response),
            Some(Settled::Account(remaining)) => {
                headers.insert(HeaderName::from_static(BALANCE), HeaderValue::from(remaining));
            }
            None => {}
        }
        let (body, not_retained) = match &self.body {
            Body::Whole(body) => (Bytes::from(body.clone()), false),
            Body::Hash(..) => (Bytes::new(), true),
        };
        ApiAnswer {
            status: StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_GATEWAY),
            headers,
            body,
            room: Room::default(),
            chunks: None,
            notes: Notes { settled: Some(settled.is_some()), replayed, not_retained, reason: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(length: usize) -> ApiAnswer {
        let mut headers = HeaderMap::new();
        headers.append("x-own", HeaderValue::from_static("1"));
        headers.append("x-own", HeaderValue::from_static("2"));
        headers.append("payment-response", HeaderValue::from_static("theirs"));
        ApiAnswer {
            status: StatusCode::CREATED,
            headers,
            body: Bytes::from(vec![0xFF; length]),
            room: Room::default(),
            chunks: None,
            notes: Notes::default(),
        }
    }

    #[test]
    fn an_answer_comes_back_as_it_was_and_a_long_one_as_its_hash() {
        for (length, retained) in [(0, true), (KEPT_BYTES_MAX, true), (KEPT_BYTES_MAX + 1, false)] {
            let kept = Held::of(&answer(length)).kept();
            let again = kept.answer(None, true);
            assert_eq!((again.status, again.notes.not_retained), (StatusCode::CREATED, !retained));
            assert_eq!(again.body.len(), if retained { length } else { 0 });
            assert_eq!(again.headers.get_all("x-own").iter().count(), 2);
            assert!(!again.headers.contains_key("payment-response"), "the settlement is ours to tell");
            assert!(retained || kept.body == Body::Hash(Sha256::digest(vec![0xFF; length]).into(), 262_145));
        }
    }
}
