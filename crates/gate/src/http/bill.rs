//! Refusals as answers, among them the bill: a 402 that both dialects can pay.

use super::answer::{Answer, Problem, insert, json};
use super::problem::problem;
use super::route::TOP_UP;
use crate::error::{Error, Unpaid};
use crate::feed::Entry;
use crate::gate::Gate;
use crate::offers::{Sale, with_sign_in};
use crate::payment::Dialect;
use crate::siwx;
use http::{HeaderName, StatusCode};
use serde_json::json;
use tollwire_x402::facilitator::SettleResponse;
use tollwire_x402::{Bill, FeedId, SessionId, header};

/// What a request asked for that was to be paid.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) feed: &'a FeedId,
    /// The resource.
    pub(crate) path: &'a str,
    pub(crate) sale: Sale<'a>,
    /// Whether a wallet that paid before can sign in here instead.
    pub(crate) sign_in: bool,
}

impl<'a> Asked<'a> {
    /// A resource of a feed that a new session buys.
    pub(crate) fn new(feed: &'a FeedId, path: &'a str) -> Self {
        Self { feed, path, sale: Sale::Session, sign_in: false }
    }
}

/// The answer for a request that was to be paid and was not.
pub(crate) async fn refusal(gate: &Gate, asked: Asked<'_>, error: &Error) -> Answer {
    let entry = gate.feeds().get(asked.feed);
    match (error, entry) {
        (Error::PaymentRequired, Some(entry)) => bill(gate, &entry, asked, None).await,
        (Error::Refused(unpaid), Some(entry)) => bill(gate, &entry, asked, Some(unpaid)).await,
        (Error::ProofRequired | Error::SignIn(_), _) => challenge(gate, asked.feed, error),
        (Error::Undecided(unpaid), _) => {
            let mut answer = problem(error).with("transaction", json!(unpaid.tx)).into_answer();
            settlement(&mut answer, unpaid.dialect, &unpaid.response());
            answer
        }
        (Error::Refused(_) | Error::PaymentRequired, None) => problem(&Error::UnknownFeed).into_answer(),
        (error, _) => problem(error).into_answer(),
    }
}

/// The 402 of a prepaid account that does not suffice: offers of what adds to it, at `POST /session/top-up`.
pub async fn account_bill(gate: &Gate, account: &SessionId) -> Answer {
    let session = match gate.ledger.session(account).await {
        Ok(Some(session)) => session,
        Ok(None) => return problem(&Error::SessionUnknown).into_answer(),
        Err(error) => return problem(&error.into()).into_answer(),
    };
    let Some(entry) = gate.feeds().get(&session.feed) else {
        return problem(&Error::UnknownFeed).into_answer();
    };
    let asked = Asked { sale: Sale::TopUp(account, &session), ..Asked::new(&session.feed, TOP_UP) };
    let why = "the account's balance does not suffice: pay one of these at resource.url, with its token";
    match make(gate, &entry, asked, Some(why)).await {
        Ok(bill) => {
            let mut answer = json(StatusCode::PAYMENT_REQUIRED, &bill.legacy);
            required(&mut answer, &bill);
            answer
        }
        Err(error) => problem(&error).into_answer(),
    }
}

/// A 402 with every offer; after a failed payment also with the reason.
async fn bill(gate: &Gate, entry: &Entry, asked: Asked<'_>, failed: Option<&Unpaid>) -> Answer {
    let why = failed.map(|unpaid| unpaid.message.as_str());
    let bill = match make(gate, entry, asked, why).await {
        Ok(bill) => bill,
        // Who bought before can still sign in.
        Err(error @ Error::FeedPaused) if asked.sign_in => return challenge(gate, asked.feed, &error),
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
pub(crate) async fn payable(gate: &Gate, entry: &Entry, path: &str, problem: Problem) -> Answer {
    let mut answer = problem.into_answer();
    if let Ok(bill) = make(gate, entry, Asked::new(entry.feed.id(), path), None).await {
        required(&mut answer, &bill);
    }
    answer
}

async fn make(gate: &Gate, entry: &Entry, asked: Asked<'_>, why: Option<&str>) -> Result<Bill, Error> {
    let bill = gate.bill(entry, asked.sale, asked.path, why).await?;
    if asked.sign_in { Ok(with_sign_in(bill, gate.sign_in_extension(asked.feed)?)) } else { Ok(bill) }
}

/// A refusal that the payer's wallet can answer. Says nothing about the session.
fn challenge(gate: &Gate, feed: &FeedId, error: &Error) -> Answer {
    match gate.sign_in_extension(feed) {
        Ok(extension) => {
            problem(error).with("extensions", json!({ siwx::EXTENSION: extension })).into_answer()
        }
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
    /// The settlement that did not come about.
    pub(crate) fn response(&self) -> SettleResponse {
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
