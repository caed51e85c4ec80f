//! Reading a payment off a request's headers. Nothing here trusts a byte of it.

use super::{Claim, Dialect, Proofs};
use crate::error::Error;
use crate::offers::EXTENSION;
use crate::quote::Quote;
use crate::siwx::SignIn;
use http::HeaderMap;
use serde_json::Value;
use tollwire_x402::v2::{Extra, PaymentRequirements};
use tollwire_x402::{Network, Payment, header, v2};

/// A payment as presented: well-formed, and nothing more is known yet.
#[derive(Clone)]
pub struct Presented {
    /// How it arrived.
    pub dialect: Dialect,
    /// The scheme it names.
    pub scheme: String,
    /// The network it names, in its own dialect.
    pub network_text: String,
    /// That network, if we can name it.
    pub network: Option<Network>,
    /// The offer it says it answers (v2 only).
    pub accepted: Option<PaymentRequirements>,
    /// The scheme's payload.
    pub payload: Value,
    /// What proves that the payer sent it.
    pub proofs: Proofs,
}

impl Presented {
    /// The payment of a request, if it carries one.
    ///
    /// A request that pays in both dialects is refused rather than guessed at: it could mean two payments.
    pub fn read(headers: &HeaderMap) -> Result<Option<Self>, Error> {
        let signature = single(headers, header::PAYMENT_SIGNATURE)?;
        let x_payment = single(headers, header::X_PAYMENT)?;
        let Some(payment) = Payment::read(signature, x_payment)? else { return Ok(None) };
        let mut presented = Self::of(payment);
        presented.proofs.claim = Claim::read(headers)?;
        presented.proofs.sign_in =
            single(headers, header::SIGN_IN_WITH_X)?.map(SignIn::decode).transpose()?;
        Ok(Some(presented))
    }

    /// A v2 payment, whatever it arrived in; `carrier` names that in errors.
    pub(crate) fn from_v2(carrier: &'static str, payment: v2::PaymentPayload) -> Result<Self, Error> {
        Ok(Self::of(Payment::v2(carrier, payment)?))
    }

    fn of(payment: Payment) -> Self {
        let (scheme, network) = (payment.scheme().to_owned(), payment.network());
        let (dialect, network_text) = (payment.dialect(), payment.network_text().to_owned());
        let (accepted, payload, quote) = match payment {
            Payment::V1(payment) => (None, payment.payload, None),
            Payment::V2(payment) => {
                let quote = payment.extensions.as_ref().and_then(echoed_quote);
                (Some(payment.accepted), payment.payload, quote)
            }
        };
        let proofs = Proofs { quote, ..Proofs::default() };
        Self { dialect, scheme, network_text, network, accepted, payload, proofs }
    }
}

impl std::fmt::Debug for Presented {
    /// Without the payload: it holds a signature.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presented")
            .field("dialect", &self.dialect)
            .field("network", &self.network)
            .finish_non_exhaustive()
    }
}

/// The value of a header that may stand at most once.
pub(crate) fn single<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a [u8]>, Error> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Error::malformed(name, "send it once"));
    }
    Ok(first.map(http::HeaderValue::as_bytes))
}

fn echoed_quote(extensions: &Extra) -> Option<Quote> {
    Quote::presented(extensions.get(EXTENSION)?.get("info")?.get("quote")?.as_str()?)
}
