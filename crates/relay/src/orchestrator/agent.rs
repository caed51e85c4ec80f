//! Service agents: what is registered of them, and what they say of themselves.

use super::ids;
use crate::bridge::AgentId;
use crate::call::{Api, ApiError, Price};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use tollwire_ledger::Timestamp;
use tollwire_x402::{ApiId, Network, Usdc};
use url::Url;

/// The most actions of one agent.
const ACTIONS_MAX: usize = 64;

/// A registered agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceAgent {
    pub(super) slug: ApiId,
    pub(super) name: String,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) category: String,
    #[serde(default)]
    pub(super) agent_version: String,
    /// Where it is, if it is reached over HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) base_url: Option<Url>,
    #[serde(default)]
    pub(super) allow_private: bool,
    /// Its name on the bridge, if it is reached there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) bridge_agent: Option<AgentId>,
    /// What it can do, if it does not say so itself.
    #[serde(default)]
    pub(super) actions: Vec<Action>,
    /// Who is paid by signed payments, on each network.
    #[serde(default)]
    pub(super) pay_to: BTreeMap<Network, String>,
    /// Which key it is shown.
    #[serde(default)]
    pub(super) key_version: u32,
    #[serde(default)]
    pub(super) created: Timestamp,
}

/// What an agent can do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Action {
    pub(super) name: String,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) input_schema: Value,
    #[serde(default)]
    pub(super) output_schema: Value,
    /// In USDC; nothing for what is free. Agents may write a number, which is read as it is written.
    #[serde(default, deserialize_with = "price", skip_serializing_if = "Option::is_none")]
    pub(super) price: Option<String>,
}

/// Why an agent cannot be registered as it is written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Wrong {
    #[error("base_url, bridge_agent: write one of them")]
    Place,
    #[error("actions: an agent of the bridge needs at least one, each with a name")]
    Actions,
    #[error("actions: at most {ACTIONS_MAX}")]
    TooMany,
    #[error("actions.price: a plain amount of USDC, such as \"0.05\"")]
    Price,
    #[error("{0}")]
    Api(#[from] ApiError),
}

fn price<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let raw = Option::<Box<RawValue>>::deserialize(deserializer)?;
    Ok(raw.map(|raw| raw.get().trim_matches('"').to_owned()).filter(|text| text != "null"))
}

impl Action {
    /// What it costs; `None` if that cannot be read.
    pub(super) fn costs(&self) -> Option<Usdc> {
        self.price.as_ref().map_or(Some(Usdc::ZERO), |text| text.parse().ok())
    }
}

impl ServiceAgent {
    /// Its id in frames: always the same for its slug.
    pub(super) fn id(&self) -> String {
        ids::named(&format!("service agent {}", self.slug))
    }

    /// Where it is asked over HTTP.
    pub(super) fn api(&self) -> Option<Api> {
        let mut api = Api::new(self.slug.clone(), self.base_url.clone()?);
        api.allow_private = self.allow_private;
        Some(api)
    }

    /// Whether it can be registered.
    pub(super) fn check(&self) -> Result<(), Wrong> {
        match (&self.base_url, &self.bridge_agent) {
            (None, Some(_)) if self.actions.is_empty() => return Err(Wrong::Actions),
            (Some(_), None) | (None, Some(_)) => {}
            _ => return Err(Wrong::Place),
        }
        if self.actions.len() > ACTIONS_MAX {
            return Err(Wrong::TooMany);
        }
        if self.actions.iter().any(|action| action.name.is_empty()) {
            return Err(Wrong::Actions);
        }
        if self.actions.iter().any(|action| action.costs().is_none()) {
            return Err(Wrong::Price);
        }
        if let Some(api) = self.api() {
            api.check()?;
        }
        if let Some(price) = self.payable(Usdc::from_atomic(1).unwrap_or_default()) {
            price.check().map_err(ApiError::from)?;
        }
        Ok(())
    }

    /// An amount as a price that signed payments answer, if anybody is paid so.
    pub(super) fn payable(&self, amount: Usdc) -> Option<Price> {
        (!self.pay_to.is_empty()).then(|| Price { amount, pay_to: self.pay_to.clone() })
    }
}

/// What an agent answers to `/capabilities`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Capabilities {
    #[serde(default)]
    pub(super) actions: Vec<Action>,
}

impl Capabilities {
    /// Those that can be used: with a name, and a price that can be read.
    pub(super) fn read(body: &[u8]) -> Option<Vec<Action>> {
        let mut read: Self = serde_json::from_slice(body).ok()?;
        read.actions.retain(|action| !action.name.is_empty() && action.costs().is_some());
        read.actions.truncate(ACTIONS_MAX);
        Some(read.actions)
    }
}

/// What an agent answers to `/health`.
#[derive(Debug, Deserialize)]
struct Health {
    status: String,
    ready: bool,
}

/// Whether an answer to `/health` says that it can work.
pub(super) fn is_healthy(body: &[u8]) -> bool {
    serde_json::from_slice::<Health>(body)
        .is_ok_and(|health| health.ready && matches!(health.status.as_str(), "ok" | "degraded"))
}

/// What an agent answers to `/invoke`.
#[derive(Debug, Deserialize)]
struct Invoked {
    ok: bool,
    #[serde(default)]
    output: Option<Value>,
    #[serde(default)]
    error: Option<String>,
}

/// What an agent has done: its output as text, or why there is none.
pub(super) fn output(body: &str) -> Result<String, String> {
    match serde_json::from_str::<Invoked>(body) {
        Ok(Invoked { ok: true, output, .. }) => Ok(match output {
            Some(Value::String(text)) => text,
            Some(value) => value.to_string(),
            None => String::new(),
        }),
        Ok(failed) => Err(failed.error.unwrap_or_else(|| "the agent gives no reason".to_owned())),
        Err(_) => Err("the agent's answer cannot be read".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_as_they_are_written() {
        let actions = Capabilities::read(
            br#"{"message":"hi","actions":[{"name":"a","price":0.05},{"name":"b","price":"1.000001"},
                {"name":"c"},{"name":"d","price":null},{"name":"e","price":"1e3"},{"name":"","price":1}]}"#,
        )
        .unwrap();
        let costs: Vec<(&str, u64)> =
            actions.iter().map(|action| (action.name.as_str(), action.costs().unwrap().atomic())).collect();
        assert_eq!(costs, [("a", 50_000), ("b", 1_000_001), ("c", 0), ("d", 0)]);
        assert_eq!(Capabilities::read(b"x"), None);
    }

    #[test]
    fn health_is_exactly_ok_or_degraded_and_ready() {
        assert!(is_healthy(br#"{"status":"ok","ready":true}"#));
        assert!(is_healthy(br#"{"status":"degraded","ready":true,"x":1}"#));
        for body in
            [r#"{"status":"OK","ready":true}"#, r#"{"status":"ok","ready":false}"#, r#"{"status":"ok"}"#, ""]
        {
            assert!(!is_healthy(body.as_bytes()), "{body}");
        }
    }

    #[test]
    fn output_is_text_or_json_and_failure_says_why() {
        assert_eq!(output(r#"{"ok":true,"output":"done"}"#), Ok("done".into()));
        assert_eq!(output(r#"{"ok":true,"output":{"a":1}}"#), Ok(r#"{"a":1}"#.into()));
        assert_eq!(output(r#"{"ok":false,"error":"no","error_code":"E"}"#), Err("no".into()));
        assert!(output("<html>").is_err());
    }
}
