//! A verifier and a feed: all that is needed to admit requests.

use crate::token::{extract_proof, extract_token, strip_token};
use crate::{SessionContext, Verifier, VerifyError};
use http::request;
use tollwire_x402::FeedId;

/// Admits requests to one feed.
#[derive(Debug, Clone)]
pub struct FeedGate {
    verifier: Verifier,
    feed: FeedId,
    url: Option<String>,
}

impl FeedGate {
    /// A gate for this feed.
    pub fn new(verifier: Verifier, feed: FeedId) -> Self {
        Self { verifier, feed, url: None }
    }

    /// The same gate, which also takes session tokens that are bound to a key, with their DPoP proofs.
    ///
    /// `url` is the one that agents open, as it is published (`https` or `wss`): proofs are made for it. Without it, such
    /// a token is refused with [`VerifyError::ProofRequired`].
    #[must_use]
    pub fn at(self, url: &str) -> Self {
        Self { url: Some(url.to_owned()), ..self }
    }

    /// The feed.
    pub fn feed(&self) -> &FeedId {
        &self.feed
    }

    /// Admits a request by its head, or says why not.
    ///
    /// On success the token is gone from the head, so that nothing behind can log or forward it, and the
    /// [`SessionContext`] is in its extensions. Asking again about an admitted request gives the same answer.
    pub fn admit(&self, head: &mut request::Parts) -> Result<SessionContext, VerifyError> {
        if let Some(context) = head.extensions.get::<SessionContext>()
            && context.feed == self.feed
        {
            return Ok(context.clone());
        }
        let token = extract_token(head)?.ok_or_else(|| self.verifier.missing(&self.feed))?;
        let context = match (extract_proof(head)?, &self.url) {
            (Some(proof), Some(url)) => {
                self.verifier.verify_bound(token, &self.feed, proof, head.method.as_str(), url)?
            }
            (Some(_), None) => return Err(VerifyError::ProofRequired),
            (None, _) => self.verifier.verify_session_token(token, &self.feed)?,
        };
        strip_token(head);
        head.extensions.insert(context.clone());
        Ok(context)
    }
}
