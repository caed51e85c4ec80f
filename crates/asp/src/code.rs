//! Codes of error frames.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {
        /// What an error frame says.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $word)] $name,)*
        }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// As it stands in frames.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

codes! {
    /// The token is not good here. Closes with 4001.
    AuthFailed = "auth_failed";
    /// The first frame was no `auth`, or none came in time. Closes with 4001.
    AuthRequired = "auth_required";
    /// The token has ended. Closes with 4001.
    TokenExpired = "token_expired";
    /// The proof is not good. Closes with 4001.
    DpopInvalid = "dpop_invalid";
    /// The proof was used before: mint a new one. Closes with 4001.
    DpopReplayed = "dpop_replayed";
    /// Not a participant. Closes with 4003.
    Forbidden = "forbidden";
    /// No such session. Closes with 4004.
    SessionNotFound = "session_not_found";
    /// `lastSequence` lies beyond the session's head. Closes with 1008.
    SequenceAhead = "sequence_ahead";
    /// What comes before `data.firstSequence` is gone.
    HistoryTruncated = "history_truncated";
    /// Not a frame.
    InvalidFrame = "invalid_frame";
    /// The envelope is not as it must be.
    SchemaViolation = "schema_violation";
    /// A version of the protocol that is not spoken here.
    UnsupportedVersion = "unsupported_version";
    /// Not where the session stands.
    InvalidStateTransition = "invalid_state_transition";
    /// Not by this participant, or not in this session.
    ForbiddenPerformative = "forbidden_performative";
    /// The session asks for more trust.
    InsufficientTrustScore = "insufficient_trust_score";
    /// `integrity.previousHash` is not the head's hash.
    HashChainError = "hash_chain_error";
    /// The same `id` was used for something else.
    IdempotencyConflict = "idempotency_conflict";
    /// The message is too long.
    PayloadTooLarge = "payload_too_large";
    /// Too many messages, or too many connections.
    RateLimited = "rate_limited";
    /// The session is over.
    SessionClosed = "session_closed";
    /// Our fault; the message may or may not be in the session. The same `id` again finds out.
    InternalError = "internal_error";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
