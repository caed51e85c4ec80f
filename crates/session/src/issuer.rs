//! The side that signs.

use crate::{
    CONTROL_TYPE, Claims, ControlClaims, ControlMessage, Error, RECEIPT_TYPE, ReceiptClaims, SESSION_TYPE,
    STREAM_TYPE, SigningKey, StreamClaims, jws,
};
use tollwire_x402::SessionId;

/// Signs tokens in one issuer's name with one key.
#[derive(Debug, Clone)]
pub struct Issuer {
    key: SigningKey,
    name: String,
    audience: String,
}

impl Issuer {
    /// An issuer by its name (`iss`) and the audience of its session tokens (`aud`: the facilitator's `public_url`).
    pub fn new(key: SigningKey, issuer: String, audience: String) -> Self {
        Self { key, name: issuer, audience }
    }

    /// The `iss` that claims must carry.
    pub fn issuer(&self) -> &str {
        &self.name
    }

    /// The `aud` that session claims must carry.
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// The key that signs.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Signs a session token. Claims that a verifier would refuse are refused here, with the same error.
    pub fn issue(&self, claims: &Claims) -> Result<String, Error> {
        if claims.iss != self.name {
            return Err(Error::Issuer);
        }
        if claims.aud != self.audience {
            return Err(Error::Audience);
        }
        claims.check()?;
        jws::sign(&self.key, SESSION_TYPE, &claims.to_json()?)
    }

    /// Signs a stream token; its audience is its feed.
    pub fn issue_stream(&self, claims: &StreamClaims) -> Result<String, Error> {
        if claims.iss != self.name {
            return Err(Error::Issuer);
        }
        if claims.aud != claims.feed.as_str() {
            return Err(Error::Audience);
        }
        claims.check()?;
        jws::sign(&self.key, STREAM_TYPE, &claims.to_json()?)
    }

    /// Signs a usage receipt.
    pub fn issue_receipt(&self, claims: &ReceiptClaims) -> Result<String, Error> {
        if claims.iss != self.name {
            return Err(Error::Issuer);
        }
        claims.check()?;
        jws::sign(&self.key, RECEIPT_TYPE, &claims.to_json()?)
    }

    /// Signs a control message for a stream of this session, at `now_secs` (Unix seconds): the value of its `jws`.
    pub fn issue_control(
        &self,
        session: &SessionId,
        message: &ControlMessage<'_>,
        now_secs: u64,
    ) -> Result<String, Error> {
        let claims = ControlClaims::new(self.name.clone(), session.clone(), now_secs, message);
        claims.check()?;
        jws::sign(&self.key, CONTROL_TYPE, &claims.to_json()?)
    }
}
