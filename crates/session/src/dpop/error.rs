//! Why a proof was refused.

/// Why a proof was refused. No variant carries a byte of the proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not a compact JWS of two JSON objects in unpadded base64url, longer than
    /// [`PROOF_BYTES_MAX`](super::PROOF_BYTES_MAX), or an object names a member twice.
    #[error("the DPoP proof is malformed")]
    Malformed,
    /// The header carries a member that could choose another key or another reading of the proof.
    #[error("the DPoP proof's header carries {0:?}, which is refused")]
    Header(&'static str),
    /// `typ` is not `dpop+jwt`.
    #[error("the DPoP proof's typ is not dpop+jwt")]
    Type,
    /// `alg` is neither `EdDSA` nor `ES256`, or not the one of the key in the header.
    #[error("the DPoP proof's algorithm is not its key's; use EdDSA with Ed25519, or ES256")]
    Algorithm,
    /// `jwk` is missing or not usable; the text says what is expected.
    #[error("the DPoP proof's jwk cannot be used: {0}")]
    Key(&'static str),
    /// The signature does not verify with the key in the header.
    #[error("the DPoP proof's signature does not verify")]
    Signature,
    /// This claim is missing, or has another type or form than it must.
    #[error("the DPoP proof's claim {0:?} is missing or ill-formed")]
    Claims(&'static str),
    /// `htm` is not the request's method.
    #[error("the DPoP proof is for another method")]
    Method,
    /// `htu` is not the request's URL, or one of the two is no URL.
    #[error("the DPoP proof is for another URL")]
    Url,
    /// `iat` lies ahead by more than [`AHEAD_SECS_MAX`](super::AHEAD_SECS_MAX).
    #[error("the DPoP proof's iat lies ahead; check the clock")]
    NotYetValid,
    /// `iat` is older than [`AGE_SECS_MAX`](super::AGE_SECS_MAX).
    #[error("the DPoP proof is too old; make one for each request, and check the clock")]
    Expired,
    /// `ath` is missing or not the hash of the token presented, or there is one and no token was presented.
    #[error("the DPoP proof is not for the token presented")]
    Token,
    /// The proof is by another key than the token is bound to.
    #[error("the DPoP proof is by another key than the token is bound to")]
    Binding,
}

impl Error {
    /// The HTTP status of the refusal: 401. RFC 9449 section 7.1 wants
    /// `WWW-Authenticate: DPoP error="invalid_dpop_proof"` beside it.
    pub const fn http_status(&self) -> u16 {
        401
    }

    /// A stable name for logs, metrics and the shared vectors.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Malformed => "proof_malformed",
            Self::Header(_) => "proof_header",
            Self::Type => "proof_type",
            Self::Algorithm => "proof_algorithm",
            Self::Key(_) => "proof_key",
            Self::Signature => "proof_signature",
            Self::Claims(_) => "proof_claims",
            Self::Method => "proof_method",
            Self::Url => "proof_url",
            Self::NotYetValid => "proof_not_yet_valid",
            Self::Expired => "proof_expired",
            Self::Token => "proof_token",
            Self::Binding => "proof_binding",
        }
    }
}
