//! What people and sessions prove themselves with: API keys, of which a keyed hash is kept, and short-lived tokens of one
//! session each (JWT, HS256), which nobody but the broker reads.

use super::people::Holder;
use crate::bridge::{TokenHash, TokenKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroizing;

/// The longest token that is read, in bytes.
const TOKEN_BYTES_MAX: usize = 1024;

/// `{"alg":"HS256","typ":"JWT"}`: the only header there is.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// What a session's token says it is.
const KIND: &str = "chat_session";

/// In front of a person's API key.
const KEY_PREFIX: &str = "rlp";

/// Random bytes of an API key.
const KEY_BYTES: usize = 32;

/// What tokens and keys are made of.
pub(super) struct Keys {
    key: TokenKey,
    sessions: Zeroizing<[u8; 32]>,
    agents: Zeroizing<[u8; 32]>,
}

/// What a session's token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    /// Whose it is.
    pub(super) sub: String,
    /// Which session it opens.
    pub(super) session_id: String,
    /// Which API key made it: with that it ends.
    #[serde(default)]
    pub(super) key: String,
    #[serde(rename = "type")]
    kind: String,
    iat: u64,
    exp: u64,
}

impl Claims {
    /// For a person's session, for `ttl` seconds.
    pub(super) fn new(holder: &Holder, session: &str, now: u64, ttl: u64) -> Self {
        Self {
            sub: holder.id.clone(),
            session_id: session.to_owned(),
            key: holder.key.clone(),
            kind: KIND.to_owned(),
            iat: now,
            exp: now.saturating_add(ttl),
        }
    }

    /// Who had it made.
    pub(super) fn holder(&self) -> Holder {
        Holder { id: self.sub.clone(), key: self.key.clone() }
    }
}

impl Keys {
    pub(super) fn of(key: TokenKey) -> Self {
        let (sessions, agents) =
            (key.derive("orchestrator: session tokens"), key.derive("orchestrator: agents' keys"));
        Self { key, sessions: Zeroizing::new(sessions), agents: Zeroizing::new(agents) }
    }

    fn signature(&self, signed: &str) -> Option<Hmac<Sha256>> {
        Some(Hmac::<Sha256>::new_from_slice(self.sessions.as_slice()).ok()?.chain_update(signed))
    }

    /// The token of some claims.
    pub(super) fn issue(&self, claims: &Claims) -> Option<String> {
        let signed = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims).ok()?));
        let mac = self.signature(&signed)?.finalize().into_bytes();
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac)))
    }

    /// What a token says, if it is one of ours and good at `now` (seconds).
    pub(super) fn read(&self, token: &str, now: u64) -> Option<Claims> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (signed, mac) = token.rsplit_once('.')?;
        self.signature(signed)?.verify_slice(&URL_SAFE_NO_PAD.decode(mac).ok()?).ok()?;
        let claims = signed.strip_prefix(HEADER)?.strip_prefix('.')?;
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        (claims.kind == KIND && claims.exp > now).then_some(claims)
    }

    /// A new API key of a person's, and what to keep of it.
    pub(super) fn api_key(&self, person: &str) -> Result<(String, TokenHash), crate::store::StoreError> {
        let mut random = [0; KEY_BYTES];
        getrandom::fill(&mut random)
            .map_err(|error| crate::store::StoreError::Unavailable(format!("no randomness: {error}")))?;
        let key = format!("{KEY_PREFIX}_{person}_{}", hex::encode(random));
        let hash = self.key.hash(&key);
        Ok((key, hash))
    }

    /// What is kept of an API key.
    pub(super) fn hash(&self, key: &str) -> TokenHash {
        self.key.hash(key)
    }

    /// What agents are shown as `X-Orchestrator-Key`: 43 characters. Nothing of it is kept; another version is another key.
    pub(super) fn of_agent(&self, slug: &str, version: u32) -> String {
        let mac = Hmac::<Sha256>::new_from_slice(self.agents.as_slice())
            .map(|mac| mac.chain_update(format!("{version}:{slug}")).finalize().into_bytes());
        mac.map(|mac| URL_SAFE_NO_PAD.encode(mac)).unwrap_or_default()
    }
}

/// Whose an API key says it is.
pub(super) fn person_of(key: &str) -> Option<&str> {
    let (kind, rest) = key.split_once('_')?;
    let (person, random) = rest.rsplit_once('_')?;
    (kind == KEY_PREFIX && random.len() == 2 * KEY_BYTES).then_some(person)
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(letter: &str) -> Keys {
        Keys::of(TokenKey::new(&letter.repeat(32)).unwrap())
    }

    #[test]
    fn only_our_own_tokens_are_read_and_only_in_time() {
        let keys = keys("k");
        let holder = Holder { id: "ada".into(), key: "k".into() };
        let claims = Claims::new(&holder, "7d444840-9dc0-4acd-b245-5ffdce74fad2", 1_000, 300);
        assert_eq!(claims.holder(), holder);
        let token = keys.issue(&claims).unwrap();
        assert_eq!(keys.read(&token, 1_299), Some(claims));
        assert_eq!(keys.read(&token, 1_300), None);
        assert_eq!(super::tests::keys("j").read(&token, 1_000), None);
        for at in 0..token.len() {
            let mut other = token.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            assert!(keys.read(&other, 1_000).is_none() || other == token, "{other}");
        }
        let none = format!("eyJhbGciOiJub25lIn0.{}.", token.split('.').nth(1).unwrap());
        for bad in ["", ".", "a.b.c", &none, &"a".repeat(2000)] {
            assert_eq!(keys.read(bad, 1_000), None);
        }
    }

    #[test]
    fn a_key_says_whose_it_is_and_only_its_hash_is_kept() {
        let keys = keys("k");
        let (key, hash) = keys.api_key("ada").unwrap();
        assert_eq!(person_of(&key), Some("ada"));
        assert_eq!(keys.hash(&key), hash);
        for bad in ["", "rlp_ada", "rlp_ada_00", &key.replace("rlp", "rlk")] {
            assert_eq!(person_of(bad), None);
        }
        assert_eq!(keys.of_agent("a", 1).len(), 43);
        assert_ne!(keys.of_agent("a", 1), keys.of_agent("a", 2));
        assert_eq!(format!("{keys:?}"), "Keys(..)");
    }
}
