//! A payment as it arrives: in one of two headers, of one of two versions.

use crate::{Dialect, Error, Network, header, v1, v2};
use serde_json::Value;

/// A well-formed payment; nothing more is known of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Payment {
    /// Of version 1.
    V1(v1::PaymentPayload),
    /// Of version 2.
    V2(Box<v2::PaymentPayload>),
}

impl Payment {
    /// The payment of a request, from the values of `PAYMENT-SIGNATURE` and `X-PAYMENT`.
    ///
    /// A request that pays in both is refused rather than guessed at: it could mean two payments.
    pub fn read(signature: Option<&[u8]>, x_payment: Option<&[u8]>) -> Result<Option<Self>, Error> {
        match (signature, x_payment) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(Error::Header {
                header: header::X_PAYMENT,
                expected: "beside payment-signature: send one of them",
            }),
            (Some(value), None) => {
                Self::v2(header::PAYMENT_SIGNATURE, header::decode(header::PAYMENT_SIGNATURE, value)?)
                    .map(Some)
            }
            (None, Some(value)) => {
                Self::v1(header::X_PAYMENT, header::decode(header::X_PAYMENT, value)?).map(Some)
            }
        }
    }

    /// A v1 payment, whatever it arrived in; `carrier` names that in errors.
    pub fn v1(carrier: &'static str, payment: v1::PaymentPayload) -> Result<Self, Error> {
        expect(carrier, payment.x402_version, v1::VERSION)?;
        Ok(Self::V1(payment))
    }

    /// A v2 payment, whatever it arrived in; `carrier` names that in errors.
    pub fn v2(carrier: &'static str, payment: v2::PaymentPayload) -> Result<Self, Error> {
        expect(carrier, payment.x402_version, v2::VERSION)?;
        Ok(Self::V2(Box::new(payment)))
    }

    /// Which version it speaks.
    pub const fn dialect(&self) -> Dialect {
        match self {
            Self::V1(_) => Dialect::V1,
            Self::V2(_) => Dialect::V2,
        }
    }

    /// The scheme it names.
    pub fn scheme(&self) -> &str {
        match self {
            Self::V1(payment) => &payment.scheme,
            Self::V2(payment) => &payment.accepted.scheme,
        }
    }

    /// The network as it names it.
    pub fn network_text(&self) -> &str {
        match self {
            Self::V1(payment) => &payment.network,
            Self::V2(payment) => &payment.accepted.network,
        }
    }

    /// That network, if we can name it.
    pub fn network(&self) -> Option<Network> {
        match self {
            Self::V1(payment) => Network::from_v1_name(&payment.network).ok(),
            Self::V2(payment) => payment.accepted.known_network(),
        }
    }

    /// The scheme's payload.
    pub fn payload(&self) -> &Value {
        match self {
            Self::V1(payment) => &payment.payload,
            Self::V2(payment) => &payment.payload,
        }
    }
}

fn expect(carrier: &'static str, version: u8, expected: u8) -> Result<(), Error> {
    if version == expected {
        return Ok(());
    }
    Err(Error::Message { message: carrier, detail: format!("this carries x402Version {expected}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_header_carries_its_own_version() {
        let of_v1 = |version: u8| {
            header::encode(&json!({
                "x402Version": version, "scheme": "exact", "network": "base-sepolia", "payload": {},
            }))
            .unwrap()
        };
        let of_v2 = |version: u8| {
            header::encode(&json!({
                "x402Version": version, "payload": {}, "accepted": {
                    "scheme": "exact", "network": "eip155:84532", "amount": "1", "asset": "0x0", "payTo": "0x0",
                    "maxTimeoutSeconds": 60,
                },
            }))
            .unwrap()
        };
        assert_eq!(Payment::read(None, None), Ok(None));
        for (signature, x_payment, dialect) in
            [(Some(of_v2(2)), None, Dialect::V2), (None, Some(of_v1(1)), Dialect::V1)]
        {
            let bytes = |value: &Option<String>| value.clone().map(String::into_bytes);
            let (signature, x_payment) = (bytes(&signature), bytes(&x_payment));
            let payment = Payment::read(signature.as_deref(), x_payment.as_deref()).unwrap().unwrap();
            assert_eq!((payment.dialect(), payment.network()), (dialect, Some(Network::BASE_SEPOLIA)));
        }
        assert!(Payment::read(Some(of_v2(1).as_bytes()), None).is_err());
        assert!(Payment::read(None, Some(of_v1(2).as_bytes())).is_err());
        assert!(Payment::read(Some(of_v2(2).as_bytes()), Some(of_v1(1).as_bytes())).is_err());
    }
}
