//! From the file's words to the bridge's.

use crate::config::{Agent as WrittenAgent, App as WrittenApp, File};
use crate::failure::Failure;
use crate::store::Store;
use std::sync::Arc;
use tollwire_ledger::SystemClock;
use tollwire_ops::Error;
use tollwire_ops::config::{Loaded, MaybeEnv};
use tollwire_relay::bridge::{Agent, App, Bridge, BridgeConfig, BridgeLimits, KeptToken, Registry, TokenKey};
use tollwire_relay::runtime::Rate;

/// The bridge that a file describes, if it describes one.
pub(crate) async fn start(file: &Loaded<File>, store: &Store) -> Result<Option<Bridge>, Failure> {
    let Some(key) = key(file)? else { return Ok(None) };
    let config = BridgeConfig {
        key,
        registry: registry(file)?,
        limits: limits(file),
        stores: store.bridge().await?,
        clock: Arc::new(SystemClock),
    };
    Bridge::start(config).await.map(Some).map_err(Failure::start)
}

/// The key that tokens are hashed with.
pub(crate) fn key(file: &Loaded<File>) -> Result<Option<TokenKey>, Error> {
    let Some(secret) = &file.value.token_key else { return Ok(None) };
    let secret = secret.read(&file.base)?;
    TokenKey::new(secret.expose()).map(Some).map_err(|error| file.error("token_key", error.to_string()))
}

/// Apps and agents of a file, checked.
pub(crate) fn registry(file: &Loaded<File>) -> Result<Registry, Error> {
    let mut registry = Registry::default();
    for (position, written) in file.value.app.iter().enumerate() {
        let fail = |key: &str, reason: &str| file.error(format!("app[{position}].{key}"), reason);
        let app = app(written, &fail)?;
        if registry.apps.insert(app.id.clone(), app).is_some() {
            return Err(fail("id", "it stands twice"));
        }
    }
    for (position, written) in file.value.agent.iter().enumerate() {
        let fail = |key: &str, reason: &str| file.error(format!("agent[{position}].{key}"), reason);
        let agent = agent(written, &fail)?;
        if registry.agents.insert(agent.id.clone(), agent).is_some() {
            return Err(fail("id", "it stands twice"));
        }
    }
    Ok(registry)
}

fn app(written: &WrittenApp, fail: &dyn Fn(&str, &str) -> Error) -> Result<App, Error> {
    let mut app = App::new(written.id.clone());
    app.tokens = token(&written.token_hash, fail)?;
    app.org.clone_from(&written.org);
    app.echo_payload = written.echo_payload;
    app.typing = written.typing;
    app.events_per_minute = written.events_per_minute;
    app.events_per_hour = written.events_per_hour;
    app.connections = written.connections;
    Ok(app)
}

fn agent(written: &WrittenAgent, fail: &dyn Fn(&str, &str) -> Error) -> Result<Agent, Error> {
    let mut agent = Agent::new(written.id.clone());
    agent.tokens = token(&written.token_hash, fail)?;
    agent.name = written.name.clone().unwrap_or_else(|| written.id.to_string());
    agent.description.clone_from(&written.description);
    agent.org.clone_from(&written.org);
    agent.allow.clone_from(&written.allow);
    agent.offline = written.offline;
    Ok(agent)
}

fn token(written: &MaybeEnv, fail: &dyn Fn(&str, &str) -> Error) -> Result<Vec<KeptToken>, Error> {
    let hash = written.resolve()?.parse();
    let hash =
        hash.map_err(|error: tollwire_relay::bridge::TokenError| fail("token_hash", &error.to_string()))?;
    Ok(vec![KeptToken { hash, until: None }])
}

fn limits(file: &Loaded<File>) -> BridgeLimits {
    let written = &file.value.limits;
    let mut limits = BridgeLimits::default();
    let [minute, hour] = limits.app_events;
    limits.payload_bytes_max = written.payload_bytes;
    limits.reply_bytes_max = written.reply_bytes;
    limits.queue_events_max = written.agent_queue_events;
    limits.queue_bytes_max = written.agent_queue_bytes;
    limits.queue_ttl = written.queue_ttl.0;
    limits.reply_ttl = written.reply_ttl.0;
    limits.replies_max = written.app_replies;
    limits.first_token = written.agent_first_token.0;
    limits.next_token = written.agent_next_token.0;
    limits.duplicate_window = written.duplicate_window.0;
    limits.session_ttl = written.session_ttl.0;
    limits.token_overlap = written.token_overlap.0;
    limits.app_connections_max = written.app_connections;
    limits.app_events = [
        Rate { count: written.app_events_per_minute, ..minute },
        Rate { count: written.app_events_per_hour, ..hour },
    ];
    limits.audit_ttl = written.audit_ttl.0;
    limits.audit_entries_max = written.audit_entries;
    limits
}
