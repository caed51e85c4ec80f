//! What an operator proves itself with.

use super::answer::{Answer, Problem};
use super::credentials::bearer;
use crate::error::Error;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The admin token; only its hash is kept.
#[derive(Clone)]
pub struct AdminToken([u8; 32]);

impl AdminToken {
    /// From the configured secret.
    pub fn new(secret: &str) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// Whether a request's `Authorization` shows it. Compared in constant time, whatever the lengths. Another scheme, or the
    /// header twice, is an error.
    pub fn admits(&self, headers: &HeaderMap) -> Result<bool, Error> {
        let Some(presented) = bearer(headers)? else { return Ok(false) };
        let presented: [u8; 32] = Sha256::digest(presented).into();
        Ok(bool::from(self.0.ct_eq(&presented)))
    }

    /// The answer to a request without it.
    pub fn missing() -> Answer {
        Problem::new(StatusCode::UNAUTHORIZED, "admin-token", "send the admin token as Authorization: Bearer")
            .header(WWW_AUTHENTICATE, "Bearer")
            .into_answer()
    }
}

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminToken(..)")
    }
}
