//! Asking for a bill, sending a payment, and what the answers mean.

use super::{Inner, Payer};
use crate::Error;
use crate::endpoint::Endpoint;
use crate::http_client::{Answer, request};
use crate::offer::Pinned;
use crate::payment::{Payment, secret};
use crate::session::{Asked, Session, settlement};
use crate::sign_in::Challenge;
use crate::wallet::random;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use tollwire_session::dpop;
use tollwire_x402::v2::{self, PaymentRequired};
use tollwire_x402::{header, reason};

/// The longest text of a server's that an error repeats, in characters.
const MESSAGE_CHARS_MAX: usize = 256;

/// The proof of a DPoP key (RFC 9449).
pub(crate) const DPOP: &str = "dpop";

/// What an answer to a payment means.
pub(super) enum Verdict {
    Paid(Box<Session>),
    /// The server says that it will not take it.
    Refused(Error),
    /// Nothing is known; the payment may still be settled, or may have been.
    Unknown(Error),
}

impl Payer {
    /// Asks without paying.
    pub(super) async fn bill(&self, endpoint: &Endpoint) -> Result<PaymentRequired, Error> {
        self.bill_for(&Method::GET, endpoint, None).await
    }

    /// Asks without paying, for a new session or for more units of one.
    pub(super) async fn bill_for(
        &self,
        method: &Method,
        endpoint: &Endpoint,
        session: Option<&Session>,
    ) -> Result<PaymentRequired, Error> {
        let make = || self.request(method, endpoint, session);
        let answer = self.0.http.send_until(make, |answer| !answer.is_temporary()).await?;
        read_bill(&answer)
    }

    /// A request with all that says who asks: a session's token and its proof, or the proof of the key that a session
    /// is to be bound to.
    pub(super) fn request(
        &self,
        method: &Method,
        endpoint: &Endpoint,
        session: Option<&Session>,
    ) -> Result<Request<Full<Bytes>>, Error> {
        let mut request = request(method.clone(), endpoint, Bytes::new())?;
        match session {
            Some(session) => self.authorize(request.headers_mut(), method, endpoint, session)?,
            None => {
                if let Some(proof) = self.prove(method, endpoint, None)? {
                    request.headers_mut().insert(DPOP, proof);
                }
            }
        }
        Ok(request)
    }

    /// Presents a session's token, with a fresh proof if it is bound to our key.
    pub(crate) fn authorize(
        &self,
        headers: &mut HeaderMap,
        method: &Method,
        endpoint: &Endpoint,
        session: &Session,
    ) -> Result<(), Error> {
        headers.insert(AUTHORIZATION, session.authorization()?);
        if session.is_bound() {
            let proof = self.prove(method, endpoint, Some(session.token()))?;
            let proof =
                proof.ok_or(Error::Protocol("the session is bound to a key, and there is none".into()))?;
            headers.insert(DPOP, proof);
        }
        Ok(())
    }

    /// A fresh proof of our DPoP key, if there is one.
    fn prove(
        &self,
        method: &Method,
        endpoint: &Endpoint,
        token: Option<&str>,
    ) -> Result<Option<HeaderValue>, Error> {
        let Some(key) = &self.0.config.dpop else { return Ok(None) };
        let target = dpop::Request::new(method.as_str(), endpoint.as_str());
        let target = token.map_or(target, |token| target.with_token(token));
        let proof = key.prove(&target, self.now(), &hex::encode(random::<16>()?))?;
        secret(&proof).map(Some)
    }

    /// Sends a payment until there is an answer that decides. A top-up goes with the token of its `session`.
    pub(super) async fn send(
        &self,
        payment: &Payment,
        session: Option<&Session>,
        pinned: &Pinned,
    ) -> Verdict {
        let Inner { wallet, config, .. } = &*self.0;
        let mut answer = self.exchange(payment, session, None).await;
        // The proof that went with the payment did not do, but the wallet itself can vouch for it.
        if let Some(challenge) = answer.as_ref().ok().and_then(Challenge::of) {
            match challenge.sign(wallet, &payment.endpoint, &config.networks) {
                Ok(signed) => answer = self.exchange(payment, session, Some(&signed)).await,
                Err(error) => tracing::warn!(%error, "cannot sign in"),
            }
        }
        match answer {
            Ok(answer) => self.judge(&answer, payment, pinned),
            Err(Error::Unreachable(_)) => Verdict::Unknown(Error::Undecided { transaction: None }),
            Err(error) => Verdict::Unknown(error),
        }
    }

