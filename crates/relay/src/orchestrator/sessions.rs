//! Sessions as the person who has them may begin and see them.

use super::ids;
use super::inner::Inner;
use super::link;
use super::people::Holder;
use super::phase::State;
use super::record::{Record, key};
use super::seats::News;
use super::token::Claims;
use super::words::Word;
use crate::store::{Change, Changed, FOR_EVER, Row, StoreError, fresh_version};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tollwire_ledger::Timestamp;

/// How long whoever closes a session waits for its end, how often it is looked at, and how often that is asked for.
const CLOSE_WAIT: Duration = Duration::from_secs(10);
const CLOSE_LOOK: Duration = Duration::from_millis(50);
const CLOSE_AGAIN: Duration = Duration::from_secs(1);

/// Why a session is not begun.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotBegun {
    #[error("too many sessions are open: close one of them")]
    TooMany,
    #[error("the store: {0}")]
    Store(#[from] StoreError),
}

impl Inner {
    /// Begins a session; its name, and what opens it.
    pub(super) async fn begin(&self, holder: &Holder) -> Result<Value, NotBegun> {
        let id = ids::fresh()?;
        let now = self.now();
        let version = fresh_version()?;
        let change = Change {
            key: key(&id),
            from: None,
            to: Some(Record::new(holder.clone(), now).row(version)?),
            keep_until: now.after(self.limits.retention),
            due: None,
            alias: None,
        };
        self.list_with(&holder.id, &id).await?;
        // A name that is random is nobody's.
        let _done = self.rows.change(change).await?;
        self.opened(holder, &id, now)
            .ok_or_else(|| StoreError::Corrupt("a session's token cannot be made".to_owned()).into())
    }

    /// What opens a session: a fresh token, and where.
    pub(super) fn opened(&self, holder: &Holder, session: &str, now: Timestamp) -> Option<Value> {
        let ttl = self.limits.token_ttl;
        let token = self.keys.issue(&Claims::new(holder, session, now.secs(), ttl.as_secs()))?;
        let base = self.public_url.replacen("http", "ws", 1);
        Some(json!({
            "session_id": session,
            "token": token,
            "ws_url": format!("{base}/ws/user-agent/{session}"),
            "expires_at": ids::time(now.after(ttl)),
        }))
    }

    /// A person's session.
    pub(super) async fn session_of(&self, person: &str, id: &str) -> Result<Option<Record>, StoreError> {
        let found = self.session(id).await?.map(|(_, record)| record);
        Ok(found.filter(|record| record.person == person))
    }

    /// Closes a session, whichever broker works at it; where it stands then: [`State::Closed`], or on its way there if a payment
    /// has to be finished first.
    pub(super) async fn close(self: &Arc<Self>, session: &str) -> Result<State, StoreError> {
        let (began, mut told) = (Instant::now(), None::<Instant>);
        loop {
            let Some((_, record)) = self.session(session).await? else { return Ok(State::Closed) };
            if record.is_over() || began.elapsed() > CLOSE_WAIT {
                return Ok(record.state);
            }
            // Word of it may be lost, as may a task that was just about to end.
            if told.is_none_or(|told| told.elapsed() > CLOSE_AGAIN) {
                told = Some(Instant::now());
                let other = record.owner.filter(|owner| owner.node != self.node);
                let lives = match other {
                    Some(owner) => self.sign_of(owner.node).await?.is_some(),
                    None => false,
                };
                if lives {
                    self.tell_others(&Word::Close(session.to_owned())).await;
                } else {
                    link::tell(self, session, News::Close).await?;
                }
            }
            sleep(CLOSE_LOOK).await;
        }
    }

    /// The sessions of a person, newest first.
    pub(super) async fn sessions_of(&self, person: &str) -> Result<Vec<Value>, StoreError> {
        let row = self.rows.row(&list_key(person)).await?;
        let ids = listed(row.as_ref())?;
        let all = ids.iter().rev().map(|id| async move { (id, self.session_of(person, id).await) });
        let mut views = Vec::new();
        for (id, found) in futures_util::future::join_all(all).await {
            views.extend(found?.map(|record| shown(id, &record)));
        }
        Ok(views)
    }

    /// Puts a session on its person's list, from which one that is over goes if there are too many.
    async fn list_with(&self, person: &str, id: &str) -> Result<(), NotBegun> {
        let key = list_key(person);
        let mut row = self.rows.row(&key).await?;
        loop {
            let mut ids = listed(row.as_ref())?;
            if ids.len() >= self.limits.sessions_max {
                let over = self.first_over(person, &ids).await?.ok_or(NotBegun::TooMany)?;
                ids.retain(|listed| *listed != over);
            }
            ids.push(id.to_owned());
            let content = serde_json::to_vec(&ids)
                .map_err(|error| StoreError::Corrupt(format!("cannot encode sessions: {error}")))?;
            let change = Change {
                key: key.clone(),
                from: row.map(|row| row.version),
                to: Some(Row { version: fresh_version()?, content }),
                keep_until: FOR_EVER,
                due: None,
                alias: None,
            };
            match self.rows.change(change).await? {
                Changed::Moved(now) => row = now,
                Changed::Done | Changed::Taken => return Ok(()),
            }
        }
    }

    async fn first_over(&self, person: &str, ids: &[String]) -> Result<Option<String>, StoreError> {
        for id in ids {
            let found = self.session_of(person, id).await?;
            if found.is_none_or(|record| record.state == State::Closed) {
                return Ok(Some(id.clone()));
            }
        }
        Ok(None)
    }
}

fn list_key(person: &str) -> String {
    format!("orchestrator/sessions/{person}")
}

fn listed(row: Option<&Row>) -> Result<Vec<String>, StoreError> {
    row.map_or(Ok(Vec::new()), |row| {
        serde_json::from_slice(&row.content)
            .map_err(|error| StoreError::Corrupt(format!("list of sessions: {error}")))
    })
}

/// A session, as its person may see it.
pub(super) fn shown(id: &str, record: &Record) -> Value {
    json!({
        "session_id": id,
        "phase": record.state.phase(),
        "created_at": ids::time(record.created),
        "updated_at": ids::time(record.updated),
        "waiting_messages": record.queue.len(),
        "agent_name": record.job.as_ref().and_then(|job| job.choice.as_ref()).map(|choice| &choice.agent_name),
    })
}
