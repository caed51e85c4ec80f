//! The side that checks: who issued a token, for whom, for what, and until when.

use crate::cache::{Cache, fingerprint};
use crate::{Claims, Error, KeySet, SESSION_TYPE, STREAM_TYPE, StreamClaims, TOKEN_BYTES_MAX};
use serde_json::{Map, Value};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tollwire_x402::FeedId;

/// The most leeway a verifier gives to clocks that differ.
pub const LEEWAY_MAX: Duration = Duration::from_mins(1);

/// How many verified tokens a verifier remembers unless told otherwise; about 1 KiB each.
pub const CACHE_TOKENS: usize = 4096;

/// Verifies tokens of one issuer against a set of keys that can be replaced while it works.
///
/// The checks run in this order: form, header, key, signature, `typ`, `iss`, `aud`, the claims' form (all 401), then
/// `nbf`, `iat`, `exp`, `feed` (403). Session and stream tokens have verifiers that share nothing but the keys:
/// neither takes the other's.
#[derive(Debug)]
pub struct Verifier {
    issuer: String,
    audience: String,
    leeway_secs: u64,
    cache_tokens: usize,
    /// Replaced whole, so that what was verified by a withdrawn key is forgotten with it.
    state: RwLock<Arc<State>>,
}

struct State {
    keys: KeySet,
    cache: Cache,
}

impl Verifier {
    /// A verifier for tokens that this issuer made for this audience. A `leeway` beyond [`LEEWAY_MAX`] counts as
    /// that.
    pub fn new(keys: KeySet, issuer: String, audience: String, leeway: Duration) -> Self {
        let leeway_secs = leeway.min(LEEWAY_MAX).as_secs();
        let state = RwLock::new(State::new(keys, CACHE_TOKENS));
        Self { issuer, audience, leeway_secs, cache_tokens: CACHE_TOKENS, state }
    }

    /// The same verifier, remembering at most this many tokens; 0 remembers none.
    #[must_use]
    pub fn with_cache_tokens(self, tokens: usize) -> Self {
        let state = RwLock::new(State::new(self.keys(), tokens));
        Self { cache_tokens: tokens, state, ..self }
    }

    /// The keys in use.
    pub fn keys(&self) -> KeySet {
        self.state().keys.clone()
    }

    /// Uses these keys from now on, and these alone.
    pub fn replace_keys(&self, keys: KeySet) {
        let state = State::new(keys, self.cache_tokens);
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Verifies a session token at `now_secs` (Unix seconds). Expiry is checked on every call.
    ///
    /// A token whose claims have a `jkt` admits nobody by itself: [`dpop::verify_bound`](crate::dpop::verify_bound) says
    /// whether its holder showed it.
    pub fn verify(&self, token: &str, now_secs: u64) -> Result<Claims, Error> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Error::Malformed);
        }
        let state = self.state();
        let name = fingerprint(token);
        if let Some(claims) = state.cache.get(&name) {
            self.check_times(claims.nbf, claims.iat, claims.exp, now_secs)?;
            return Ok(Arc::unwrap_or_clone(claims));
        }
        let payload = self.read(&state.keys, token, SESSION_TYPE, &self.audience)?;
        let claims = Claims::read(&payload)?;
        self.check_times(claims.nbf, claims.iat, claims.exp, now_secs)?;
        state.cache.insert(name, Arc::new(claims.clone()));
        Ok(claims)
    }

    /// Verifies a session token that must admit to this feed.
    pub fn verify_for(&self, token: &str, feed: &FeedId, now_secs: u64) -> Result<Claims, Error> {
        let claims = self.verify(token, now_secs)?;
        if claims.feed == *feed { Ok(claims) } else { Err(Error::WrongFeed) }
    }

    /// Verifies a stream token for this feed. That it is used once is for the caller to see to.
    pub fn verify_stream(&self, token: &str, feed: &FeedId, now_secs: u64) -> Result<StreamClaims, Error> {
        let payload = self.read(&self.state().keys, token, STREAM_TYPE, feed.as_str())?;
        let claims = StreamClaims::read(&payload)?;
        self.check_times(claims.iat, claims.iat, claims.exp, now_secs)?;
        if claims.feed == *feed { Ok(claims) } else { Err(Error::WrongFeed) }
    }

    fn state(&self) -> Arc<State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The payload of a token of this type, from our issuer, for this audience.
    fn read(
        &self,
        keys: &KeySet,
        token: &str,
        typ: &str,
        audience: &str,
    ) -> Result<Map<String, Value>, Error> {
        let payload = keys.open(token, typ, &self.issuer)?;
        if payload.get("aud").and_then(Value::as_str) != Some(audience) {
            return Err(Error::Audience);
        }
        Ok(payload)
    }

    fn check_times(&self, nbf: u64, iat: u64, exp: u64, now: u64) -> Result<(), Error> {
        let latest = now.saturating_add(self.leeway_secs);
        if nbf > latest || iat > latest {
            return Err(Error::NotYetValid);
        }
        if now >= exp.saturating_add(self.leeway_secs) { Err(Error::Expired) } else { Ok(()) }
    }
}

impl State {
    fn new(keys: KeySet, cache_tokens: usize) -> Arc<Self> {
        Arc::new(Self { keys, cache: Cache::new(cache_tokens) })
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("keys", &self.keys).finish_non_exhaustive()
    }
}
