//! What a payment bought.

use crate::endpoint::Endpoint;
use crate::http_client::Answer;
use crate::offer::Pinned;
use crate::payment::{Payment, secret};
use crate::saved::SavedSession;
use crate::{Error, keys};
use http::HeaderValue;
use serde::Deserialize;
use std::fmt;
use std::sync::Arc;
use tollwire_x402::facilitator::SettleResponse;
use tollwire_x402::{FeedId, SessionId, StreamId, Unit, Usdc, header, json};

/// A session that was paid for: the right to open streams of one feed.
#[derive(Clone)]
pub struct Session {
    /// Its identity.
    pub jti: SessionId,
    /// Its feed.
    pub feed: FeedId,
    /// What it is counted in.
    pub unit: Unit,
    /// How many units it held when that was last said.
    pub units_remaining: u64,
    /// What was deposited, in dollars, such as `$0.10`.
    pub deposited: String,
    /// The chain it was paid on, as its token names it.
    pub chain: String,
    /// What was paid for it by the payer at hand; zero for a session that was signed in to.
    pub paid: Usdc,
    /// The settlement's transaction, where the answer names it.
    pub transaction: Option<String>,
    /// When its token stops opening streams (RFC 3339). The balance lives longer.
    pub expires_at: String,
    /// Where its streams are opened.
    pub ws_url: String,
    pub(crate) ws: Endpoint,
    /// Where it was bought.
    pub(crate) url: Endpoint,
    pub(crate) payment: Option<Payment>,
    /// The token is bound to a DPoP key.
    pub(crate) bound: bool,
    /// What its first bill said.
    pub(crate) pinned: Pinned,
    /// Who issued it, and so whose signatures count.
    pub(crate) issuer: Option<String>,
    /// A receipt that came with the answer, not yet verified.
    pub(crate) receipt: Option<String>,
    /// Shared by all clones.
    pub(crate) account: Arc<Account>,
    token: String,
}

/// What all who use one session must agree on.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// Locked for the length of a top-up, so that two never pay where one was meant.
    pub(crate) top_up: tokio::sync::Mutex<TopUpState>,
}

/// The top-ups of a session.
#[derive(Debug, Default)]
pub(crate) struct TopUpState {
    /// A top-up that was signed and has no known fate: it is collected before another is ever signed.
    pub(crate) undecided: Option<Payment>,
    /// When the last one was credited, in seconds since the epoch.
    pub(crate) credited: u64,
    /// The stream it was made within, if any.
    pub(crate) credited_by: Option<StreamId>,
}

#[derive(Deserialize)]
struct Body {
    token: String,
    token_type: String,
    expires_at: String,
    ws_url: String,
    session: Inner,
    #[serde(default)]
    receipt: Option<String>,
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

/// What a session's answers are measured by.
pub(crate) struct Asked<'a> {
    pub(crate) url: &'a Endpoint,
    pub(crate) payment: Option<&'a Payment>,
    pub(crate) pinned: &'a Pinned,
    pub(crate) allow_plain: bool,
    /// There is a DPoP key.
    pub(crate) can_prove: bool,
}

