//! One answer of any x402 server, paid for where it asks for payment.

use super::Payer;
use super::exchange::{is_undecided, read_bill, refused};
use crate::Error;
use crate::endpoint::Endpoint;
use crate::http_client::Answer;
use crate::payment::{Payment, Purpose};
use crate::session::settlement;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use std::fmt;
use tollwire_x402::Usdc;
use tollwire_x402::facilitator::SettleResponse;

/// What a server answered.
pub struct Fetched {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, at most 256 KiB.
    pub body: Bytes,
    /// What was paid for it; nothing if it was free.
    pub paid: Usdc,
    /// What the server says of the settlement. A server's word; the transaction stands on the chain.
    pub settlement: Option<SettleResponse>,
}

impl Payer {
    /// Asks any x402 server for what stands at an address (`GET`), and pays if it wants that: the first offer that fits
    /// networks, budget and the terms of the address's first bill.
    ///
    /// A payment whose answer was lost is sent again by the next call, never made again. Servers other than ours settle
    /// a payment once and may refuse it when it comes again: [`Error::Refused`] with a reason about its nonce then says
    /// that it was settled, and what it bought is gone.
    pub async fn get(&self, url: &str) -> Result<Fetched, Error> {
        let endpoint = Endpoint::http(url, self.0.config.allow_plain)?;
        let feed = self.feed(&endpoint)?;
        let mut feed = feed.lock().await;
        let payment = if let Some(payment) = feed.undecided.clone() {
            payment
        } else {
            let make = || self.request(&Method::GET, &endpoint, None);
            let answer = self.0.http.send_until(make, |answer| !answer.is_temporary()).await?;
            if answer.status != StatusCode::PAYMENT_REQUIRED {
                return Ok(Fetched::new(answer, Usdc::ZERO));
            }
            let bill = read_bill(&answer)?;
            feed.pinned.pin(&bill);
            self.sign((endpoint, Purpose::Session), bill, &feed.pinned)?
        };
        // Remembered before it leaves.
        feed.undecided = Some(payment.clone());
        let answer = self.exchange(&payment, None, None).await;
        let answer = answer.map_err(|error| match error {
            Error::Unreachable(_) => Error::Undecided { transaction: None },
            other => other,
        })?;
        let outcome = Self::fetched(answer, &payment);
        if !matches!(outcome, Err(Error::Undecided { .. })) {
            feed.undecided = None;
        }
        outcome
    }

    /// What the answer to a payment means.
    fn fetched(answer: Answer, payment: &Payment) -> Result<Fetched, Error> {
        let settled = settlement(&answer);
        if is_undecided(&answer) {
            let transaction = settled.map(|settled| settled.transaction).filter(|hash| !hash.is_empty());
            return Err(Error::Undecided { transaction });
        }
        match (answer.status, settled) {
            (StatusCode::PAYMENT_REQUIRED, Some(settled)) => {
                Err(refused(settled.error_reason, settled.error_message))
            }
            // A verification that fails is answered by another bill, which says why.
            (StatusCode::PAYMENT_REQUIRED, None) => {
                Err(refused(read_bill(&answer).ok().and_then(|bill| bill.error), None))
            }
            _ => Ok(Fetched::new(answer, payment.amount())),
        }
    }
}

impl Fetched {
    fn new(answer: Answer, paid: Usdc) -> Self {
        let settlement = settlement(&answer);
        // What failed before it was settled was not paid for.
        let paid = if settlement.as_ref().is_some_and(|settled| settled.success) { paid } else { Usdc::ZERO };
        Self { status: answer.status, headers: answer.headers, body: answer.body, paid, settlement }
    }
}

impl fmt::Debug for Fetched {
    /// Without headers and body: they are the server's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched")
            .field("status", &self.status)
            .field("paid", &self.paid)
            .finish_non_exhaustive()
    }
}
