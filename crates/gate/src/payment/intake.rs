//! Reading a payment off a request's headers. Nothing here trusts a byte of it.

use super::{Claim, Dialect, Proofs};
use crate::error::Error;
use crate::offers::EXTENSION;
use crate::quote::Quote;
use crate::siwx::SignIn;
use http::HeaderMap;
use serde_json::Value;
use tollwire_x402::v2::{Extra, PaymentRequirements};
use tollwire_x402::{Network, header, v1, v2};

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
        let v2 = single(headers, header::PAYMENT_SIGNATURE)?;
        let v1 = single(headers, header::X_PAYMENT)?;
        let mut presented = match (v2, v1) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                return Err(Error::malformed(
                    header::X_PAYMENT,
                    "send either payment-signature (v2) or x-payment (v1), not both",
                ));
            }
            (Some(value), None) => Self::v2(value)?,
            (None, Some(value)) => Self::v1(value)?,
        };
        presented.proofs.claim = Claim::read(headers)?;
        presented.proofs.sign_in =
            single(headers, header::SIGN_IN_WITH_X)?.map(SignIn::decode).transpose()?;
        Ok(Some(presented))
    }

    fn v2(value: &[u8]) -> Result<Self, Error> {
        Self::from_v2(header::PAYMENT_SIGNATURE, header::decode(header::PAYMENT_SIGNATURE, value)?)
    }

    /// A v2 payment, whatever it arrived in; `carrier` names that in errors.
    pub(crate) fn from_v2(carrier: &'static str, payment: v2::PaymentPayload) -> Result<Self, Error> {
        expect_version(carrier, payment.x402_version, v2::VERSION)?;
        let quote = payment.extensions.as_ref().and_then(echoed_quote);
        Ok(Self {
            dialect: Dialect::V2,
            scheme: payment.accepted.scheme.clone(),
            network_text: payment.accepted.network.clone(),
            network: payment.accepted.known_network(),
            accepted: Some(payment.accepted),
            payload: payment.payload,
            proofs: Proofs { quote, ..Proofs::default() },
        })
    }

    fn v1(value: &[u8]) -> Result<Self, Error> {
        let payment: v1::PaymentPayload = header::decode(header::X_PAYMENT, value)?;
        expect_version(header::X_PAYMENT, payment.x402_version, v1::VERSION)?;
        Ok(Self {
            dialect: Dialect::V1,
            scheme: payment.scheme,
            network: Network::from_v1_name(&payment.network).ok(),
            network_text: payment.network,
            accepted: None,
            payload: payment.payload,
            proofs: Proofs::default(),
        })
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

fn expect_version(carrier: &'static str, version: u8, expected: u8) -> Result<(), Error> {
    if version == expected {
        return Ok(());
    }
    Err(Error::malformed(carrier, format!("this carries x402Version {expected}")))
}

fn echoed_quote(extensions: &Extra) -> Option<Quote> {
    Quote::presented(extensions.get(EXTENSION)?.get("info")?.get("quote")?.as_str()?)
}
