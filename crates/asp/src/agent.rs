//! Names of agents.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The longest name, in bytes.
const BYTES_MAX: usize = 256;

const SCHEME: &str = "agent://";

/// Who speaks for the operator of a session's server: to take an escalation back, or to say that a commitment was broken.
pub const OPERATOR: &str = "agent://operator";

/// An agent's name, such as `agent://acme.com/procurement/alpha`: unreserved characters of RFC 3986, `/` and `:`, at most 256
/// bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgentUri(String);

/// Not an agent's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an agent's name is agent:// and at most 248 letters, digits and -._~/:")]
pub struct BadAgent;

impl AgentUri {
    /// As it stands in envelopes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the operator.
    pub fn is_operator(&self) -> bool {
        self.0 == OPERATOR
    }
}

impl TryFrom<String> for AgentUri {
    type Error = BadAgent;

    fn try_from(text: String) -> Result<Self, BadAgent> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._~/:".contains(&b);
        let rest = text.strip_prefix(SCHEME).ok_or(BadAgent)?;
        let good = !rest.is_empty() && text.len() <= BYTES_MAX && rest.bytes().all(fits);
        if good { Ok(Self(text)) } else { Err(BadAgent) }
    }
}

impl FromStr for AgentUri {
    type Err = BadAgent;

    fn from_str(text: &str) -> Result<Self, BadAgent> {
        Self::try_from(text.to_owned())
    }
}

impl From<AgentUri> for String {
    fn from(agent: AgentUri) -> Self {
        agent.0
    }
}

impl fmt::Display for AgentUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_need_no_escape() {
        for good in [
            "agent://acme.com/procurement/alpha",
            "agent://a",
            "agent://[::1]".replace(['[', ']'], "").as_str(),
        ] {
            assert_eq!(good.parse::<AgentUri>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "agent://",
            "acme.com",
            "agent://a b",
            "agent://a\"b",
            "agent://\u{e9}",
            &format!("agent://{}", "a".repeat(249)),
        ] {
            assert_eq!(bad.parse::<AgentUri>(), Err(BadAgent), "{bad}");
        }
    }
}
