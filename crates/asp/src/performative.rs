//! What an agent does by saying something.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

macro_rules! performatives {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {
        /// What an agent does by saying something: one of thirteen.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Performative {
            $($(#[$doc])* #[serde(rename = $word)] $name,)*
        }

        impl Performative {
            /// All of them.
            pub const ALL: [Self; 13] = [$(Self::$name),*];

            /// As it stands in envelopes.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

performatives! {
    /// Offers something.
    Propose = "PROPOSE";
    /// Agrees to what was offered.
    Accept = "ACCEPT";
    /// Does not.
    Reject = "REJECT";
    /// Offers something else instead.
    Counter = "COUNTER";
    /// Binds itself.
    Commit = "COMMIT";
    /// Takes its own word back.
    Withdraw = "WITHDRAW";
    /// Tells.
    Inform = "INFORM";
    /// Asks.
    Query = "QUERY";
    /// Explains, or asks for an explanation.
    Clarify = "CLARIFY";
    /// Notes what it saw.
    Observe = "OBSERVE";
    /// Hands a task on.
    Delegate = "DELEGATE";
    /// Calls for a person.
    Escalate = "ESCALATE";
    /// Ends the session.
    Close = "CLOSE";
}

/// Not a performative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such performative")]
pub struct UnknownPerformative;

impl FromStr for Performative {
    type Err = UnknownPerformative;

    fn from_str(text: &str) -> Result<Self, UnknownPerformative> {
        Self::ALL.into_iter().find(|known| known.as_str() == text).ok_or(UnknownPerformative)
    }
}

impl fmt::Display for Performative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
