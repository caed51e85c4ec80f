//! Randomness from the system.

use crate::OpenError;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tollwire_x402::StreamId;

/// Fresh random bytes.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], OpenError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!(%error, "no randomness from the system");
        OpenError::Internal
    })?;
    Ok(bytes)
}

/// A stream id nobody can guess: 128 bits.
pub(crate) fn stream_id() -> Result<StreamId, OpenError> {
    URL_SAFE_NO_PAD.encode(bytes::<16>()?).parse().map_err(|_| OpenError::Internal)
}
