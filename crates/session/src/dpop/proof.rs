//! What a proof proves, and the checks that it does.

use super::{AGE_SECS_MAX, AHEAD_SECS_MAX, Error, JTI_BYTES_MAX, header, target};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// The request that a proof is made for, or came with.
///
/// A server fills it with what it knows of the request itself: its own public URL, never the `Host` header alone.
/// `Debug` does not show the token.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) url: &'a str,
    pub(super) token: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// A request without a token. Method as HTTP writes it (`GET`); an absolute URL, whose query and fragment do not
    /// matter. A WebSocket is opened by `GET`; `wss` means `https`, and `ws` means `http`.
    pub const fn new(method: &'a str, url: &'a str) -> Self {
        Self { method, url, token: None }
    }

    /// The same request, presenting this token.
    #[must_use]
    pub const fn with_token(self, token: &'a str) -> Self {
        Self { token: Some(token), ..self }
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("method", &self.method).finish_non_exhaustive()
    }
}

/// A proof that held: who made it, which one it is, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The RFC 7638 thumbprint of the key that made it, as in `cnf.jkt`.
    pub jkt: String,
    /// Its id, chosen by the client: 1 to [`JTI_BYTES_MAX`] printable ASCII characters.
    pub jti: String,
    /// When it was made, in Unix seconds by the client's clock.
    pub iat: u64,
}

impl Proof {
    /// Under which key the use of this proof is remembered, for [`REPLAY_SECS`](super::REPLAY_SECS): bounded, and
    /// different for each proof of each key, so that nobody uses up another's ids.
    pub fn replay_key(&self) -> String {
        let hash = Sha256::new().chain_update(&self.jkt).chain_update(".").chain_update(&self.jti).finalize();
        format!("dpop:{}", URL_SAFE_NO_PAD.encode(hash))
    }
}

/// Verifies the proof that came with a request, at `now_secs` (Unix seconds).
///
/// The checks run in this order: form, header, `typ`, `alg`, `jwk`, signature, the claims' form, `htm`, `htu`, `iat`,
/// `ath`. That a proof is used once is for the caller to see to: [`Proof::replay_key`]. With a token,
/// [`verify_bound`] is the function to call; this one says only which key made the proof.
pub fn verify(proof: &str, request: &Request<'_>, now_secs: u64) -> Result<Proof, Error> {
    let (key, claims) = header::open(proof)?;
    let claims = Claims::read(&claims)?;
    if claims.htm != request.method {
        return Err(Error::Method);
    }
    if target::normal(claims.htu)? != target::normal(request.url)? {
        return Err(Error::Url);
    }
    if claims.iat > now_secs.saturating_add(AHEAD_SECS_MAX) {
        return Err(Error::NotYetValid);
    }
    if claims.iat.saturating_add(AGE_SECS_MAX) < now_secs {
        return Err(Error::Expired);
    }
    // Both or neither: a proof made for a token says nothing about a request without it.
    if claims.ath != request.token.map(token_hash).as_deref() {
        return Err(Error::Token);
    }
    Ok(Proof { jkt: key.kid().to_owned(), jti: claims.jti.to_owned(), iat: claims.iat })
}

/// Verifies the proof that came with a request, and that the key the token is bound to made it: `jkt` is the token's
/// `cnf.jkt` ([`Claims::jkt`](crate::Claims::jkt)), and the request has [that token](Request::with_token).
pub fn verify_bound(proof: &str, request: &Request<'_>, jkt: &str, now_secs: u64) -> Result<Proof, Error> {
    if request.token.is_none() {
        return Err(Error::Token);
    }
    let proof = verify(proof, request, now_secs)?;
    if proof.jkt == jkt { Ok(proof) } else { Err(Error::Binding) }
}

/// `ath`: base64url of the SHA-256 of the token as it is sent.
pub(super) fn token_hash(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(token))
}

/// A `jti` that is stored and logged without harm.
pub(super) fn is_jti(jti: &str) -> bool {
    (1..=JTI_BYTES_MAX).contains(&jti.len()) && jti.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
}

/// The claims of a proof, in their form; none is compared with anything yet.
struct Claims<'a> {
    jti: &'a str,
    htm: &'a str,
    htu: &'a str,
    iat: u64,
    ath: Option<&'a str>,
}

impl<'a> Claims<'a> {
    fn read(claims: &'a Map<String, Value>) -> Result<Self, Error> {
        let text = |name: &'static str| claims.get(name).and_then(Value::as_str).ok_or(Error::Claims(name));
        let jti = text("jti")?;
        if !is_jti(jti) {
            return Err(Error::Claims("jti"));
        }
        let iat = claims.get("iat").and_then(Value::as_u64).filter(|iat| *iat < 1 << 53);
        Ok(Self {
            jti,
            htm: text("htm")?,
            htu: text("htu")?,
            iat: iat.ok_or(Error::Claims("iat"))?,
            ath: if claims.contains_key("ath") { Some(text("ath")?) } else { None },
        })
    }
}
