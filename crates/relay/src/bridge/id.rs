//! Names of apps and agents, connections and events.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;
use tollwire_ledger::Timestamp;

/// The longest name, in characters.
const NAME_MAX: usize = 64;

/// Not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to 64 of a-z, 0-9 and -, that of an agent also _")]
pub struct BadName;

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $extra:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// As it stands in frames.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// A name that nobody has, for defaults.
            pub(crate) fn unnamed() -> Self {
                Self(String::new())
            }
        }

        impl FromStr for $type {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                Self::try_from(text.to_owned())
            }
        }

        impl TryFrom<String> for $type {
            type Error = BadName;

            fn try_from(text: String) -> Result<Self, BadName> {
                let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || $extra.contains(&b);
                let good = (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(fits);
                if good { Ok(Self(text)) } else { Err(BadName) }
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// An app's name.
    AppId,
    b"-"
);
name!(
    /// An agent's name.
    AgentId,
    b"-_"
);

/// One process among those that share a store; another one after each start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u64);

/// One connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConnectionId {
    /// The process that holds it.
    pub node: NodeId,
    /// Which one there.
    pub number: u64,
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:x}", self.node, self.number)
    }
}

/// An event: `evt_` and 26 characters of Crockford's base 32, which sort by time: 48 bits of milliseconds, 48 random
/// ones, and 32 that say for which agent it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventId(String);

const PREFIX: &str = "evt_";
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TEXT_LENGTH: usize = 26;

impl EventId {
    /// A new one, of these random bytes.
    pub(crate) fn new(now: Timestamp, random: [u8; 6], agent: &AgentId) -> Self {
        let mut bytes = [0; 16];
        let [_, _, millis @ ..] = now.millis().to_be_bytes();
        let (head, tail) = bytes.split_at_mut(12);
        head[..6].copy_from_slice(&millis);
        head[6..].copy_from_slice(&random);
        tail.copy_from_slice(&tag(head, agent));
        Self(format!("{PREFIX}{}", crockford(u128::from_be_bytes(bytes))))
    }

    /// What an agent wrote, if it has the form of an event's name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        let good = digits.len() == TEXT_LENGTH && digits.bytes().all(|b| ALPHABET.contains(&b));
        good.then(|| Self(text.to_owned()))
    }

    /// Whether it was made for this agent.
    pub(crate) fn is_for(&self, agent: &AgentId) -> bool {
        let value = self.0.bytes().skip(PREFIX.len()).fold(0_u128, |value, digit| {
            let place =
                ALPHABET.iter().position(|b| *b == digit).and_then(|place| u128::try_from(place).ok());
            (value << 5) | place.unwrap_or_default()
        });
        let bytes = value.to_be_bytes();
        let (head, tail) = bytes.split_at(12);
        tail == tag(head, agent)
    }

    /// As it stands in frames.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn tag(head: &[u8], agent: &AgentId) -> [u8; 4] {
    let [a, b, c, d, ..] =
        <[u8; 32]>::from(Sha256::new().chain_update(head).chain_update(agent.as_str()).finalize());
    [a, b, c, d]
}

fn crockford(value: u128) -> String {
    let digit = |place: usize| {
        let bits = (value >> (5 * place)) & 31;
        usize::try_from(bits).ok().and_then(|bits| ALPHABET.get(bits)).map_or('0', |b| char::from(*b))
    };
    (0..TEXT_LENGTH).rev().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_slugs() {
        for good in ["portal", "a-1", "0"] {
            assert_eq!(good.parse::<AppId>().unwrap().as_str(), good);
        }
        assert!("athena_k9p2m3".parse::<AgentId>().is_ok());
        for bad in ["", "Portal", "a_b", "a b", "a:b", "é", &"a".repeat(65)] {
            assert_eq!(bad.parse::<AppId>(), Err(BadName), "{bad}");
        }
    }

    #[test]
    fn events_know_their_agent_and_sort_by_time() {
        let (athena, klyve): (AgentId, AgentId) = ("athena".parse().unwrap(), "klyve".parse().unwrap());
        let at = |millis| EventId::new(Timestamp::from_millis(millis), [0xFF; 6], &athena);
        let event = at(1_700_000_000_000);
        assert_eq!(event.as_str().len(), 30);
        assert!(event.is_for(&athena) && !event.is_for(&klyve));
        assert_eq!(EventId::parse(event.as_str()), Some(event.clone()));
        assert!(event < at(1_700_000_000_001));
        for bad in ["", "evt_", "evt_01j", &event.as_str()[4..], &event.as_str().to_lowercase()] {
            assert_eq!(EventId::parse(bad), None, "{bad}");
        }
    }
}
