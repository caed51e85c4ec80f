//! Who is registered, and who may talk to whom.

use super::id::{AgentId, AppId};
use super::token::{Party, TokenHash};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tollwire_ledger::Timestamp;

/// The most tokens of one party that are kept; a rotation forgets the oldest.
const TOKENS_MAX: usize = 4;

/// A token that is good, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptToken {
    /// Its hash.
    #[serde(with = "as_text")]
    pub hash: TokenHash,
    /// Until when it is good; `None` until it is revoked.
    pub until: Option<Timestamp>,
}

/// An app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct App {
    /// Its name in frames and tokens.
    pub id: AppId,
    /// Whose it is; apps see only agents of their own organisation.
    pub org: String,
    /// Its tokens.
    pub tokens: Vec<KeptToken>,
    /// Whether final answers carry the payload they answer.
    pub echo_payload: bool,
    /// Whether it is told that an agent is typing.
    pub typing: bool,
    /// Events a minute; `None` for the broker's own bound.
    pub events_per_minute: Option<u32>,
    /// Events an hour; `None` for the broker's own bound.
    pub events_per_hour: Option<u32>,
    /// Connections at once; `None` for the broker's own bound.
    pub connections: Option<usize>,
}

/// An agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Agent {
    /// Its name in frames and tokens.
    pub id: AgentId,
    /// Its name for people.
    pub name: String,
    /// What it is good for, for people.
    pub description: String,
    /// Whose it is.
    pub org: String,
    /// Its tokens.
    pub tokens: Vec<KeptToken>,
    /// Apps that may send to it; empty for all of its organisation.
    pub allow: Vec<AppId>,
    /// What becomes of events while it is away.
    pub offline: Offline,
}

/// What becomes of events for an agent that is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Offline {
    /// They wait.
    #[default]
    Queue,
    /// They are refused.
    Reject,
}

impl App {
    /// An app without a token.
    pub fn new(id: AppId) -> Self {
        Self {
            id,
            org: String::new(),
            tokens: Vec::new(),
            echo_payload: true,
            typing: false,
            events_per_minute: None,
            events_per_hour: None,
            connections: None,
        }
    }
}

impl Agent {
    /// An agent without a token, for all apps.
    pub fn new(id: AgentId) -> Self {
        Self {
            name: id.to_string(),
            id,
            description: String::new(),
            org: String::new(),
            tokens: Vec::new(),
            allow: Vec::new(),
            offline: Offline::Queue,
        }
    }

    /// Whether an app may send to it.
    pub(crate) fn admits(&self, app: &App) -> bool {
        self.org == app.org && (self.allow.is_empty() || self.allow.contains(&app.id))
    }
}

impl Default for App {
    /// The defaults of everything but the name, which is never read from them.
    fn default() -> Self {
        Self::new(AppId::unnamed())
    }
}

impl Default for Agent {
    /// The defaults of everything but the name, which is never read from them.
    fn default() -> Self {
        Self { name: String::new(), ..Self::new(AgentId::unnamed()) }
    }
}

/// Puts another token in the place of those that are good, which stay so for `overlap`.
pub(crate) fn rotate(tokens: &mut Vec<KeptToken>, hash: TokenHash, now: Timestamp, overlap: Duration) {
    tokens.retain(|token| token.is_good(now));
    for old in tokens.iter_mut() {
        let until = now.after(overlap);
        old.until = Some(old.until.map_or(until, |before| before.min(until)));
    }
    tokens.insert(0, KeptToken { hash, until: None });
    tokens.truncate(TOKENS_MAX);
}

impl KeptToken {
    /// Whether it is good at `now`.
    pub(crate) fn is_good(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}

/// All that are registered.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// Apps.
    pub apps: BTreeMap<AppId, App>,
    /// Agents.
    pub agents: BTreeMap<AgentId, Agent>,
}

