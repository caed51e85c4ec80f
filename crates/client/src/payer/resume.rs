//! Coming back: a session that was kept, a payment that was under way, a sign-in without either.

use super::Payer;
use super::exchange::read_bill;
use crate::Error;
use crate::endpoint::Endpoint;
use crate::http_client::Answer;
use crate::payment::{Payment, SavedPayment};
use crate::saved::SavedSession;
use crate::session::Session;
use crate::sign_in::Challenge;
use http::{Method, StatusCode};
use serde_json::Value;
use tollwire_x402::header;

impl Payer {
    /// A session that was kept. Nothing is asked of anybody: whether it still opens streams shows when it is used.
    pub async fn restore(&self, saved: SavedSession) -> Result<Session, Error> {
        let session = Session::restore(saved, self.0.config.allow_plain)?;
        self.feed(&session.url)?.lock().await.pinned.adopt(&session.pinned);
        Ok(session)
    }

    /// Takes over a payment that was signed by an earlier life of this agent and whose answer is not known: the next
    /// purchase at its address, or the next top-up of its `session`, collects it before anything else is signed.
    ///
    /// What it pays is not taken out of this budget: see [`Budget::with_spent`](crate::Budget::with_spent).
    pub async fn adopt(&self, pending: &SavedPayment, session: Option<&Session>) -> Result<(), Error> {
        let payment = Payment::restore(pending, self.0.config.allow_plain)?;
        let Some(jti) = payment.tops_up() else {
            let feed = self.feed(&payment.endpoint)?;
            feed.lock().await.undecided = Some(payment);
            return Ok(());
        };
        let session = session.filter(|session| session.jti == *jti);
        let session = session.ok_or(Error::Saved("the pending payment is for another session"))?;
        session.account.top_up.lock().await.undecided = Some(payment);
        Ok(())
    }

    /// A fresh token for the newest session of a feed that this wallet has paid for and that has units left, by
    /// signing in; `None` if there is none, or the seller has no sign-in. Nothing is paid.
    pub async fn sign_in(&self, url: &str) -> Result<Option<Session>, Error> {
        self.sign_in_at(&Endpoint::http(url, self.0.config.allow_plain)?).await
    }

    async fn sign_in_at(&self, endpoint: &Endpoint) -> Result<Option<Session>, Error> {
        let make = || self.request(&Method::GET, endpoint, None);
        let answer = self.0.http.send_until(make, |answer| !answer.is_temporary()).await?;
        let Some(challenge) = self.challenge(endpoint, &answer).await? else { return Ok(None) };
        let signed = challenge.sign(&self.0.wallet, endpoint, &self.0.config.networks)?;
        let mut request = self.request(&Method::GET, endpoint, None)?;
        request.headers_mut().insert(header::SIGN_IN_WITH_X, signed);
        // Once: a challenge is good for one answer.
        let answer = self.0.http.send(request).await?;
        match answer.status {
            StatusCode::OK => {
                let pinned = self.pinned(endpoint).await?;
                Session::read(&answer, &self.asked(endpoint, None, &pinned)).map(Some)
            }
            StatusCode::PAYMENT_REQUIRED => Ok(None),
            _ => Err(answer.refusal()),
        }
    }

    /// The challenge in a 401's problem or a 402's bill, which is pinned on the way.
    async fn challenge(&self, endpoint: &Endpoint, answer: &Answer) -> Result<Option<Challenge>, Error> {
        if let Some(challenge) = Challenge::of(answer) {
            return Ok(Some(challenge));
        }
        let bill = read_bill(answer)?;
        self.feed(endpoint)?.lock().await.pinned.pin(&bill);
        Ok(Challenge::among(bill.extensions.map(Value::Object).as_ref()))
    }

    /// A fresh token: by the payment again, else by signing in. The answer may be another session of the same feed,
    /// if this one has nothing left.
    pub(crate) async fn refresh(&self, session: &Session) -> Result<Session, Error> {
        let refusal = match &session.payment {
            Some(payment) => match self.collect(payment).await {
                Ok(fresh) => return merged(session, fresh),
                Err(error @ (Error::Status { .. } | Error::Refused { .. })) => error,
                Err(error) => return Err(error),
            },
            None => Error::Status { status: 401, problem: None },
        };
        // At the facilitator itself: a challenge is only answered to the host it names.
        let endpoint = session.route(&format!("/feeds/{}/session", session.feed));
        match self.sign_in_at(&endpoint).await {
            Ok(Some(mut fresh)) => {
                fresh.url = session.url.clone();
                fresh.pinned = session.pinned.clone();
                merged(session, fresh)
            }
            Ok(None) | Err(_) => Err(refusal),
        }
    }
}

/// The same session with a fresh token, or the other session that was answered.
fn merged(session: &Session, fresh: Session) -> Result<Session, Error> {
    if fresh.jti != session.jti {
        return Ok(fresh);
    }
    let mut same = session.clone();
    same.update(fresh)?;
    Ok(same)
}
