//! The signing key and everything derived from it, replaced as one.

use crate::error::Error;
use crate::quote::{Quote, QuoteKey, Quoted};
use crate::siwx::ChallengeKey;
use std::sync::Arc;
use tollwire_ledger::Timestamp;
use tollwire_ledger::model::ProofHash;
use tollwire_session::{Issuer, KeySet};
use tollwire_x402::{FeedId, SessionId};

/// How many retired keys' quotes and challenges are still recognised.
const RETIRED_MAX: usize = 4;

/// What the gate signs with. Replicas that share the signing key agree on every part.
pub(crate) struct Keys {
    /// Signs session tokens.
    pub(crate) issuer: Issuer,
    /// The public keys, as `/.well-known/jwks.json` serves them.
    pub(crate) jwks: String,
    present: Arc<Secrets>,
    retired: Vec<Arc<Secrets>>,
}

struct Secrets {
    quote: QuoteKey,
    challenge: ChallengeKey,
}

impl Keys {
    /// Derives everything from the issuer's key. `keys` are all public keys that tokens in use were signed with;
    /// the issuer's own is added.
    pub(crate) fn new(issuer: Issuer, keys: KeySet, before: Option<&Self>) -> Result<(Self, KeySet), Error> {
        let keys = keys.with(issuer.key());
        let secrets = Secrets {
            quote: QuoteKey::new(issuer.key().derive_secret("quote")?),
            challenge: ChallengeKey::new(issuer.key().derive_secret("sign-in challenge")?),
        };
        let retired =
            before.map_or_else(Vec::new, |before| before.all().take(RETIRED_MAX).cloned().collect());
        Ok((Self { jwks: keys.jwks_json()?, issuer, present: Arc::new(secrets), retired }, keys))
    }

    /// Makes quotes.
    pub(crate) fn quote(&self) -> &QuoteKey {
        &self.present.quote
    }

    /// Makes challenges.
    pub(crate) fn challenge(&self) -> &ChallengeKey {
        &self.present.challenge
    }

    /// Reads a quote made with the present key or one retired not long ago.
    pub(crate) fn open_quote(&self, quote: &Quote) -> Option<Quoted> {
        self.all().find_map(|secrets| secrets.quote.open(quote))
    }

    /// The hash of the quote that a memo stands for, if it is one of ours for this purchase.
    pub(crate) fn open_memo(
        &self,
        memo: &str,
        feed: &FeedId,
        top_up: Option<&SessionId>,
    ) -> Option<ProofHash> {
        self.all().find_map(|secrets| secrets.quote.open_memo(memo, feed, top_up))
    }

    /// The memos that a payment with this quote may carry.
    pub(crate) fn memos(
        &self,
        quote: &Quote,
        feed: &FeedId,
        top_up: Option<&SessionId>,
    ) -> impl Iterator<Item = String> {
        self.all().map(move |secrets| secrets.quote.memo(quote, feed, top_up))
    }

    /// When a challenge was made, if it is one of ours for this feed and can still be answered.
    pub(crate) fn open_challenge(&self, feed: &FeedId, nonce: &str, now: Timestamp) -> Option<Timestamp> {
        self.all().find_map(|secrets| secrets.challenge.open(feed, nonce, now))
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Secrets>> {
        std::iter::once(&self.present).chain(&self.retired)
    }
}
