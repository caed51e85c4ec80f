//! Access tokens: a client's name, its key's thumbprint and an end, under a MAC. For the broker alone to read; all nodes
//! that have the same signing key can.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::fmt;
use tollwire_asp::SigningKey;
use zeroize::Zeroizing;

/// The longest token that is read, in bytes.
const TOKEN_BYTES_MAX: usize = 1024;

/// What tokens are made and read with.
pub(crate) struct AccessKey(Zeroizing<[u8; 32]>);

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Access {
    /// Whose it is.
    #[serde(rename = "c")]
    pub(crate) client: String,
    /// Which key it is bound to: the RFC 7638 thumbprint.
    #[serde(rename = "k")]
    pub(crate) jkt: String,
    /// When it ends, in Unix seconds.
    #[serde(rename = "e")]
    pub(crate) exp: u64,
}

impl AccessKey {
    /// Of a broker with this signing key.
    pub(crate) fn of(key: &SigningKey) -> Self {
        Self(key.derive("access tokens"))
    }

    fn mac(&self, payload: &[u8]) -> Option<Hmac<Sha256>> {
        Some(Hmac::<Sha256>::new_from_slice(self.0.as_slice()).ok()?.chain_update(payload))
    }

    /// A token that says this.
    pub(crate) fn issue(&self, access: &Access) -> Option<String> {
        let payload = serde_json::to_vec(access).ok()?;
        let mac = self.mac(&payload)?.finalize().into_bytes();
        Some(format!("{}.{}", URL_SAFE_NO_PAD.encode(payload), URL_SAFE_NO_PAD.encode(mac)))
    }

    /// What a token says, if it is one of ours. Its end is not looked at.
    pub(crate) fn read(&self, token: &str) -> Option<Access> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (payload, mac) = token.split_once('.')?;
        let (payload, mac) = (URL_SAFE_NO_PAD.decode(payload).ok()?, URL_SAFE_NO_PAD.decode(mac).ok()?);
        self.mac(&payload)?.verify_slice(&mac).ok()?;
        serde_json::from_slice(&payload).ok()
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_are_read() {
        let key = AccessKey::of(&SigningKey::from_bytes(&[7; 32]));
        let access = Access { client: "oac_acme".into(), jkt: "k".into(), exp: 5 };
        let token = key.issue(&access).unwrap();
        assert_eq!(key.read(&token), Some(access));
        assert_eq!(AccessKey::of(&SigningKey::from_bytes(&[8; 32])).read(&token), None);
        for at in 0..token.len() {
            let mut other = token.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            assert!(key.read(&other).is_none() || other == token, "{other}");
        }
        for bad in ["", ".", "a.b", &"a".repeat(2000)] {
            assert_eq!(key.read(bad), None);
        }
    }
}
