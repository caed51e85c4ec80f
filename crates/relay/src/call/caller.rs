//! What both ways of calling share: find the API, ask it, count it.

use super::api::{Api, Apis};
use super::payment::{Payment, is_paid};
use super::priced::{Desk, Recall};
use super::request::ApiRequest;
use super::stream::Listener;
use super::upstream::{ApiAnswer, Upstream};
use super::{CallError, PaymentHeader, Price};
use crate::runtime::Budget;
use crate::telemetry::{self, Way};
use http::StatusCode;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tollwire_x402::header::TOLLWIRE_SESSION;

/// Makes calls.
pub(crate) struct Caller {
    apis: RwLock<Arc<Apis>>,
    upstream: Arc<Upstream>,
    /// Where calls are paid for that we price.
    desk: Option<Arc<Desk>>,
    places: Arc<Semaphore>,
    pub(super) request_bytes_max: usize,
}

/// How a call came, and who waits for it.
pub(super) struct How<'a> {
    pub(super) way: Way,
    pub(super) budget: &'a Budget,
    /// Takes the answer as it comes.
    pub(super) listener: Option<Listener<'a>>,
    pub(super) recall: &'a Recall,
}

/// The place of one call among all.
pub(super) struct Place(#[expect(dead_code, reason = "held for what its drop does")] OwnedSemaphorePermit);

impl Caller {
    pub(crate) fn new(
        upstream: Arc<Upstream>,
        desk: Option<Arc<Desk>>,
        calls_max: usize,
        request_bytes_max: usize,
    ) -> Self {
        Self {
            apis: RwLock::default(),
            upstream,
            desk,
            places: Arc::new(Semaphore::new(calls_max.min(Semaphore::MAX_PERMITS))),
            request_bytes_max,
        }
    }

    /// Takes over other APIs; calls under way go on with the old ones.
    pub(crate) fn configure(&self, apis: Apis) {
        *self.apis.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(apis);
    }

    /// A place among all calls, if one is free.
    pub(super) fn place(&self) -> Result<Place, CallError> {
        Arc::clone(&self.places).try_acquire_owned().map(Place).map_err(|_| CallError::Busy)
    }

    /// Asks an API. A payment is in `payment`, or in the request's headers already. What is not a bill is passed on to
    /// the listener as it comes, if there is one.
    pub(super) async fn call(
        &self,
        api: &str,
        mut request: ApiRequest,
        payment: Option<Payment>,
        how: How<'_>,
    ) -> Result<ApiAnswer, CallError> {
        let way = how.way;
        let begun = Instant::now();
        let found = self.apis.read().unwrap_or_else(PoisonError::into_inner).get(api);
        let Some(found) = found else {
            telemetry::called("", way, Err(&CallError::UnknownApi), begun.elapsed());
            return Err(CallError::UnknownApi);
        };
        let names = if found.price.is_some() { PaymentHeader::Auto } else { found.payment_header };
        if let Some(payment) = payment {
            payment.put(&mut request.headers, names);
        }
        let outcome = match &found.price {
            Some(price) => self.sell(Arc::clone(&found), price, request, how).await,
            None => self.pass(&found, request, how).await,
        };
        let status = outcome.as_ref().map(|answer| answer.status);
        telemetry::called(found.id.as_str(), way, status, begun.elapsed());
        outcome
    }

    /// A call of an API that prices itself.
    async fn pass(
        &self,
        api: &Api,
        mut request: ApiRequest,
        How { budget, listener, recall, .. }: How<'_>,
    ) -> Result<ApiAnswer, CallError> {
        // What becomes of its payment is the API's to decide, from now on.
        if !recall.close() {
            return Err(CallError::Cancelled);
        }
        request.headers.remove(TOLLWIRE_SESSION);
        request.paid = is_paid(&request.headers);
        let begun = self.upstream.ask(api, request).await?;
        match listener.filter(|_| begun.status != StatusCode::PAYMENT_REQUIRED) {
            Some(listener) => self.upstream.streamed(begun, budget, listener).await,
            None => self.upstream.whole(begun, budget).await,
        }
    }

    /// A call that we price. It is made whole before any of it is shown, so room for it is taken after that.
    async fn sell(
        &self,
        api: Arc<Api>,
        price: &Price,
        request: ApiRequest,
        How { budget, recall, .. }: How<'_>,
    ) -> Result<ApiAnswer, CallError> {
        let desk = self.desk.as_ref().ok_or(CallError::CannotBePaid)?;
        let mut answer = desk.call(api, price, request, recall).await?;
        answer.room = budget.room(Some(answer.body.len())).await.map_err(|_| CallError::Cancelled)?;
        Ok(answer)
    }
}
