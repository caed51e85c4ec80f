//! What apps and agents prove themselves with: `rlk_{app}_{random}` and `rla_{agent}_{random}`.
//!
//! A token has 256 random bits, so a keyed hash of it is all that need be kept; the key makes a stolen list of hashes
//! useless for whoever would forge one. A slow password hash would only cost each handshake its time.

use super::id::{AgentId, AppId};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use std::fmt;
use subtle::ConstantTimeEq as _;

/// Random bytes of a token.
const RANDOM_BYTES: usize = 32;

/// The shortest secret that may be a key, in characters.
const KEY_CHARS_MIN: usize = 32;

const HASH_PREFIX: &str = "hmac-sha256:";

/// Whose a token is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// An app's: `rlk_`.
    App(AppId),
    /// An agent's: `rla_`.
    Agent(AgentId),
}

impl Party {
    const fn prefix(&self) -> &'static str {
        match self {
            Self::App(_) => "rlk",
            Self::Agent(_) => "rla",
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::App(id) => id.as_str(),
            Self::Agent(id) => id.as_str(),
        }
    }

    /// Whose token this says it is.
    pub(crate) fn of_token(token: &str) -> Option<Self> {
        let (kind, rest) = token.split_once('_')?;
        // An agent's name may hold the separator itself; the random part does not.
        let (name, random) = rest.rsplit_once('_')?;
        if random.len() < 40 {
            return None;
        }
        match kind {
            "rlk" => name.parse().ok().map(Self::App),
            "rla" => name.parse().ok().map(Self::Agent),
            _ => None,
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::App(_) => "app",
            Self::Agent(_) => "agent",
        };
        write!(f, "{kind} {}", self.name())
    }
}

/// A token that was just made: shown once.
pub struct NewToken(String);

impl NewToken {
    /// The token, to be shown to its owner and to nobody else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for NewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewToken(..)")
    }
}

/// The operator's secret that tokens are hashed with.
#[derive(Clone)]
pub struct TokenKey(Hmac<Sha256>);

/// A secret that is too short, or no randomness.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Anybody could guess it.
    #[error("a token key has at least 32 characters; `openssl rand -hex 32` makes one")]
    WeakKey,
    /// Not what `relay-broker app add` prints.
    #[error("a token hash is \"hmac-sha256:\" and 64 hexadecimal digits")]
    NoHash,
    /// The system gives no random bytes.
    #[error("no randomness: {0}")]
    NoRandomness(String),
}

impl TokenKey {
    /// From the configured secret.
    pub fn new(secret: &str) -> Result<Self, TokenError> {
        if secret.chars().count() < KEY_CHARS_MIN {
            return Err(TokenError::WeakKey);
        }
        Hmac::new_from_slice(secret.as_bytes()).map(Self).map_err(|_| TokenError::WeakKey)
    }

    /// A new token, and what to keep of it.
    pub fn issue(&self, party: &Party) -> Result<(NewToken, TokenHash), TokenError> {
        let mut random = [0; RANDOM_BYTES];
        getrandom::fill(&mut random).map_err(|error| TokenError::NoRandomness(error.to_string()))?;
        let token = format!("{}_{}_{}", party.prefix(), party.name(), hex::encode(random));
        let hash = self.hash(&token);
        Ok((NewToken(token), hash))
    }

    /// Another secret, made of this one.
    pub(crate) fn derive(&self, what: &str) -> [u8; 32] {
        self.0.clone().chain_update("derived\0").chain_update(what).finalize().into_bytes().into()
    }

    pub(crate) fn hash(&self, token: &str) -> TokenHash {
        TokenHash(self.0.clone().chain_update(token).finalize().into_bytes().into())
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(..)")
    }
}

/// What is kept of a token. Comparison takes the same time whatever differs.
#[derive(Clone, Copy, Eq)]
pub struct TokenHash([u8; 32]);

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        bool::from(self.0.ct_eq(&other.0))
    }
}

impl std::str::FromStr for TokenHash {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let digits = text.strip_prefix(HASH_PREFIX).ok_or(TokenError::NoHash)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| TokenError::NoHash)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{HASH_PREFIX}{}", hex::encode(self.0))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent() -> Party {
        Party::Agent("athena_k9p2m3".parse().unwrap())
    }

    #[test]
    fn a_token_says_whose_it_is_and_only_its_hash_is_kept() {
        let key = TokenKey::new(&"k".repeat(32)).unwrap();
        let (token, hash) = key.issue(&agent()).unwrap();
        assert!(token.reveal().starts_with("rla_athena_k9p2m3_"));
        assert_eq!(Party::of_token(token.reveal()), Some(agent()));
        assert_eq!(key.hash(token.reveal()), hash);
        assert_eq!(hash.to_string().parse::<TokenHash>().unwrap(), hash);
        assert_ne!(TokenKey::new(&"j".repeat(32)).unwrap().hash(token.reveal()), hash, "keyed");
        let shown = format!("{token:?} {key:?} {hash:?}");
        assert_eq!(shown, "NewToken(..) TokenKey(..) TokenHash(..)");
        assert_eq!(TokenKey::new("short").unwrap_err(), TokenError::WeakKey);
    }

    #[test]
    fn what_is_no_token_is_nobody_s() {
        let random = "x".repeat(40);
        assert!(Party::of_token(&format!("rlk_portal_{random}")).is_some());
        for bad in [
            String::new(),
            "rlk_portal".into(),
            "rlk_portal_short".into(),
            format!("rlx_portal_{random}"),
            format!("rlk_Portal_{random}"),
            format!("rlk__{random}"),
            format!("rlk_a_b_{random}"),
        ] {
            assert_eq!(Party::of_token(&bad), None, "{bad}");
        }
        for bad in ["", "hmac-sha256:", "hmac-sha256:zz", &format!("sha256:{}", "0".repeat(64))] {
            assert!(bad.parse::<TokenHash>().is_err());
        }
    }
}