    pub(super) async fn exchange(
        &self,
        payment: &Payment,
        session: Option<&Session>,
        sign_in: Option<&HeaderValue>,
    ) -> Result<Answer, Error> {
        let make = || {
            let mut request = self.request(&payment.method(), &payment.endpoint, session)?;
            let headers = request.headers_mut();
            headers.insert(header::PAYMENT_SIGNATURE, payment.signature.clone());
            headers.insert(header::TOLLWIRE_CLAIM, payment.claim.clone());
            if let Some(signed) = sign_in {
                headers.insert(header::SIGN_IN_WITH_X, signed.clone());
            }
            Ok(request)
        };
        self.0.http.send_until(make, |answer| !is_undecided(answer)).await
    }

    fn judge(&self, answer: &Answer, payment: &Payment, pinned: &Pinned) -> Verdict {
        if answer.status == StatusCode::OK {
            return match Session::read(answer, &self.asked(&payment.endpoint, Some(payment), pinned)) {
                Ok(session) => Verdict::Paid(Box::new(session)),
                // It is paid for, so nothing else must be signed.
                Err(error) => Verdict::Unknown(error),
            };
        }
        let settled = settlement(answer);
        if is_undecided(answer) {
            let transaction = settled.map(|settled| settled.transaction).filter(|hash| !hash.is_empty());
            return Verdict::Unknown(Error::Undecided { transaction });
        }
        match (answer.status, settled) {
            (StatusCode::PAYMENT_REQUIRED, Some(settled)) => {
                Verdict::Refused(refused(settled.error_reason, settled.error_message))
            }
            (StatusCode::BAD_REQUEST, _) => Verdict::Refused(answer.refusal()),
            // Refused without a word about the payment: believed once nobody can settle it any more.
            (StatusCode::PAYMENT_REQUIRED, None) if self.now() > payment.valid_before() => {
                Verdict::Refused(answer.refusal())
            }
            _ => Verdict::Unknown(answer.refusal()),
        }
    }

    pub(super) fn asked<'a>(
        &self,
        url: &'a Endpoint,
        payment: Option<&'a Payment>,
        pinned: &'a Pinned,
    ) -> Asked<'a> {
        let config = &self.0.config;
        Asked { url, payment, pinned, allow_plain: config.allow_plain, can_prove: config.dpop.is_some() }
    }
}

/// The bill of a 402.
pub(crate) fn read_bill(answer: &Answer) -> Result<PaymentRequired, Error> {
    let Some(value) = answer.headers.get(header::PAYMENT_REQUIRED) else {
        return Err(match answer.status {
            StatusCode::PAYMENT_REQUIRED => Error::Protocol("a 402 without payment-required".into()),
            _ => answer.refusal(),
        });
    };
    let bill: PaymentRequired = header::decode(header::PAYMENT_REQUIRED, value.as_bytes())?;
    if bill.x402_version == v2::VERSION {
        Ok(bill)
    } else {
        Err(Error::Protocol("payment-required is not of x402 version 2".into()))
    }
}

/// A payment that will not be taken, in the server's words as far as they are short and printable.
pub(crate) fn refused(reason: Option<String>, message: Option<String>) -> Error {
    Error::Refused { reason: cut(reason), message: cut(message) }
}

/// Whether the same payment must be sent again to learn its fate.
pub(super) fn is_undecided(answer: &Answer) -> bool {
    let pending = || {
        let reason = settlement(answer).and_then(|settled| settled.error_reason);
        reason.as_deref() == Some(reason::SETTLEMENT_PENDING)
    };
    answer.is_temporary() || answer.status.is_server_error() || (!answer.status.is_success() && pending())
}

pub(crate) fn cut(text: Option<String>) -> String {
    text.unwrap_or_default().chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS_MAX).collect()
}
