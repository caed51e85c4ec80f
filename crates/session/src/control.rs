//! What makes an in-band control message the facilitator's own word, and not the upstream's.
//!
//! On a stream with `?control=v1`, facilitator and upstream share one sequence of text frames. Each control message of
//! the facilitator carries a `jws` that binds its `type`, its `id` and the bytes of its `data` to one session and one
//! moment; nobody else can make one.

use crate::reader::Reader;
use crate::{Error, KeySet};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tollwire_x402::SessionId;

/// The `typ` of the signature of a control message.
pub const CONTROL_TYPE: &str = "tollwire-control+jwt";

/// How far from the reader's clock a control message's may be, in either direction, in seconds: 5 minutes.
pub const CONTROL_SECS_MAX: u64 = 5 * 60;

/// The longest `type` and the longest `id` of a control message, in printable ASCII characters.
pub const CONTROL_NAME_MAX: usize = 64;

/// A control message: the three members that are signed.
///
/// `data` is the exact text of the member's value, as it is sent or as it was received: its bytes are hashed, so it
/// must not be written anew from what was parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlMessage<'a> {
    /// `type`, such as `x402/payment-required`.
    pub kind: &'a str,
    /// `id`: 1 to [`CONTROL_NAME_MAX`] printable ASCII characters, or none where the member is `null`.
    pub id: Option<&'a str>,
    /// `data`, as raw JSON text.
    pub data: &'a str,
}

/// The claims of a control message's signature, all required.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlClaims {
    /// `iss`: the facilitator.
    pub iss: String,
    /// `aud`: the session whose stream the message is on.
    pub aud: SessionId,
    /// `iat`: when it was signed, in Unix seconds.
    pub iat: u64,
    /// `type`: the message's.
    pub kind: String,
    /// `id`: the message's; JSON's `null` where it has none.
    pub id: Option<String>,
    /// `sha256`: base64url of the SHA-256 of the UTF-8 bytes of the value of `data`.
    pub sha256: String,
}

impl ControlClaims {
    /// The claims for a message on a stream of this session.
    pub fn new(iss: String, aud: SessionId, iat: u64, message: &ControlMessage<'_>) -> Self {
        let id = message.id.map(str::to_owned);
        Self { iss, aud, iat, kind: message.kind.to_owned(), id, sha256: hash(message.data) }
    }

    /// Verifies the `jws` of a received message: that this issuer signed this very message with one of these keys, for
    /// this session, and within [`CONTROL_SECS_MAX`] of `now_secs`.
    ///
    /// That an `id` is answered once is for the caller to see to.
    pub fn verify(
        jws: &str,
        keys: &KeySet,
        issuer: &str,
        session: &SessionId,
        message: &ControlMessage<'_>,
        now_secs: u64,
    ) -> Result<Self, Error> {
        let payload = keys.open(jws, CONTROL_TYPE, issuer)?;
        if payload.get("aud").and_then(Value::as_str) != Some(session.as_str()) {
            return Err(Error::Audience);
        }
        let claims = Self::read(&payload)?;
        if claims.iat > now_secs.saturating_add(CONTROL_SECS_MAX) {
            return Err(Error::NotYetValid);
        }
        if claims.iat.saturating_add(CONTROL_SECS_MAX) < now_secs {
            return Err(Error::Expired);
        }
        for (name, same) in [
            ("type", claims.kind == message.kind),
            ("id", claims.id.as_deref() == message.id),
            ("data", claims.sha256 == hash(message.data)),
        ] {
            if !same {
                return Err(Error::Content(name));
            }
        }
        Ok(claims)
    }

    fn read(payload: &Map<String, Value>) -> Result<Self, Error> {
        let reader = Reader::new(payload);
        let claims = Self {
            iss: reader.text("iss")?.to_owned(),
            aud: reader.parsed("aud")?,
            iat: reader.integer("iat")?,
            kind: reader.text("type")?.to_owned(),
            id: reader.text_or_null("id")?.map(str::to_owned),
            sha256: reader.text("sha256")?.to_owned(),
        };
        claims.check()?;
        Ok(claims)
    }

    /// What must hold of any control message's claims, whoever reads or writes them.
    pub(crate) fn check(&self) -> Result<(), Error> {
        crate::claims::check_integer("iat", self.iat)?;
        if !is_name(&self.kind) {
            return Err(Error::Claims("type"));
        }
        if self.id.as_deref().is_some_and(|id| !is_name(id)) {
            return Err(Error::Claims("id"));
        }
        crate::claims::check_hash("sha256", &self.sha256)
    }

    /// The claims as JSON, in the order of the documentation.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, Error> {
        let wire = Wire {
            iss: &self.iss,
            aud: &self.aud,
            iat: self.iat,
            kind: &self.kind,
            id: self.id.as_deref(),
            sha256: &self.sha256,
        };
        serde_json::to_vec(&wire).map_err(|_| Error::Malformed)
    }
}

fn hash(data: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(data))
}

fn is_name(text: &str) -> bool {
    (1..=CONTROL_NAME_MAX).contains(&text.len()) && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
}

#[derive(Serialize)]
struct Wire<'a> {
    iss: &'a str,
    aud: &'a SessionId,
    iat: u64,
    #[serde(rename = "type")]
    kind: &'a str,
    id: Option<&'a str>,
    sha256: &'a str,
}
