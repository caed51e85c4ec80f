//! Identifiers, each its own type, each checked once where it enters, and cheap to copy.

use crate::{Error, Network};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $field:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(Error::Id { field: $field, rule: $rule })
                }
            }
        }

        serde_as_text!($name);
    };
}

id!(
    /// A feed's name in URLs, tokens and configuration.
    FeedId,
    "feed id",
    "1 to 64 characters of a-z, 0-9, '-', '_' or '.', starting with a letter or digit",
    |text| (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
);

id!(
    /// A registered API's name in URLs, envelopes and configuration.
    ApiId,
    "API id",
    "1 to 64 characters of a-z, 0-9, '-', '_' or '.', starting with a letter or digit",
    |text| text.parse::<FeedId>().is_ok()
);

id!(
    /// A session's `jti`: a random UUID (version 4) in its canonical lower-case form.
    SessionId,
    "session id",
    "a version 4 UUID in lower case, such as 7d444840-9dc0-4acd-b245-5ffdce74fad2",
    |text| text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            14 => b == b'4',
            19 => b"89ab".contains(&b),
            _ => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
        })
);

id!(
    /// A stream's idempotency key: chosen by the client (`Tollwire-Stream`) or by us.
    StreamId,
    "stream id",
    "16 to 64 characters of A-Z, a-z, 0-9, '-' or '_'",
    |text| (16..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
);

id!(
    /// A payment's identity: canonical, so that re-encoding the same payment cannot make another.
    ///
    /// On EVM `eip155:<chain>/<asset>/<payer>/<nonce>`, on Solana `solana:<cluster>/<SHA-256 of the message>`, in lower
    /// case; made by `tollwire-exact`, never from raw JSON.
    PaymentId,
    "payment id",
    "16 to 256 printable ASCII characters without space or '{}'",
    |text| (16..=256).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_graphic() && !b"{}".contains(&b))
);

impl PaymentId {
    /// The identity of an EIP-3009 payment: what its token contract takes only once.
    ///
    /// At most 180 characters, whatever the arguments.
    pub fn eip155(chain_id: u64, asset: &[u8; 20], payer: &[u8; 20], nonce: &[u8; 32]) -> Self {
        let mut text = format!("eip155:{chain_id}");
        text.reserve(2 * (20 + 20 + 32) + 9);
        for part in [&asset[..], payer, nonce] {
            text.push_str("/0x");
            push_hex(&mut text, part);
        }
        Self(text.into())
    }

    /// The identity of a payment on Solana: what its payer signed, whatever signatures are under it so far.
    ///
    /// At most 112 characters.
    pub fn solana(network: Network, message_sha256: &[u8; 32]) -> Self {
        let mut text = format!("{network}/");
        push_hex(&mut text, message_sha256);
        Self(text.into())
    }
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            // A nibble is always a digit.
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_id_states_its_own_rule() {
        assert!("ticks".parse::<FeedId>().is_ok());
        assert!("../x".parse::<FeedId>().is_err());
        assert!("Ticks".parse::<FeedId>().is_err());
        assert!("demo".parse::<ApiId>().is_ok());
        assert!("a/b".parse::<ApiId>().is_err());
        assert!("7d444840-9dc0-4acd-b245-5ffdce74fad2".parse::<SessionId>().is_ok());
        assert!("7d444840-9dc0-1acd-b245-5ffdce74fad2".parse::<SessionId>().is_err());
        assert!("7D444840-9dc0-4acd-b245-5ffdce74fad2".parse::<SessionId>().is_err());
        assert!("0123456789abcdef".parse::<StreamId>().is_ok());
        assert!("0123456789abcde".parse::<StreamId>().is_err());
        assert!("eip155:8453/0xaa/0xbb/0xcc".parse::<PaymentId>().is_ok());
        assert!("eip155:8453/{0xaa}/0xbb".parse::<PaymentId>().is_err());
    }
}
