//! What all sessions of a broker share.

use super::agents::Agents;
use super::limits::OrchestratorLimits;
use super::people::People;
use super::purse::Purses;
use super::record::{Record, key};
use super::seats::Seats;
use super::token::Keys;
use crate::bridge::{AgentId, Bridge, Inside, NodeId};
use crate::call::{Cashier, Upstream};
use crate::notes::{Notes, Topic};
use crate::store::{Row, Rows, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tollwire_gate::Gate;
use tollwire_ledger::{Clock, Timestamp};

/// How long others believe that a broker is at work without being told again.
pub(super) const NODE_TTL: Duration = Duration::from_secs(6);

/// The state of a node.
pub(super) struct Inner {
    pub(super) node: NodeId,
    /// Whether there may be other nodes.
    pub(super) shared: bool,
    pub(super) rows: Arc<dyn Rows>,
    pub(super) notes: Arc<dyn Notes>,
    pub(super) bridge: Bridge,
    pub(super) inside: Arc<Inside>,
    pub(super) brain: AgentId,
    pub(super) upstream: Arc<Upstream>,
    pub(super) agents: Agents,
    pub(super) people: People,
    pub(super) purses: Purses,
    pub(super) keys: Keys,
    pub(super) cashier: Option<Cashier>,
    /// Prepaid accounts, if there are any.
    pub(super) accounts: Option<Arc<Gate>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) limits: OrchestratorLimits,
    pub(super) seats: Seats,
    /// Without a slash at its end.
    pub(super) public_url: String,
    /// Sessions at work.
    pub(super) works: TaskTracker,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

impl Inner {
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A session and the version of its row.
    pub(super) async fn session(&self, id: &str) -> Result<Option<(Row, Record)>, StoreError> {
        let Some(row) = self.rows.row(&key(id)).await? else { return Ok(None) };
        let record = Record::read(&row)?;
        Ok(Some((row, record)))
    }

    /// When another node last said that it is at work; `None` if it is not.
    pub(super) async fn sign_of(&self, node: NodeId) -> Result<Option<bytes::Bytes>, StoreError> {
        if !self.shared {
            return Ok(None);
        }
        self.notes.get((Topic::Nodes, &node.to_string()), self.now()).await
    }

    /// Says that this node is at work.
    pub(super) async fn give_sign(&self) -> Result<(), StoreError> {
        if !self.shared {
            return Ok(());
        }
        let now = self.now();
        let sign = now.millis().to_string().into();
        self.notes.put((Topic::Nodes, &self.node.to_string()), sign, Some(now.after(NODE_TTL))).await
    }
}
