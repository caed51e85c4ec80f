//! A signed payment, ready to be sent as often as its answer takes.

use crate::endpoint::Endpoint;
use crate::wallet::{Wallet, random};
use crate::{Error, offer};
use http::HeaderValue;
use std::fmt;
use tollwire_exact::evm::{Authorization, Domain};
use tollwire_x402::v2::{PaymentPayload, PaymentRequired, PaymentRequirements, VERSION};
use tollwire_x402::{Usdc, header};

/// One signed payment, and the secret that proves whose it is. Sent again it is the same payment, not another.
#[derive(Clone)]
pub struct Payment {
    pub(crate) endpoint: Endpoint,
    /// `PAYMENT-SIGNATURE`.
    pub(crate) signature: HeaderValue,
    /// `Tollwire-Claim`: unlike the payment it never appears on chain.
    pub(crate) claim: HeaderValue,
    amount: Usdc,
    valid_before: u64,
}

impl Payment {
    /// Signs a payment for one offer of a bill. `now` is seconds since the epoch.
    ///
    /// The offer, the resource and the extensions are echoed as they came.
    pub(crate) fn sign(
        wallet: &Wallet,
        endpoint: Endpoint,
        bill: PaymentRequired,
        accepted: PaymentRequirements,
        now: u64,
    ) -> Result<Self, Error> {
        let terms = offer::read(&accepted).ok_or(Error::NoOffer("unknown asset"))?;
        let amount = accepted.amount;
        let valid_before = now.saturating_add(accepted.max_timeout_seconds);
        let domain = Domain::usdc(terms.network).ok_or(Error::NoOffer("unknown asset"))?;
        let authorization = Authorization {
            from: wallet.account(),
            to: terms.pay_to,
            value: amount,
            valid_after: 0,
            valid_before,
            nonce: random()?,
        };
        let payload = PaymentPayload {
            x402_version: VERSION,
            resource: Some(bill.resource),
            accepted,
            payload: wallet.sign(authorization, &domain)?.to_json(),
            extensions: bill.extensions,
        };
        let claim = hex::encode(random::<32>()?);
        Ok(Self {
            endpoint,
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
            .field("valid_before", &self.valid_before)
            .finish_non_exhaustive()
    }
}
