//! Agents, found by what they can do. Who does not say what it can do is not shown.

use super::SESSIONS;
use super::problem::no_agent;
use crate::asp::client::AspClient;
use crate::asp::error::Failed;
use crate::asp::inner::Inner;
use crate::http::{Answer, json as answer};
use http::StatusCode;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tollwire_asp::{AgentUri, Code, TrustScore, VERSION};

/// Agents of one answer, unless another number is asked for, and at most.
const PAGE: usize = 50;
const PAGE_MAX: usize = 200;

/// What is looked for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    capability: Option<String>,
    min_trust: TrustScore,
    after: Option<String>,
    limit: usize,
}

impl Wanted {
    fn of(query: &str) -> Result<Self, Failed> {
        let mut wanted =
            Self { capability: None, min_trust: TrustScore::default(), after: None, limit: PAGE };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let wrong = |what: &str| Failed::new(Code::SchemaViolation, format!("{name} is {what}"));
            match &*name {
                "capability" => wanted.capability = Some(value.into_owned()),
                "min_trust" => {
                    wanted.min_trust = value.parse().map_err(|_| wrong("a number from 0 to 100"))?;
                }
                "cursor" => wanted.after = Some(value.into_owned()),
                "limit" => {
                    let limit = value.parse::<usize>().map_err(|_| wrong("a whole number"))?;
                    wanted.limit = limit.clamp(1, PAGE_MAX);
                }
                _ => {}
            }
        }
        Ok(wanted)
    }
}

impl Inner {
    /// Those that say what they can do, by name: each agent once, whatever number of clients speak by it.
    fn listed(&self) -> BTreeMap<AgentUri, AspClient> {
        let clients = self.gate.clients();
        let listed = clients.values().filter(|client| !client.card.capabilities.is_empty());
        listed.map(|client| (client.agent.clone(), client.clone())).collect()
    }

    /// Agents that can do something and are trusted that much, in the order of their names.
    pub(super) fn discover(&self, query: &str) -> Result<Answer, Failed> {
        let wanted = Wanted::of(query)?;
        let listed = self.listed();
        let fits = |client: &&AspClient| {
            wanted.capability.as_ref().is_none_or(|wanted| client.card.capabilities.contains(wanted))
                && self.trusts(client) >= wanted.min_trust
                && wanted.after.as_ref().is_none_or(|after| client.agent.as_str() > after.as_str())
        };
        let mut found: Vec<&AspClient> = listed.values().filter(fits).take(wanted.limit + 1).collect();
        let more = found.len() > wanted.limit;
        found.truncate(wanted.limit);
        let cards: Vec<Value> = found.iter().map(|client| self.shown_card(client)).collect();
        let mut body = json!({ "agents": cards });
        if let Some(last) = found.last().filter(|_| more) {
            body["nextCursor"] = json!(last.agent);
        }
        Ok(answer(StatusCode::OK, &body))
    }

    /// One of them; its name stands in the path with its slashes escaped.
    pub(super) fn card(&self, name: &str) -> Answer {
        let name = percent_decode_str(name).decode_utf8().ok().and_then(|name| name.parse().ok());
        let client = name.and_then(|name: AgentUri| self.listed().remove(&name));
        client.map_or_else(no_agent, |client| answer(StatusCode::OK, &self.shown_card(&client)))
    }

    fn trusts(&self, client: &AspClient) -> TrustScore {
        self.trust.score(&client.agent).unwrap_or(client.trust)
    }

    fn shown_card(&self, client: &AspClient) -> Value {
        let card = &client.card;
        json!({
            "agentId": client.agent,
            "orgId": client.org,
            "name": card.name,
            "description": card.description,
            "capabilities": card.capabilities,
            "trustScore": self.trusts(client),
            "version": VERSION,
            "bindings": ["websocket", "http", "sse"],
            "sessions": self.url(SESSIONS),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_for_is_read() {
        let wanted =
            Wanted::of("capability=gpu.compute&min_trust=72.5&limit=9999&cursor=agent%3A%2F%2Fa&x=y");
        assert_eq!(
            wanted,
            Ok(Wanted {
                capability: Some("gpu.compute".into()),
                min_trust: "72.5".parse().unwrap(),
                after: Some("agent://a".into()),
                limit: PAGE_MAX
            })
        );
        for bad in ["min_trust=101", "min_trust=x", "limit=-1"] {
            assert_eq!(Wanted::of(bad).unwrap_err().code, Code::SchemaViolation, "{bad}");
        }
    }
}
