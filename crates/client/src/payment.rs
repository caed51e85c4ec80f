//! A signed payment, ready to be sent as often as its answer takes.

use crate::endpoint::Endpoint;
use crate::offer::{self, Terms};
use crate::wallet::{Wallet, random};
use crate::{Error, solana};
use http::{HeaderValue, Method};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use tollwire_exact::evm::{Authorization, Domain};
use tollwire_x402::v2::{PaymentPayload, PaymentRequired, PaymentRequirements, VERSION};
use tollwire_x402::{Network, SessionId, Usdc, header};

/// One signed payment, and the secret that proves whose it is. Sent again it is the same payment, not another.
#[derive(Clone)]
pub struct Payment {
    pub(crate) endpoint: Endpoint,
    pub(crate) purpose: Purpose,
    /// `PAYMENT-SIGNATURE`.
    pub(crate) signature: HeaderValue,
    /// `Tollwire-Claim`: unlike the payment it never appears on chain.
    pub(crate) claim: HeaderValue,
    amount: Usdc,
    valid_before: u64,
}

/// What a payment is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A session of its own.
    Session,
    /// More units for this one.
    TopUp(SessionId),
}

/// A payment in a form that can be kept. Whoever has it can collect what it bought: keep it like a password. It
/// holds no key.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPayment {
    url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tops_up: Option<SessionId>,
    signature: String,
    claim: String,
    amount: Usdc,
    valid_before: u64,
}

impl Payment {
    /// Signs a payment for one offer of a bill. `now` is seconds since the epoch; `blockhash` is what a payment on Solana
    /// lives by.
    ///
    /// The offer, the resource and the extensions are echoed as they came.
    pub(crate) fn sign(
        wallet: &Wallet,
        (endpoint, purpose): (Endpoint, Purpose),
        bill: PaymentRequired,
        accepted: PaymentRequirements,
        now: u64,
        blockhash: Option<[u8; 32]>,
    ) -> Result<Self, Error> {
        let terms = offer::read(&accepted).ok_or(Error::NoOffer("unknown asset"))?;
        let amount = accepted.amount;
        let (signed, valid_before) = match terms.network {
            Network::Eip155(_) => {
                let valid_before = now.saturating_add(accepted.max_timeout_seconds);
                (authorization(wallet, &terms, amount, valid_before)?, valid_before)
            }
            Network::Solana(_) => {
                let valid_for = accepted.max_timeout_seconds.max(solana::VALID_SECS);
                let signed = solana::payload(wallet, &accepted, &terms, blockhash)?;
                (signed, now.saturating_add(valid_for))
            }
        };
        let payload = PaymentPayload {
            x402_version: VERSION,
            resource: Some(bill.resource),
            accepted,
            payload: signed,
            extensions: bill.extensions,
        };
        let claim = hex::encode(random::<32>()?);
        Ok(Self {
            endpoint,
            purpose,
            signature: secret(&header::encode(&payload)?)?,
            claim: secret(&claim)?,
            amount,
            valid_before,
        })
    }

    /// What it pays.
    pub fn amount(&self) -> Usdc {
        self.amount
    }

    /// From this second since the epoch on nobody can settle it any more.
    pub fn valid_before(&self) -> u64 {
        self.valid_before
    }

    /// The session it adds units to; `None` if it buys one of its own.
    pub fn tops_up(&self) -> Option<&SessionId> {
        match &self.purpose {
            Purpose::Session => None,
            Purpose::TopUp(session) => Some(session),
        }
    }

    /// The form to keep it in.
    pub fn to_saved(&self) -> SavedPayment {
        let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
        SavedPayment {
            url: self.endpoint.as_str().to_owned(),
            tops_up: self.tops_up().cloned(),
            signature: text(&self.signature),
            claim: text(&self.claim),
            amount: self.amount,
            valid_before: self.valid_before,
        }
    }

    /// The payment that was kept.
    pub(crate) fn restore(saved: &SavedPayment, allow_plain: bool) -> Result<Self, Error> {
        Ok(Self {
            endpoint: Endpoint::http(&saved.url, allow_plain)?,
            purpose: saved.tops_up.clone().map_or(Purpose::Session, Purpose::TopUp),
            signature: secret(&saved.signature)?,
            claim: secret(&saved.claim)?,
            amount: saved.amount,
            valid_before: saved.valid_before,
        })
    }

    /// How it is asked for over HTTP.
    pub(crate) fn method(&self) -> Method {
        match self.purpose {
            Purpose::Session => Method::GET,
            Purpose::TopUp(_) => Method::POST,
        }
    }

    /// The v2 message it is, as it is sent within a stream.
    pub(crate) fn message(&self) -> Result<PaymentPayload, Error> {
        Ok(header::decode(header::PAYMENT_SIGNATURE, self.signature.as_bytes())?)
    }
}

/// An EIP-3009 payload.
fn authorization(wallet: &Wallet, terms: &Terms, value: Usdc, valid_before: u64) -> Result<Value, Error> {
    let unknown = || Error::NoOffer("unknown asset");
    let domain = Domain::usdc(terms.network).ok_or_else(unknown)?;
    let to = terms.pay_to.evm().ok_or_else(unknown)?;
    let nonce = random()?;
    let payload = wallet.authorize(&domain, |from| {
        Ok(Authorization { from, to, value, valid_after: 0, valid_before, nonce })
    })?;
    Ok(payload.to_json())
}

/// A header value that hyper and `Debug` do not show.
pub(crate) fn secret(text: &str) -> Result<HeaderValue, Error> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| Error::Protocol("unprintable text in a header".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

impl fmt::Debug for Payment {
    /// Without signature and claim.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payment")
            .field("amount", &self.amount)
            .field("purpose", &self.purpose)
            .field("valid_before", &self.valid_before)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SavedPayment {
    /// Without signature and claim.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavedPayment").field("amount", &self.amount).finish_non_exhaustive()
    }
}
