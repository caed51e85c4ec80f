//! What can be wrong with a token, a key or a key set.

/// Why a token was refused, or a key could not be used.
///
/// No variant carries a byte of the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not a compact JWS of two JSON objects in unpadded base64url, longer than
    /// [`TOKEN_BYTES_MAX`](crate::TOKEN_BYTES_MAX), or an object names a member twice.
    #[error("the token is malformed")]
    Malformed,
    /// The header carries a member that could choose another key or another reading of the token.
    #[error("the token's header carries {0:?}, which is refused")]
    Header(&'static str),
    /// The header's `alg` is not the one the key is for.
    #[error("the token's algorithm is not its key's")]
    Algorithm,
    /// No key of the key set has the header's `kid`, or there is no usable `kid`.
    #[error("the token's key is not known")]
    UnknownKey,
    /// The signature does not verify.
    #[error("the token's signature does not verify")]
    Signature,
    /// `typ` is not the one this verifier is for.
    #[error("the token is of another type")]
    Type,
    /// `iss` is somebody else.
    #[error("the token is from another issuer")]
    Issuer,
    /// `aud` is somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// This claim is missing, or has another type or form than it must.
    #[error("the token's claim {0:?} is missing or ill-formed")]
    Claims(&'static str),
    /// `nbf` or `iat` lies ahead by more than the leeway.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `exp` has passed by the leeway or more.
    #[error("the token has expired")]
    Expired,
    /// The token admits to another feed.
    #[error("the token is for another feed")]
    WrongFeed,
    /// The signature of a control message is for another `type`, `id` or `data` than this one.
    #[error("the signature is for a message with another {0}")]
    Content(&'static str),
    /// A key or key set cannot be read or used; the text says what is expected.
    #[error("the key cannot be used: {0}")]
    Key(&'static str),
}

impl Error {
    /// The HTTP status that refuses an upgrade for this reason.
    ///
    /// 401: the token proves nothing here (not ours, not for us, unreadable). 403: a genuine token that does not
    /// admit: expired, not valid yet, another feed. 500 for [`Error::Key`], which no token can cause.
    pub const fn http_status(&self) -> u16 {
        match self {
            Self::Malformed
            | Self::Header(_)
            | Self::Algorithm
            | Self::UnknownKey
            | Self::Signature
            | Self::Type
            | Self::Issuer
            | Self::Audience
            | Self::Claims(_)
            | Self::Content(_) => 401,
            Self::NotYetValid | Self::Expired | Self::WrongFeed => 403,
            Self::Key(_) => 500,
        }
    }

    /// A stable name for logs, metrics and the shared token vectors.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Header(_) => "header",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Type => "type",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Claims(_) => "claims",
            Self::NotYetValid => "not_yet_valid",
            Self::Expired => "expired",
            Self::WrongFeed => "wrong_feed",
            Self::Content(_) => "content",
            Self::Key(_) => "key",
        }
    }
}
