//! Conversations: that a thread between an app and an agent goes on. Kept for a while after its last event.

use super::id::{AgentId, AppId};
use super::inner::Inner;
use crate::notes::Topic;
use crate::store::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What is kept of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Conversation {
    app_id: AppId,
    agent_id: AgentId,
    thread_id: String,
    /// When its first event was accepted, in milliseconds since the epoch.
    first_at: u64,
    /// When its last was.
    last_at: u64,
    /// How many were. Of several at once from several nodes, one may not be counted.
    events: u64,
}

impl Inner {
    /// An event of a conversation was accepted.
    pub(super) async fn remember(&self, app: &AppId, agent: &AgentId, thread: &str) {
        let now = self.now();
        let name = format!("{agent}:{app}:{thread}");
        let key = (Topic::Sessions, name.as_str());
        let known = self.notes.get(key, now).await;
        let known =
            known.ok().flatten().and_then(|bytes| serde_json::from_slice::<Conversation>(&bytes).ok());
        let mut conversation = known.unwrap_or_else(|| Conversation {
            app_id: app.clone(),
            agent_id: agent.clone(),
            thread_id: thread.to_owned(),
            first_at: now.millis(),
            last_at: 0,
            events: 0,
        });
        conversation.last_at = now.millis();
        conversation.events = conversation.events.saturating_add(1);
        let value = serde_json::to_vec(&conversation).unwrap_or_default();
        let until = Some(now.after(self.limits.session_ttl));
        if let Err(error) = self.notes.put(key, value.into(), until).await {
            tracing::debug!(%error, "a conversation was not noted");
        }
    }

    /// All conversations.
    pub(super) async fn conversations(&self) -> Result<Vec<Value>, StoreError> {
        let all = self.notes.list(Topic::Sessions, self.now()).await?;
        let read = |bytes: &[u8]| serde_json::from_slice::<Conversation>(bytes).ok();
        Ok(all.iter().filter_map(|(_, bytes)| read(bytes)).map(|one| json!(one)).collect())
    }
}
