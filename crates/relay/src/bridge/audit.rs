//! What happened: names, sizes, hashes, how it ended and how long it took. Never content.

use super::id::{AgentId, AppId, EventId};
use super::inner::Inner;
use super::record::AUDIT;
use crate::log::{Append, Caps, Log, Once, Overflow};
use crate::store::StoreError;
use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tollwire_ledger::Timestamp;

/// Entries that wait to be written.
const WAITING_MAX: usize = 4_096;

/// Entries that are written at once.
const AT_ONCE_MAX: usize = 64;

/// What is kept of them in all, in bytes.
const BYTES_MAX: u64 = 1 << 30;

/// How long it is remembered that an entry was written which is written once.
const ONCE_TTL: Duration = Duration::from_secs(7 * 86_400);

/// One thing that happened.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct AuditEntry {
    /// When, in milliseconds since the epoch.
    at: u64,
    what: What,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread_id: Option<String>,
    /// How it stands now.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// Bytes of the payload, or of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    /// Their SHA-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// From acceptance, or from delivery to the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<u64>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// An event was accepted.
    Accepted,
    /// It was given to its agent.
    Delivered,
    /// It was not accepted.
    Refused,
    /// It was answered.
    Replied,
    /// It ended in an error.
    Failed,
    /// Its answer arrived at the app.
    Received,
    /// Its answer was not fetched in time.
    Lapsed,
    /// An agent answered an event of another's.
    Spoof,
    /// A registration was changed.
    Registration,
}

impl AuditEntry {
    pub(crate) fn new(what: What, now: Timestamp) -> Self {
        Self {
            at: now.millis(),
            what,
            event_id: None,
            app_id: None,
            agent_id: None,
            thread_id: None,
            status: match what {
                What::Accepted | What::Delivered => Some("pending"),
                What::Replied | What::Received => Some("delivered"),
                What::Refused | What::Failed | What::Lapsed => Some("failed"),
                What::Spoof | What::Registration => None,
            },
            code: None,
            bytes: None,
            sha256: None,
            latency_ms: None,
        }
    }

    pub(crate) fn event(mut self, id: &EventId) -> Self {
        self.event_id = Some(id.to_string());
        self
    }

    pub(crate) fn app(mut self, id: &AppId) -> Self {
        self.app_id = Some(id.to_string());
        self
    }

    pub(crate) fn agent(mut self, id: &AgentId) -> Self {
        self.agent_id = Some(id.to_string());
        self
    }

    pub(crate) fn thread(mut self, thread: &str) -> Self {
        self.thread_id = Some(thread.to_owned());
        self
    }

    pub(crate) fn code(mut self, code: &str) -> Self {
        self.code = Some(code.to_owned());
        self
    }

    pub(crate) fn content(mut self, content: &str) -> Self {
        self.bytes = Some(content.len());
        self.sha256 = Some(hex::encode(Sha256::digest(content)));
        self
    }

    pub(crate) fn took(mut self, took: Duration) -> Self {
        self.latency_ms = u64::try_from(took.as_millis()).ok();
        self
    }
}

/// Where entries are put. They are written within moments, in the background.
#[derive(Debug, Clone)]
pub(crate) struct Audit(mpsc::Sender<AuditEntry>);

impl Audit {
    pub(crate) fn new() -> (Self, mpsc::Receiver<AuditEntry>) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        (Self(sender), receiver)
    }

    /// Notes an entry; waits if too many do.
    pub(crate) async fn note(&self, entry: AuditEntry) {
        // Nobody listens any more only when the process ends.
        drop(self.0.send(entry).await);
    }
}

/// Writes entries to the log until `stop`, and then those that are left.
pub(crate) async fn write(
    log: Arc<dyn Log>,
    mut entries: mpsc::Receiver<AuditEntry>,
    (ttl, count): (Duration, u64),
    stop: CancellationToken,
) {
    let caps = caps(count);
    loop {
        let mut batch = Vec::new();
        tokio::select! {
            _ = entries.recv_many(&mut batch, AT_ONCE_MAX) => {}
            () = stop.cancelled() => {
                entries.close();
                if entries.recv_many(&mut batch, AT_ONCE_MAX).await == 0 {
                    return;
                }
            }
        }
        let writes = batch.iter().map(|entry| append(&*log, entry, ttl, caps));
        for written in futures_util::future::join_all(writes).await {
            if let Err(error) = written {
                tracing::error!(%error, "an entry of the audit log is lost");
            }
        }
    }
}

impl Inner {
    /// Writes what another part of the broker says at once, and once for its key.
    pub(crate) async fn audit_once(&self, key: String, body: Bytes) -> Result<(), StoreError> {
        let (now, kept) = (self.now(), (self.limits.audit_ttl, self.limits.audit_entries_max));
        let once = Once { key, until: now.after(ONCE_TTL), memo: String::new() };
        let new = Append { body, until: now.after(kept.0), once: Some(once) };
        let stored = self.log.append(AUDIT, new, caps(kept.1), now).await?;
        tracing::trace!(?stored, "audited");
        Ok(())
    }
}

const fn caps(count: u64) -> Caps {
    Caps { count, bytes: BYTES_MAX, overflow: Overflow::ForgetOldest }
}

async fn append(log: &dyn Log, entry: &AuditEntry, ttl: Duration, caps: Caps) -> Result<(), StoreError> {
    let now = Timestamp::from_millis(entry.at);
    let body = serde_json::to_vec(entry).unwrap_or_default().into();
    let stored = log.append(AUDIT, Append { body, until: now.after(ttl), once: None }, caps, now).await?;
    tracing::trace!(?stored, "audited");
    Ok(())
}
