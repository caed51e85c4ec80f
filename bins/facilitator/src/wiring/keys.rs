//! Token keys.

use crate::config::File;
use tollwire_ops::Error;
use tollwire_ops::config::Loaded;
use tollwire_session::{Algorithm, Issuer, KeySet, SigningKey};

/// The keys of a file.
pub(crate) struct Keys {
    /// Two issuers of the same key: one for session tokens, one for the proxy's stream tokens.
    pub(crate) issuers: [Issuer; 2],
    /// Public halves of keys that sign no more.
    pub(crate) previous: KeySet,
}

/// Reads `[token]`'s keys.
pub(crate) fn keys(file: &Loaded<File>) -> Result<Keys, Error> {
    let token = &file.value.token;
    let read = |reference: &tollwire_ops::secret::SecretRef| -> Result<SigningKey, Error> {
        let pem = reference.read(&file.base)?;
        SigningKey::from_pem(pem.expose())
            .map_err(|error| Error::Secret { key: reference.to_string(), reason: error.to_string() })
    };
    let audience = file.value.public_url.as_str().trim_end_matches('/').to_owned();
    let issuer = || -> Result<Issuer, Error> {
        Ok(Issuer::new(read(&token.signing_key)?, token.issuer.clone(), audience.clone()))
    };
    let mut previous = KeySet::default();
    for reference in &token.previous_keys {
        previous = previous.with(&read(reference)?);
    }
    Ok(Keys { issuers: [issuer()?, issuer()?], previous })
}

/// A key made for this process alone.
pub(crate) fn new_keys(public_url: &url::Url) -> Result<Keys, crate::failure::Failure> {
    use crate::failure::Failure;
    let audience = public_url.as_str().trim_end_matches('/').to_owned();
    let pem = SigningKey::generate(Algorithm::EdDsa).and_then(|key| key.to_pem()).map_err(Failure::start)?;
    let issuer = || {
        let key = SigningKey::from_pem(pem.as_str()).map_err(Failure::start)?;
        Ok::<_, Failure>(Issuer::new(key, audience.clone(), audience.clone()))
    };
    Ok(Keys { issuers: [issuer()?, issuer()?], previous: KeySet::default() })
}
