//! Signatures of ordinary accounts: 65 bytes, strict.

use super::{Address, Error, keccak256};
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, PublicKey, SECP256K1, ecdsa};
use std::fmt;

/// A secp256k1 signature `r || s || v` as an ordinary account makes it: `s` in the lower half of the order,
/// `v` 27 or 28.
///
/// The strictness is USDC's own (FiatTokenV2 `ECRecover`): what passes here passes there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 65]);

impl Signature {
    /// Its length in bytes; anything else is a contract wallet's business.
    pub const BYTES: usize = 65;

    /// Reads 65 bytes. `v` may be 0 or 1 (some wallets) and is normalised to 27 or 28; a high `s`, a zero `r`
    /// or `s`, and any other `v` are refused.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        const RANGE: Error = Error::Signature("r or s is zero or beyond the curve's order");
        let mut own: [u8; 65] =
            bytes.try_into().map_err(|_| Error::Signature("an account's signature has 65 bytes"))?;
        let [rs @ .., v] = &mut own;
        *v = match *v {
            0 | 27 => 27,
            1 | 28 => 28,
            _ => return Err(Error::Signature("v is none of 27, 28, 0 and 1")),
        };
        let parsed = ecdsa::Signature::from_compact(rs).map_err(|_| RANGE)?;
        if rs.chunks_exact(32).any(|number| number == [0; 32]) {
            return Err(RANGE);
        }
        let mut low = parsed;
        low.normalize_s();
        if low != parsed {
            return Err(Error::Signature("s is in the upper half of the order"));
        }
        Ok(Self(own))
    }

    /// `r || s || v`, with `v` 27 or 28.
    pub const fn as_bytes(&self) -> &[u8; 65] {
        &self.0
    }

    /// Who signed this digest.
    pub fn recover(&self, digest: &[u8; 32]) -> Result<Address, Error> {
        const UNRECOVERABLE: Error = Error::Signature("no key has made it");
        let [rs @ .., v] = &self.0;
        let id = if *v == 28 { RecoveryId::One } else { RecoveryId::Zero };
        let signature = RecoverableSignature::from_compact(rs, id).map_err(|_| UNRECOVERABLE)?;
        let message = Message::from_digest(*digest);
        let key = SECP256K1.recover_ecdsa(message, &signature).map_err(|_| UNRECOVERABLE)?;
        Ok(address_of(&key))
    }
}

/// The address of a public key: the last 20 bytes of the hash of its two coordinates.
pub(super) fn address_of(key: &PublicKey) -> Address {
    // The first byte says "uncompressed" and is not hashed.
    let [_, point @ ..] = key.serialize_uncompressed();
    let hash = keccak256(&point);
    let mut bytes = [0; 20];
    bytes.copy_from_slice(&hash[12..]);
    Address::new(bytes)
}

/// `0x` and 130 hexadecimal digits.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(..)")
    }
}
