//! `verify_session_token` as a plain function, over a verifier installed once per process.

use crate::{Error, SessionContext, Verifier, VerifyError};
use std::sync::OnceLock;
use tollwire_x402::FeedId;

static INSTALLED: OnceLock<Verifier> = OnceLock::new();

/// Installs the verifier that [`verify_session_token`] uses. Once per process.
pub fn install(verifier: Verifier) -> Result<(), Error> {
    INSTALLED.set(verifier).map_err(|_| Error::Installed)
}

/// Verifies a token for a feed with the installed verifier; see [`Verifier::verify_session_token`].
pub fn verify_session_token(token: &str, feed_id: &FeedId) -> Result<SessionContext, VerifyError> {
    INSTALLED.get().ok_or(VerifyError::NotInstalled)?.verify_session_token(token, feed_id)
}
