//! A verifier and a feed: all that is needed to admit requests.

use crate::token::{extract_token, strip_token};
use crate::{SessionContext, Verifier, VerifyError};
use http::request;
use tollwire_x402::FeedId;

/// Admits requests to one feed.
#[derive(Debug, Clone)]
pub struct FeedGate {
    verifier: Verifier,
    feed: FeedId,
}

impl FeedGate {
    /// A gate for this feed.
    pub fn new(verifier: Verifier, feed: FeedId) -> Self {
        Self { verifier, feed }
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
        let context = self.verifier.verify_session_token(token, &self.feed)?;
        strip_token(head);
        head.extensions.insert(context.clone());
        Ok(context)
    }
}
