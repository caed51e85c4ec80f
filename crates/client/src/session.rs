//! What a payment bought.

use crate::Error;
use crate::endpoint::Endpoint;
use crate::http_client::Answer;
use crate::payment::{Payment, secret};
use http::HeaderValue;
use serde::Deserialize;
use std::fmt;
use tollwire_x402::facilitator::SettleResponse;
use tollwire_x402::{FeedId, SessionId, Unit, Usdc, header, json};

/// A session that was paid for: the right to open streams of one feed.
#[derive(Clone)]
pub struct Session {
    /// Its identity.
    pub jti: SessionId,
    /// Its feed.
    pub feed: FeedId,
    /// What it is counted in.
    pub unit: Unit,
    /// How many units it held when the answer was given.
    pub units_remaining: u64,
    /// What was deposited, in dollars, such as `$0.10`.
    pub deposited: String,
    /// The chain it was paid on, as its token names it.
    pub chain: String,
    /// What was paid.
    pub paid: Usdc,
    /// The settlement's transaction, where the answer names it.
    pub transaction: Option<String>,
    /// When its token stops opening streams (RFC 3339). The balance lives longer.
    pub expires_at: String,
    /// Where its streams are opened.
    pub ws_url: String,
    pub(crate) ws: Endpoint,
    pub(crate) payment: Payment,
    token: String,
}

#[derive(Deserialize)]
struct Body {
    token: String,
    token_type: String,
    expires_at: String,
    ws_url: String,
    session: Inner,
}

#[derive(Deserialize)]
struct Inner {
    jti: SessionId,
    feed: FeedId,
    unit: Unit,
    units_remaining: u64,
    deposited: String,
    chain: String,
}

impl Session {
    /// Reads the answer to a payment.
    pub(crate) fn read(answer: &Answer, payment: &Payment, allow_plain: bool) -> Result<Self, Error> {
        let Body { token, token_type, expires_at, ws_url, session } = json::read("session", &answer.body)?;
        if token_type != "Bearer" {
            return Err(Error::Protocol("the token is not a bearer token".into()));
        }
        let ws = Endpoint::ws(&ws_url, allow_plain)?;
        if payment.endpoint.is_secure() && !ws.is_secure() {
            return Err(Error::Protocol("ws_url would send the token in the clear".into()));
        }
        let settled = settlement(answer).map(|settled| settled.transaction);
        Ok(Self {
            jti: session.jti,
            feed: session.feed,
            unit: session.unit,
            units_remaining: session.units_remaining,
            deposited: session.deposited,
            chain: session.chain,
            paid: payment.amount(),
            transaction: settled.filter(|transaction| !transaction.is_empty()),
            expires_at,
            ws_url,
            ws,
            payment: payment.clone(),
            token,
        })
    }

    /// The token: a secret. Whoever has it can use the session up.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The payment that bought it; collecting it again brings a fresh token.
    pub fn payment(&self) -> &Payment {
        &self.payment
    }

    pub(crate) fn authorization(&self) -> Result<HeaderValue, Error> {
        secret(&format!("Bearer {}", self.token))
    }
}

/// The settlement that an answer reports, in `PAYMENT-RESPONSE`.
pub(crate) fn settlement(answer: &Answer) -> Option<SettleResponse> {
    let value = answer.headers.get(header::PAYMENT_RESPONSE)?;
    header::decode(header::PAYMENT_RESPONSE, value.as_bytes()).ok()
}

impl fmt::Debug for Session {
    /// Without the token and the payment.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("jti", &self.jti)
            .field("feed", &self.feed)
            .field("unit", &self.unit)
            .field("units_remaining", &self.units_remaining)
            .field("paid", &self.paid)
            .field("transaction", &self.transaction)
            .field("expires_at", &self.expires_at)
            .field("ws_url", &self.ws_url)
            .finish_non_exhaustive()
    }
}
