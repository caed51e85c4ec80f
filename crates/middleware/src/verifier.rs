//! `verify_session_token`: offline, by the keys at hand.

use crate::builder::VerifierBuilder;
use crate::refresh::Refresh;
use crate::replay::{Opening, Replays};
use crate::{SessionContext, VerifyError};
use std::fmt;
use std::sync::Arc;
use tollwire_session::{Verifier as Tokens, dpop};
use tollwire_x402::FeedId;

/// Which tokens a provider takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Accept {
    /// The stream tokens of the proxy in front of the provider, each once. The proxy meters; an agent's own token,
    /// stolen or shown to the provider directly, opens nothing.
    #[default]
    StreamTokens,
    /// The agents' own session tokens. A token proves who paid, not how much is left: a provider that takes these
    /// meters itself or asks [`OnlineCheck`](crate::OnlineCheck).
    SessionTokens,
}

/// Verifies tokens of one facilitator. Cheap to clone; clones share keys and memory.
///
/// Verifying is a pure computation on keys at hand: no network, no file, no waiting. Keys that come from a URL are
/// refreshed by a task that ends with the last clone.
#[derive(Clone)]
pub struct Verifier {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) accept: Accept,
    pub(crate) openings: Replays<Opening>,
    pub(crate) proofs: Replays<String>,
    pub(crate) now: Arc<dyn Fn() -> u64 + Send + Sync>,
    pub(crate) refresh: Option<Refresh>,
    pub(crate) public_url: String,
}

impl Verifier {
    /// Starts building a verifier for the facilitator with this `public_url`, which is both `iss` and `aud` of its
    /// tokens.
    pub fn builder(public_url: &str) -> VerifierBuilder {
        VerifierBuilder::new(public_url)
    }

    pub(crate) fn assemble(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// Which tokens this verifier takes.
    pub fn accepts(&self) -> Accept {
        self.inner.accept
    }

    /// Verifies a token for a feed: who opens what, or why not.
    ///
    /// A stream token is used up by being accepted. A session token that is bound to a key (DPoP, RFC 9449) is not
    /// accepted here but by [`verify_bound`](Self::verify_bound): alone it may be stolen, so the answer is
    /// [`VerifyError::ProofRequired`].
    pub fn verify_session_token(&self, token: &str, feed: &FeedId) -> Result<SessionContext, VerifyError> {
        let now = (self.inner.now)();
        self.noted(
            feed,
            match self.inner.accept {
                Accept::StreamTokens => self.verify_stream(token, feed, now),
                Accept::SessionTokens => self.verify_session(token, feed, now),
            },
        )
    }

    /// Verifies a session token that came as `Authorization: DPoP`: that it admits to the feed, and that the key it is
    /// bound to made the request's `DPoP` header, `proof`, for this very request, within a minute, and for the first
    /// time.
    ///
    /// `method` is the request's (a WebSocket is opened by `GET`). `url` is the one that agents open, as the provider
    /// publishes it, without regard to the `Host` header; `wss` and `https` are one, query and fragment do not matter.
    ///
    /// Which proofs were used is the process's own memory: a provider with several processes, or one that restarts, can
    /// see a proof once per process within its minute.
    pub fn verify_bound(
        &self,
        token: &str,
        feed: &FeedId,
        proof: &str,
        method: &str,
        url: &str,
    ) -> Result<SessionContext, VerifyError> {
        let request = dpop::Request::new(method, url).with_token(token);
        self.noted(feed, self.verify_proven(token, feed, proof, &request))
    }

    fn verify_stream(&self, token: &str, feed: &FeedId, now: u64) -> Result<SessionContext, VerifyError> {
        let claims = self.inner.tokens.verify_stream(token, feed, now)?;
        let opening = (claims.jti.clone(), claims.stream.clone(), claims.fence);
        if self.inner.openings.first(opening, now)? { Ok(claims.into()) } else { Err(VerifyError::Replayed) }
    }

    fn verify_session(&self, token: &str, feed: &FeedId, now: u64) -> Result<SessionContext, VerifyError> {
        let claims = self.inner.tokens.verify_for(token, feed, now)?;
        if claims.jkt.is_some() { Err(VerifyError::ProofRequired) } else { Ok(claims.into()) }
    }

    fn verify_proven(
        &self,
        token: &str,
        feed: &FeedId,
        proof: &str,
        request: &dpop::Request<'_>,
    ) -> Result<SessionContext, VerifyError> {
        if self.inner.accept == Accept::StreamTokens {
            return Err(VerifyError::NotBound);
        }
        let now = (self.inner.now)();
        let claims = self.inner.tokens.verify_for(token, feed, now)?;
        let jkt = claims.jkt.as_deref().ok_or(VerifyError::NotBound)?;
        let proof = dpop::verify_bound(proof, request, jkt, now)?;
        let first = self.inner.proofs.first(proof.replay_key(), now)?;
        if first { Ok(claims.into()) } else { Err(VerifyError::ProofReplayed) }
    }

    /// Notes a refusal, and asks for newer keys if that may have been the reason.
    fn noted(
        &self,
        feed: &FeedId,
        verified: Result<SessionContext, VerifyError>,
    ) -> Result<SessionContext, VerifyError> {
        if let Err(error) = &verified {
            if let (VerifyError::Token(tollwire_session::Error::UnknownKey), Some(refresh)) =
                (error, &self.inner.refresh)
            {
                refresh.nudge();
            }
            tracing::debug!(%feed, reason = error.name(), "token refused");
        }
        verified
    }

    /// What a request without a token is told.
    pub(crate) fn missing(&self, feed: &FeedId) -> VerifyError {
        match self.inner.accept {
            Accept::StreamTokens => VerifyError::Missing,
            Accept::SessionTokens => VerifyError::PaymentRequired {
                session_url: format!("{}/feeds/{feed}/session", self.inner.public_url),
            },
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("public_url", &self.inner.public_url)
            .field("accept", &self.inner.accept)
            .field("keys", &self.inner.tokens.keys())
            .finish_non_exhaustive()
    }
}
