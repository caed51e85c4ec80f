//! `[token]`: what session tokens are signed with.

use crate::Error;
use serde::Deserialize;
use std::path::Path;
use std::time::Duration;
use tollwire_ops::duration::HumanDuration;
use tollwire_ops::secret::SecretRef;
use tollwire_session::{Algorithm, Issuer, KeySet, SigningKey};
use url::Url;

/// `[token]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The `iss` claim.
    pub issuer: String,
    /// The signing key, made by `keys new`.
    pub signing_key: SecretRef,
    /// Keys whose tokens are still accepted while they live out.
    #[serde(default)]
    pub previous_keys: Vec<SecretRef>,
    /// How long a token admits.
    #[serde(default = "default_ttl")]
    pub ttl: HumanDuration,
}

const fn default_ttl() -> HumanDuration {
    HumanDuration(Duration::from_hours(24))
}

/// Keys that tokens are signed with and known by.
pub struct Keys {
    /// Two issuers of the same key: one for session tokens, one for a proxy's stream tokens.
    pub issuers: [Issuer; 2],
    /// Public halves of keys that sign no more.
    pub previous: KeySet,
}

impl Token {
    /// Reads the keys, for a service that is reached at `public_url`. Relative paths start from `base`.
    pub fn keys(&self, public_url: &Url, base: &Path) -> Result<Keys, tollwire_ops::Error> {
        let read = |reference: &SecretRef| -> Result<SigningKey, tollwire_ops::Error> {
            let pem = reference.read(base)?;
            SigningKey::from_pem(pem.expose()).map_err(|error| tollwire_ops::Error::Secret {
                key: reference.to_string(),
                reason: error.to_string(),
            })
        };
        let issuer = || Ok(Issuer::new(read(&self.signing_key)?, self.issuer.clone(), audience(public_url)));
        let mut previous = KeySet::default();
        for reference in &self.previous_keys {
            previous = previous.with(&read(reference)?);
        }
        Ok(Keys { issuers: [issuer()?, issuer()?], previous })
    }
}

impl Keys {
    /// Of a key made for this process alone.
    pub fn fresh(public_url: &Url) -> Result<Self, Error> {
        let start = |error: tollwire_session::Error| Error::start(error);
        let pem = SigningKey::generate(Algorithm::EdDsa).and_then(|key| key.to_pem()).map_err(start)?;
        let issuer = || {
            let key = SigningKey::from_pem(pem.as_str()).map_err(start)?;
            Ok::<_, Error>(Issuer::new(key, audience(public_url), audience(public_url)))
        };
        Ok(Self { issuers: [issuer()?, issuer()?], previous: KeySet::default() })
    }
}

fn audience(public_url: &Url) -> String {
    public_url.as_str().trim_end_matches('/').to_owned()
}
