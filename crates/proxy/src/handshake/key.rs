//! `Sec-WebSocket-Key` and the `Sec-WebSocket-Accept` that answers it (RFC 6455, section 4.2.2).

use crate::{OpenError, random};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// What RFC 6455 appends to the key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A fresh key.
pub(crate) fn new_key() -> Result<String, OpenError> {
    Ok(STANDARD.encode(random::bytes::<16>()?))
}

/// The accept value for a key; `None` if the key is not 16 bytes in base64.
pub(crate) fn accept_of(key: &[u8]) -> Option<String> {
    STANDARD.decode(key).ok().filter(|raw| raw.len() == 16)?;
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(GUID);
    Some(STANDARD.encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(accept_of(b"dGhlIHNhbXBsZSBub25jZQ==").unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn only_sixteen_bytes_are_a_key() {
        for bad in ["", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25j", "dGhlIHNhbXBsZSBub25jZSE=", "%%%"] {
            assert_eq!(accept_of(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn keys_differ() {
        let (one, other) = (new_key().unwrap(), new_key().unwrap());
        assert_ne!(one, other);
        assert!(accept_of(one.as_bytes()).is_some());
    }
}
