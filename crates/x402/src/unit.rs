//! What a session is sold in.

use crate::Error;
use std::fmt;
use std::str::FromStr;

/// The unit a tariff prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// One WebSocket opened; it lasts at most the feed's `max_stream`.
    Stream,
    /// One second of an open stream.
    Second,
    /// One message.
    Message,
    /// 1,024 bytes on the wire.
    Kib,
    /// One atomic unit of USDC: what a prepaid account holds.
    Usdc,
}

impl Unit {
    /// The word used in configuration, tokens and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Second => "second",
            Self::Message => "message",
            Self::Kib => "kib",
            Self::Usdc => "usdc",
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Unit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        [Self::Stream, Self::Second, Self::Message, Self::Kib, Self::Usdc]
            .into_iter()
            .find(|unit| unit.as_str() == text)
            .ok_or(Error::Unit)
    }
}

serde_as_text!(Unit);
