//! Who may have access tokens: the operator's list of clients, each of which is one agent.

use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use subtle::ConstantTimeEq as _;
use tollwire_asp::{AgentUri, TrustScore};

/// The hash of a client's secret, written as 64 hexadecimal digits. Secrets are random (`relay-broker asp secret`), so that a
/// plain hash gives nothing away.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretHash([u8; 32]);

/// Not a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("64 hexadecimal digits, as `relay-broker asp secret` prints them")]
pub struct BadSecretHash;

impl SecretHash {
    /// Of a secret.
    pub fn of(secret: &str) -> Self {
        Self(Sha256::new().chain_update(b"asp client secret\0").chain_update(secret).finalize().into())
    }

    /// Compares in constant time.
    pub(crate) fn admits(&self, secret: &str) -> bool {
        bool::from(self.0.ct_eq(&Self::of(secret).0))
    }
}

impl FromStr for SecretHash {
    type Err = BadSecretHash;

    fn from_str(text: &str) -> Result<Self, BadSecretHash> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| BadSecretHash)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(..)")
    }
}

/// A client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AspClient {
    /// What its secret hashes to.
    pub secret: SecretHash,
    /// Whose words its are.
    pub agent: AgentUri,
    /// Its organisation.
    pub org: String,
    /// How much it is trusted, unless a [`TrustProvider`] knows better.
    pub trust: TrustScore,
    /// What others can find out about it.
    pub card: AspCard,
}

/// What an agent says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AspCard {
    /// Its name for people.
    pub name: String,
    /// The same at length.
    pub description: String,
    /// What it can do, in words that agents look for. Without any it is not shown.
    pub capabilities: Vec<String>,
}

/// All clients, by `client_id`.
pub type AspClients = BTreeMap<String, AspClient>;

/// How much agents are trusted.
pub trait TrustProvider: Send + Sync {
    /// An agent's score; `None` for what the list of clients says.
    fn score(&self, agent: &AgentUri) -> Option<TrustScore>;
}

/// Trusts as the list of clients says.
#[derive(Debug, Clone, Copy, Default)]
pub struct StaticTrust;

impl TrustProvider for StaticTrust {
    fn score(&self, _: &AgentUri) -> Option<TrustScore> {
        None
    }
}
