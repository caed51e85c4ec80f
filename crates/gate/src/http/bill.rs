//! Refusals as answers, among them the bill: a 402 that both dialects can pay.

use super::answer::{Answer, Problem, insert, json};
use super::problem::problem;
use crate::error::{Error, Unpaid};
use crate::feed::Entry;
use crate::gate::{Gate, random};
use crate::offers::Bill;
use crate::payment::Dialect;
use crate::siwx;
use http::{HeaderName, StatusCode};
use serde_json::json;
use tollwire_x402::facilitator::SettleResponse;
use tollwire_x402::{FeedId, header};

/// The answer for a request that was to be paid and was not. `path` is the resource it asked for.
pub(crate) fn refusal(gate: &Gate, feed: &FeedId, path: &str, error: &Error) -> Answer {
    let entry = gate.feeds().get(feed);
    match (error, entry) {
        (Error::PaymentRequired, Some(entry)) => bill(gate, &entry, path, None),
        (Error::Refused(unpaid), Some(entry)) => bill(gate, &entry, path, Some(unpaid)),
        (Error::ProofRequired | Error::SignIn(_), _) => challenge(gate, feed, error),
        (Error::Undecided(unpaid), _) => {
            let mut answer = problem(error).with("transaction", json!(unpaid.tx)).into_answer();
            settlement(&mut answer, unpaid.dialect, &unpaid.response());
            answer
        }
        (Error::Refused(_) | Error::PaymentRequired, None) => problem(&Error::UnknownFeed).into_answer(),
        (error, _) => problem(error).into_answer(),
    }
}

/// A 402 with every offer; after a failed payment also with the reason.
fn bill(gate: &Gate, entry: &Entry, path: &str, failed: Option<&Unpaid>) -> Answer {
    let why = failed.map(|unpaid| unpaid.message.as_str());
    let bill = match make(gate, entry, path, why) {
        Ok(bill) => bill,
        Err(error) => return problem(&error).into_answer(),
    };
    let mut answer = json(StatusCode::PAYMENT_REQUIRED, &bill.legacy);
    required(&mut answer, &bill);
    if let Some(unpaid) = failed {
        settlement(&mut answer, unpaid.dialect, &unpaid.response());
    }
    answer
}

/// A problem that a payment can cure: it carries the v2 offers.
pub(crate) fn payable(gate: &Gate, entry: &Entry, path: &str, problem: Problem) -> Answer {
    let mut answer = problem.into_answer();
    if let Ok(bill) = make(gate, entry, path, None) {
        required(&mut answer, &bill);
    }
    answer
}

fn make(gate: &Gate, entry: &Entry, path: &str, why: Option<&str>) -> Result<Bill, Error> {
    let (feed, tariff) = (&entry.feed, &entry.tariff);
    let quote = gate.keys().quote().mint(feed.id(), tariff.version, gate.clock.now(), random()?);
    Ok(Bill::new(gate.config(), feed, tariff, path, &quote, why))
}

/// A 401 that the payer's wallet can answer. Says nothing about the session.
fn challenge(gate: &Gate, feed: &FeedId, error: &Error) -> Answer {
    let networks: Vec<_> = gate.settler.chains().iter().map(|chain| chain.info().network).collect();
    match gate.challenge(feed) {
        Ok(challenge) => problem(error)
            .with("extensions", json!({ siwx::EXTENSION: challenge.extension(&networks) }))
            .into_answer(),
        Err(error) => problem(&error).into_answer(),
    }
}

fn required(answer: &mut Answer, bill: &Bill) {
    if let Ok(text) = header::encode(&bill.required) {
        insert(answer.headers_mut(), HeaderName::from_static(header::PAYMENT_REQUIRED), &text);
    }
}

/// Adds the settlement's outcome, in the header of its dialect.
pub(crate) fn settlement(answer: &mut Answer, dialect: Dialect, outcome: &SettleResponse) {
    if let Ok(text) = header::encode(outcome) {
        insert(answer.headers_mut(), HeaderName::from_static(dialect.response_header()), &text);
    }
}

impl Unpaid {
    fn response(&self) -> SettleResponse {
        SettleResponse {
            success: false,
            error_reason: Some(self.reason.to_owned()),
            error_message: Some(self.message.clone()),
            payer: self.payer.clone(),
            transaction: self.tx.clone().unwrap_or_default(),
            network: self.network.clone(),
            amount: None,
            extensions: None,
        }
    }
}