impl Registry {
    /// Whether a hash is that of a good token of this party's.
    pub(crate) fn knows(&self, party: &Party, hash: &TokenHash, now: Timestamp) -> bool {
        let tokens = match party {
            Party::App(id) => self.apps.get(id).map(|app| &app.tokens),
            Party::Agent(id) => self.agents.get(id).map(|agent| &agent.tokens),
        };
        // All of them, whichever fits.
        tokens.into_iter().flatten().filter(|token| token.hash == *hash).any(|token| token.is_good(now))
    }

    /// The agents that an app may send to.
    pub(crate) fn visible<'a>(&'a self, app: &'a App) -> impl Iterator<Item = &'a Agent> {
        self.agents.values().filter(|agent| agent.admits(app))
    }

    /// With those of another, which win.
    #[must_use]
    pub(crate) fn overlaid_by(mut self, other: &Self) -> Self {
        self.apps.extend(other.apps.iter().map(|(id, app)| (id.clone(), app.clone())));
        self.agents.extend(other.agents.iter().map(|(id, agent)| (id.clone(), agent.clone())));
        self
    }
}

mod as_text {
    use super::TokenHash;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(hash: &TokenHash, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(hash)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TokenHash, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::super::token::TokenKey;
    use super::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_millis(secs * 1_000)
    }

    #[test]
    fn a_rotated_token_is_good_for_a_while_and_a_revoked_one_is_not() {
        let party = Party::App("portal".parse().unwrap());
        let key = TokenKey::new(&"k".repeat(32)).unwrap();
        let hashes: Vec<TokenHash> = (0..3).map(|_| key.issue(&party).unwrap().1).collect();
        let mut app = App::new("portal".parse().unwrap());
        let hour = Duration::from_secs(3_600);
        rotate(&mut app.tokens, hashes[0], at(0), hour);
        rotate(&mut app.tokens, hashes[1], at(100), hour);
        let mut registry = Registry::default();
        registry.apps.insert(app.id.clone(), app);
        let knows =
            |registry: &Registry, which: usize, secs| registry.knows(&party, &hashes[which], at(secs));
        assert!(knows(&registry, 0, 3_699) && knows(&registry, 1, 3_699), "both work");
        assert!(!knows(&registry, 0, 3_700) && knows(&registry, 1, 3_700));
        assert!(!knows(&registry, 2, 100));
        assert!(
            !registry.knows(&Party::Agent("portal".parse().unwrap()), &hashes[1], at(100)),
            "the wrong kind"
        );

        let app = registry.apps.values_mut().next().unwrap();
        rotate(&mut app.tokens, hashes[2], at(200), hour);
        assert_eq!(app.tokens[2].until, Some(at(3_700)), "a second rotation prolongs nothing");
        app.tokens.clear();
        assert!(!knows(&registry, 1, 300));
    }

    #[test]
    fn an_allowlist_bounds_who_sees_an_agent() {
        let (portal, mut studio) = (App::new("portal".parse().unwrap()), App::new("studio".parse().unwrap()));
        let mut agent = Agent::new("athena".parse().unwrap());
        assert!(agent.admits(&portal) && agent.admits(&studio), "empty: all of the organisation");
        agent.allow.push(portal.id.clone());
        assert!(agent.admits(&portal) && !agent.admits(&studio));
        agent.allow.clear();
        studio.org = "other".into();
        assert!(!agent.admits(&studio), "other organisations never");
    }

    #[test]
    fn what_is_kept_says_nothing_of_the_token() {
        let mut app = App::new("portal".parse().unwrap());
        let key = TokenKey::new(&"k".repeat(32)).unwrap();
        let (token, hash) = key.issue(&Party::App(app.id.clone())).unwrap();
        rotate(&mut app.tokens, hash, at(0), Duration::ZERO);
        let kept = serde_json::to_string(&app).unwrap();
        assert!(!kept.contains(token.reveal().rsplit('_').next().unwrap()), "{kept}");
        assert_eq!(serde_json::from_str::<App>(&kept).unwrap(), app);
        let written_by_an_older_build: App = serde_json::from_str(r#"{"id":"portal"}"#).unwrap();
        assert!(written_by_an_older_build.echo_payload);
    }
}
