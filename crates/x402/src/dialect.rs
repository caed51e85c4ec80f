//! The two versions of x402 that clients speak, kept apart only here and at the edge.

use crate::{Network, header};

/// Which version of x402 a request speaks. It is answered in the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `X-PAYMENT`, v1 network names.
    V1,
    /// `PAYMENT-SIGNATURE`, CAIP-2 networks.
    V2,
}

impl Dialect {
    /// The header a payment arrives in.
    pub const fn request_header(self) -> &'static str {
        match self {
            Self::V1 => header::X_PAYMENT,
            Self::V2 => header::PAYMENT_SIGNATURE,
        }
    }

    /// The header its settlement is answered in.
    pub const fn response_header(self) -> &'static str {
        match self {
            Self::V1 => header::X_PAYMENT_RESPONSE,
            Self::V2 => header::PAYMENT_RESPONSE,
        }
    }

    /// A network as this dialect writes it.
    pub fn network(self, network: Network) -> String {
        match self {
            Self::V1 => network.v1_name().map_or_else(|| network.to_string(), str::to_owned),
            Self::V2 => network.to_string(),
        }
    }
}
