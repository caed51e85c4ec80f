//! The same call as an HTTP request.

use super::call::{Answered, ApiCall, Called, Means, Way};
use super::frame::balance;
use super::{EXHAUSTED, Failed};
use crate::Error;
use crate::endpoint::Endpoint;
use crate::http_client::{Answer, HttpClient, problem_kind, request};
use crate::payer::read_bill;
use crate::payment::secret;
use crate::session::settlement;
use http::StatusCode;
use serde_json::Value;
use tollwire_x402::{Usdc, header};

/// Makes the call; with a payment or on account again and again, until there is an answer that decides or the tries are used
/// up.
pub(super) async fn ask(
    http: &HttpClient,
    base: &Endpoint,
    call: &ApiCall,
    means: Means<'_>,
) -> Result<Answered, Error> {
    let endpoint = call.endpoint(base)?;
    let make = || {
        let mut request = request(call.method.clone(), &endpoint, call.body.clone())?;
        let headers = request.headers_mut();
        headers.clone_from(&call.headers);
        match means {
            Means::None => {}
            Means::Payment(payment) => {
                headers.insert(header::PAYMENT_SIGNATURE, payment.signature.clone());
                headers.insert(header::TOLLWIRE_CLAIM, payment.claim.clone());
            }
            Means::Account { token, claim } => {
                headers.insert(header::TOLLWIRE_SESSION, secret(token)?);
                headers.insert(header::TOLLWIRE_CLAIM, secret(claim)?);
            }
        }
        Ok(request)
    };
    let answer = match means {
        Means::Payment(_) | Means::Account { .. } => {
            http.send_until(make, |answer| !wants_again(answer)).await?
        }
        Means::None => http.send(make()?).await?,
    };
    answered(answer)
}

/// Whether the broker says that the same payment is the way on, or only that it cannot be asked now.
fn wants_again(answer: &Answer) -> bool {
    let problem: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let retry = problem.is_some_and(|problem| problem["retry"] == "same-payment");
    retry || matches!(answer.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

/// What the broker says itself comes as a problem of its own kind; all else is the API's.
fn answered(answer: Answer) -> Result<Answered, Error> {
    let says = |name: &str, word: &str| answer.headers.get(name).is_some_and(|value| value == word);
    if answer.status == StatusCode::PAYMENT_REQUIRED && says("tollwire-reason", EXHAUSTED) {
        return Ok(Answered::Short);
    }
    if answer.status == StatusCode::PAYMENT_REQUIRED {
        let settled = settlement(&answer);
        return Ok(Answered::Bill(Box::new(read_bill(&answer)?), settled));
    }
    let problem =
        answer.headers.get(http::header::CONTENT_TYPE).is_some_and(|kind| kind == "application/problem+json");
    if problem && is_ours(&answer.body) {
        let message = problem_kind(&answer.body).unwrap_or_default();
        return Ok(Answered::Failed(Failed {
            code: answer.status.as_u16(),
            message,
            again: wants_again(&answer),
        }));
    }
    let settled = settlement(&answer);
    let priced = says("tollwire-settled", "false").then_some(false);
    Ok(Answered::Answer(Box::new(Called {
        replayed: says("tollwire-replayed", "true"),
        status: answer.status,
        paid: Usdc::ZERO,
        settlement: settled,
        way: Way::Http,
        settled: priced,
        balance: balance(&answer.headers),
        headers: answer.headers,
        body: answer.body,
    })))
}

fn is_ours(body: &[u8]) -> bool {
    let problem: Option<Value> = serde_json::from_slice(body).ok();
    problem.is_some_and(|problem| {
        problem["type"].as_str().is_some_and(|kind| kind.starts_with("urn:tollwire:problem:"))
    })
}
