//! What a stream token says: the short-lived token our proxy shows a provider instead of the agent's own.

use crate::Error;
use crate::claims::{check_integer, check_life, check_subject};
use crate::reader::Reader;
use serde::Serialize;
use serde_json::{Map, Value};
use tollwire_x402::{FeedId, SessionId, StreamId};

/// The `typ` of a stream token.
pub const STREAM_TYPE: &str = "tollwire-stream+jwt";

/// The longest a stream token may be valid, in seconds: long enough to dial, too short to be worth stealing.
pub const STREAM_SECS_MAX: u64 = 60;

/// The claims of a stream token, all required. Times are Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamClaims {
    /// `iss`: the facilitator that issued the token.
    pub iss: String,
    /// `aud`: the feed, so that no other upstream can use the token.
    pub aud: String,
    /// `sub`: the payer's address.
    pub sub: String,
    /// `jti`: the session the stream belongs to.
    pub jti: SessionId,
    /// `stream`: the stream, named by the agent or by us.
    pub stream: StreamId,
    /// `fence`: which opening of that stream. An agent may re-open a stream by its id; a provider accepts each
    /// opening once.
    pub fence: u64,
    /// `feed`: the feed, as in `aud`.
    pub feed: FeedId,
    /// `iat`: when it was issued.
    pub iat: u64,
    /// `exp`: not valid from then on; at most [`STREAM_SECS_MAX`] after `iat`.
    pub exp: u64,
}

impl StreamClaims {
    /// Reads the claims of a payload whose signature has been verified.
    pub(crate) fn read(payload: &Map<String, Value>) -> Result<Self, Error> {
        let reader = Reader::new(payload);
        let claims = Self {
            iss: reader.text("iss")?.to_owned(),
            aud: reader.text("aud")?.to_owned(),
            sub: reader.text("sub")?.to_owned(),
            jti: reader.parsed("jti")?,
            stream: reader.parsed("stream")?,
            fence: reader.integer("fence")?,
            feed: reader.parsed("feed")?,
            iat: reader.integer("iat")?,
            exp: reader.integer("exp")?,
        };
        claims.check()?;
        Ok(claims)
    }

    /// What must hold of any stream token's claims, whoever reads or writes them.
    pub(crate) fn check(&self) -> Result<(), Error> {
        check_subject(&self.sub)?;
        check_integer("fence", self.fence)?;
        check_life(self.iat, self.exp, STREAM_SECS_MAX)
    }

    /// The claims as JSON, in the order of the documentation.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, Error> {
        let wire = Wire {
            iss: &self.iss,
            aud: &self.aud,
            sub: &self.sub,
            jti: &self.jti,
            stream: &self.stream,
            fence: self.fence,
            feed: &self.feed,
            iat: self.iat,
            exp: self.exp,
        };
        serde_json::to_vec(&wire).map_err(|_| Error::Malformed)
    }
}

#[derive(Serialize)]
struct Wire<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    jti: &'a SessionId,
    stream: &'a StreamId,
    fence: u64,
    feed: &'a FeedId,
    iat: u64,
    exp: u64,
}
