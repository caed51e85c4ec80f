//! Account addresses.

use super::{Error, keccak256};
use std::fmt;
use std::str::FromStr;

/// An EVM address.
///
/// [`Display`](fmt::Display) writes the EIP-55 checksum form; [`FromStr`] reads any letter case, because x402
/// clients differ. Compare addresses as this type, never as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address([u8; 20]);

impl Address {
    /// From its 20 bytes.
    pub const fn new(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// Its 20 bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// As a 32-byte ABI word.
    pub(super) fn word(&self) -> [u8; 32] {
        let mut word = [0; 32];
        let (_, low) = word.split_at_mut(12);
        low.copy_from_slice(&self.0);
        word
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = *b"0x0000000000000000000000000000000000000000";
        let [_, _, digits @ ..] = &mut text;
        hex::encode_to_slice(self.0, digits).map_err(|_| fmt::Error)?;
        let hash = keccak256(digits);
        let nibbles = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        for (digit, nibble) in digits.iter_mut().zip(nibbles) {
            // EIP-55: a letter is upper case where the hash's digit is 8 or more.
            if nibble >= 8 {
                digit.make_ascii_uppercase();
            }
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut bytes = [0; 20];
        let digits = text.strip_prefix("0x").ok_or(Error::Address)?;
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| Error::Address)?;
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn writes_the_checksums_of_eip_55() {
        for text in [
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        ] {
            let address: Address = text.to_ascii_lowercase().parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_not_twenty_bytes_of_hex() {
        for text in [
            "",
            "0x",
            "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0X5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAedd",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeg",
            " 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        ] {
            assert_eq!(text.parse::<Address>(), Err(Error::Address), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn text_round_trips(bytes: [u8; 20]) {
            let address = Address::new(bytes);
            prop_assert_eq!(address.to_string().parse(), Ok(address));
            prop_assert_eq!(address.to_string().to_ascii_lowercase().parse(), Ok(address));
        }
    }
}
