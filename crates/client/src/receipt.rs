//! Usage receipts: what the facilitator has signed about a session.

use crate::Error;
use tollwire_session::{KeySet, ReceiptClaims};

/// A usage receipt whose signature was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    jws: String,
    claims: ReceiptClaims,
}

impl Receipt {
    /// Verifies a receipt: that `issuer` signed it with one of these keys, whenever that was.
    pub fn verify(jws: &str, keys: &KeySet, issuer: &str) -> Result<Self, Error> {
        let jws = jws.trim_ascii();
        Ok(Self { claims: ReceiptClaims::verify(jws, keys, issuer)?, jws: jws.to_owned() })
    }

    /// The receipt as it was signed: a compact JWS. Anybody can verify it against the facilitator's published keys.
    pub fn as_str(&self) -> &str {
        &self.jws
    }

    /// What it says.
    pub fn claims(&self) -> &ReceiptClaims {
        &self.claims
    }
}
