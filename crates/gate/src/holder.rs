//! Who holds a token: whoever has it, or, if it is bound to a key, whoever shows that key at every use (RFC 9449).

use crate::error::Error;
use crate::gate::Gate;
use crate::http::Credential;
use http::request::Parts;
use std::time::Duration;
use tollwire_session::{Claims, dpop};
use tollwire_x402::FeedId;

/// The header that carries a proof.
const PROOF: &str = "dpop";

/// How long a proof that was used is remembered.
const REMEMBERED: Duration = Duration::from_secs(dpop::REPLAY_SECS);

impl Gate {
    /// The claims of the token a request presents, if its holder may use it here and now. `path` is the resource asked
    /// for.
    pub(crate) async fn holder(
        &self,
        parts: &Parts,
        path: &str,
        credential: &Credential<'_>,
    ) -> Result<Claims, Error> {
        let claims = self.check_token(credential.token())?;
        self.check_holder(parts, path, credential, &claims).await?;
        Ok(claims)
    }

    /// The same, of a token that must admit to a feed.
    pub(crate) async fn holder_for(
        &self,
        parts: &Parts,
        path: &str,
        credential: &Credential<'_>,
        feed: &FeedId,
    ) -> Result<Claims, Error> {
        let claims = self.admit(credential.token(), feed)?;
        self.check_holder(parts, path, credential, &claims).await?;
        Ok(claims)
    }

    /// The claims of a token that may have expired, for whoever shows the key it is bound to; a token bound to none
    /// proves nothing once it has expired.
    pub(crate) async fn past_holder(
        &self,
        parts: &Parts,
        path: &str,
        credential: &Credential<'_>,
    ) -> Result<Claims, Error> {
        let claims = self.verifier.verify_past(credential.token())?;
        self.check_holder(parts, path, credential, &claims).await?;
        Ok(claims)
    }

    /// The thumbprint of the key whose proof came with a request that presents no token.
    pub(crate) async fn proven_key(&self, parts: &Parts, path: &str) -> Result<Option<String>, Error> {
        let Some(proof) = proof(parts)? else { return Ok(None) };
        let url = self.config.url(path);
        let request = dpop::Request::new(parts.method.as_str(), &url);
        let proof = dpop::verify(proof, &request, self.clock.now().secs())?;
        self.use_proof(&proof).await?;
        Ok(Some(proof.jkt))
    }

    async fn check_holder(
        &self,
        parts: &Parts,
        path: &str,
        credential: &Credential<'_>,
        claims: &Claims,
    ) -> Result<(), Error> {
        let Some(jkt) = &claims.jkt else {
            return if credential.is_by_key() { Err(Error::TokenNotBound) } else { Ok(()) };
        };
        let Some(proof) = proof(parts)?.filter(|_| credential.is_by_key()) else {
            return Err(Error::TokenBound);
        };
        let url = self.config.url(path);
        let request = dpop::Request::new(parts.method.as_str(), &url).with_token(credential.token());
        let proof = dpop::verify_bound(proof, &request, jkt, self.clock.now().secs())?;
        self.use_proof(&proof).await
    }

    /// A proof serves once, on whichever node.
    async fn use_proof(&self, proof: &dpop::Proof) -> Result<(), Error> {
        if self.ledger.once(&proof.replay_key(), REMEMBERED).await? { Ok(()) } else { Err(Error::ProofUsed) }
    }
}

/// The proof of a request, if it carries one; RFC 9449 section 4.3 allows one.
fn proof(parts: &Parts) -> Result<Option<&str>, Error> {
    let value = crate::payment::single(&parts.headers, PROOF)?;
    Ok(value.map(|value| std::str::from_utf8(value).unwrap_or_default()))
}