impl Session {
    /// Reads the answer to a payment or a sign-in.
    pub(crate) fn read(answer: &Answer, asked: &Asked<'_>) -> Result<Self, Error> {
        let Body { token, token_type, expires_at, ws_url, session, receipt } =
            json::read("session", &answer.body)?;
        let bound = is_bound(&token_type, asked.can_prove)?;
        let ws = Endpoint::ws(&ws_url, asked.allow_plain)?;
        if asked.url.is_secure() && !ws.is_secure() {
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
            paid: asked.payment.map(Payment::amount).unwrap_or_default(),
            transaction: settled.filter(|transaction| !transaction.is_empty()),
            expires_at,
            ws_url,
            ws,
            url: asked.url.clone(),
            payment: asked.payment.cloned(),
            bound,
            pinned: asked.pinned.clone(),
            issuer: keys::issuer(&token),
            receipt,
            account: Arc::default(),
            token,
        })
    }

    /// The token: a secret. Whoever has it can use the session up, unless it is bound to a key.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The payment that bought it; collecting it again brings a fresh token. `None` if it was signed in to.
    pub fn payment(&self) -> Option<&Payment> {
        self.payment.as_ref()
    }

    /// Where it was bought.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Whether its token is bound to a DPoP key.
    pub fn is_bound(&self) -> bool {
        self.bound
    }

    /// The form to keep it in. [`Payer::restore`](crate::Payer::restore) reads it.
    pub fn to_saved(&self) -> SavedSession {
        let (terms, price) = self.pinned.to_saved();
        SavedSession {
            jti: self.jti.clone(),
            feed: self.feed.clone(),
            unit: self.unit,
            units_remaining: self.units_remaining,
            deposited: self.deposited.clone(),
            chain: self.chain.clone(),
            paid: self.paid,
            transaction: self.transaction.clone(),
            expires_at: self.expires_at.clone(),
            ws_url: self.ws_url.clone(),
            url: self.url().to_owned(),
            token: self.token.clone(),
            bound: self.bound,
            payment: self.payment().map(Payment::to_saved),
            terms,
            price,
        }
    }

    /// The session that was kept.
    pub(crate) fn restore(saved: SavedSession, allow_plain: bool) -> Result<Self, Error> {
        let url = Endpoint::http(&saved.url, allow_plain)?;
        let ws = Endpoint::ws(&saved.ws_url, allow_plain)?;
        if url.is_secure() && !ws.is_secure() {
            return Err(Error::Saved("ws_url would send the token in the clear"));
        }
        let payment = saved.payment.as_ref().map(|saved| Payment::restore(saved, allow_plain)).transpose()?;
        Ok(Self {
            jti: saved.jti,
            feed: saved.feed,
            unit: saved.unit,
            units_remaining: saved.units_remaining,
            deposited: saved.deposited,
            chain: saved.chain,
            paid: saved.paid,
            transaction: saved.transaction,
            expires_at: saved.expires_at,
            ws_url: saved.ws_url,
            ws,
            url,
            payment,
            bound: saved.bound,
            pinned: Pinned::restore(&saved.terms, saved.price)?,
            issuer: keys::issuer(&saved.token),
            receipt: None,
            account: Arc::default(),
            token: saved.token,
        })
    }

    /// Takes over what a later answer says of the same session; what was paid for it, and by which payment, stays.
    pub(crate) fn update(&mut self, later: Self) -> Result<(), Error> {
        if later.jti != self.jti || later.feed != self.feed {
            return Err(Error::Protocol("an answer about another session".into()));
        }
        self.units_remaining = later.units_remaining;
        self.deposited = later.deposited;
        self.expires_at = later.expires_at;
        self.bound = later.bound;
        self.issuer = later.issuer;
        self.token = later.token;
        Ok(())
    }

    /// Takes a fresh token of the same kind.
    pub(crate) fn renew_token(&mut self, token: String, expires_at: Option<String>) {
        self.token = token;
        if let Some(expires_at) = expires_at {
            self.expires_at = expires_at;
        }
    }

    /// A route of the facilitator that serves its streams.
    pub(crate) fn route(&self, route: &str) -> Endpoint {
        self.ws.sibling(&format!("/feeds/{}/ws", self.feed), route)
    }

    /// `Authorization`.
    pub(crate) fn authorization(&self) -> Result<HeaderValue, Error> {
        secret(&format!("{} {}", if self.bound { "DPoP" } else { "Bearer" }, self.token))
    }
}

fn is_bound(token_type: &str, can_prove: bool) -> Result<bool, Error> {
    match token_type {
        "Bearer" => Ok(false),
        "DPoP" if can_prove => Ok(true),
        "DPoP" => Err(Error::Protocol("the token is bound to a key, and there is none".into())),
        _ => Err(Error::Protocol("the token is of an unknown type".into())),
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
            .field("bound", &self.bound)
            .finish_non_exhaustive()
    }
}
