//! The brain: an agent of the bridge that is told what a person says and who could serve it, and chooses.

use super::agent::{Action, ServiceAgent};
use super::record::{Choice, Job};
use super::say::dollars;
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use tollwire_x402::Usdc;

/// Bytes of agents that the brain is told of: an event carries 64 KiB in all.
const CATALOGUE_BYTES: usize = 24 * 1024;

/// The longest description of a job, in characters.
const DESCRIPTION_MAX: usize = 500;

/// The longest arguments, in bytes.
const ARGUMENTS_BYTES_MAX: usize = 40 * 1024;

/// What the brain says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Word {
    /// An answer of its own.
    Say(String),
    /// An agent.
    Use(Chosen),
}

/// An agent that the brain has chosen.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Chosen {
    /// Its slug.
    pub(super) agent: String,
    pub(super) action: String,
    #[serde(default)]
    arguments: Value,
    /// For people.
    #[serde(default)]
    description: Option<String>,
}

#[derive(Deserialize)]
struct Saying {
    say: String,
}

/// What the brain is asked.
pub(super) fn question(session: &str, job: &Job, catalogue: &[(ServiceAgent, Vec<Action>)]) -> Box<RawValue> {
    let (mut agents, mut bytes) = (Vec::new(), 0_usize);
    for (agent, actions) in catalogue {
        let action = |action: &Action| {
            json!({
                "name": action.name, "description": action.description, "input_schema": action.input_schema,
                "price_usdc": dollars(action.costs().unwrap_or_default()),
            })
        };
        let told = json!({
            "slug": agent.slug, "name": agent.name, "description": agent.description,
            "category": agent.category, "actions": actions.iter().map(action).collect::<Vec<_>>(),
        });
        bytes = bytes.saturating_add(told.to_string().len());
        if bytes > CATALOGUE_BYTES {
            tracing::warn!("more agents are registered than the brain can be told of");
            break;
        }
        agents.push(told);
    }
    let question = json!({
        "type": "choose", "session_id": session, "job_id": job.id,
        "message": { "content": job.content }, "agents": agents,
    });
    to_raw_value(&question).unwrap_or_default()
}

/// Reads an answer: an object, or the same in a text; any other text is an answer of the brain's own.
pub(super) fn read(answer: &RawValue) -> Option<Word> {
    let text = serde_json::from_str::<String>(answer.get()).ok();
    let object = text.as_deref().unwrap_or(answer.get());
    if let Ok(chosen) = serde_json::from_str::<Chosen>(object) {
        let fits = chosen.arguments.to_string().len() <= ARGUMENTS_BYTES_MAX;
        return fits.then_some(Word::Use(chosen));
    }
    match serde_json::from_str::<Saying>(object) {
        Ok(saying) => Some(Word::Say(saying.say)),
        Err(_) => text.map(Word::Say),
    }
}

impl Chosen {
    /// As it is written down.
    pub(super) fn of(self, agent: &ServiceAgent, action: &Action, price: Usdc) -> Choice {
        let described = self.description.filter(|text| !text.trim().is_empty());
        let description = described.unwrap_or_else(|| {
            if action.description.is_empty() { action.name.clone() } else { action.description.clone() }
        });
        let arguments = if self.arguments.is_null() { json!({}) } else { self.arguments };
        Choice {
            slug: agent.slug.to_string(),
            agent_id: agent.id(),
            agent_name: agent.name.clone(),
            action: action.name.clone(),
            arguments: arguments.to_string(),
            description: description.chars().take(DESCRIPTION_MAX).collect(),
            price,
            quoted: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Option<Word> {
        read(&RawValue::from_string(text.to_owned()).unwrap())
    }

    #[test]
    fn answers_are_objects_or_texts() {
        let chosen = r#"{"agent":"sum","action":"summarize","arguments":{"a":1}}"#;
        assert!(matches!(word(chosen), Some(Word::Use(Chosen { agent, .. })) if agent == "sum"));
        let in_text = Value::String(chosen.to_owned()).to_string();
        assert!(matches!(word(&in_text), Some(Word::Use(_))));
        assert_eq!(word(r#"{"say":"hello"}"#), Some(Word::Say("hello".into())));
        assert_eq!(word(r#""hello""#), Some(Word::Say("hello".into())));
        assert_eq!(word(r#"{"x":1}"#), None);
        assert_eq!(word("7"), None);
    }
}
