//! What is kept of a session: where it stands, what is under way, what waits.

use super::people::Holder;
use super::phase::State;
use crate::bridge::NodeId;
use crate::store::{Row, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use tollwire_gate::Charge;
use tollwire_ledger::Timestamp;
use tollwire_x402::Usdc;

/// The version this build writes.
const VERSION: u8 = 1;

/// Bytes of frames that have not arrived.
const UNSEEN_BYTES_MAX: usize = 512 * 1024;

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Whose it is.
    pub(super) person: String,
    /// With which of their API keys it was last opened: what waits was asked for with that.
    #[serde(default)]
    pub(super) key: String,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    pub(super) state: State,
    /// Messages that wait.
    pub(super) queue: VecDeque<String>,
    pub(super) job: Option<Job>,
    /// Frames that have not arrived, with their numbers.
    pub(super) unseen: VecDeque<(u64, String)>,
    /// The number of the next one.
    pub(super) next: u64,
    /// Which broker works at it.
    pub(super) owner: Option<Owner>,
}

/// The broker that works at a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owner {
    pub(super) node: NodeId,
    /// Whether a person is connected there.
    pub(super) connected: bool,
}

/// One message on its way to its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Job {
    /// Its name, which agents are told: the same name is the same job.
    pub(super) id: String,
    pub(super) content: String,
    /// Which of the person's API keys has asked for it.
    #[serde(default)]
    pub(super) key: String,
    pub(super) choice: Option<Choice>,
    pub(super) bill: Option<Bill>,
    pub(super) money: Option<Money>,
    /// What the agent has answered, before that is told: first what is due is taken, or given back.
    pub(super) done: Option<Done>,
}

/// How an agent's work has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Done {
    /// With this output.
    Output(String),
    /// Without one: why, for people.
    Failed(String),
}

/// Who does it, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Choice {
    /// The registered agent's slug, id and name.
    pub(super) slug: String,
    pub(super) agent_id: String,
    pub(super) agent_name: String,
    pub(super) action: String,
    /// JSON.
    pub(super) arguments: String,
    /// For people.
    pub(super) description: String,
    pub(super) price: Usdc,
    /// Whether it was the agent's answer of 402 that said so.
    #[serde(default)]
    pub(super) quoted: bool,
}

/// What a person is asked to pay, or auto-pay pays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bill {
    pub(super) id: String,
    /// How much.
    #[serde(default)]
    pub(super) amount: Usdc,
    pub(super) expires: Timestamp,
    /// The x402 object that a signed payment answers, as JSON.
    pub(super) required: Option<String>,
    /// Whether auto-pay covers it.
    pub(super) covered: bool,
}

/// What pays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Money {
    /// The person's account; the charge is there once it is held.
    Account { charge: Option<Charge> },
    /// A signed payment.
    Signed {
        /// What the facilitator is asked, as JSON.
        request: String,
        /// How often it did not say what became of it.
        doubts: u32,
        /// The settlement's transaction, once it is known.
        transaction: Option<String>,
    },
    /// What an earlier job with the same agent has paid in vain.
    Credit,
}

impl Job {
    /// It costs what the bill says: if its agent was asked for nothing at first, the agent has said so.
    pub(super) fn priced_by(&mut self, bill: &Bill) {
        if let Some(choice) = self.choice.as_mut().filter(|choice| choice.price != bill.amount) {
            (choice.price, choice.quoted) = (bill.amount, true);
        }
    }
}

impl Record {
    /// A session that begins.
    pub(super) fn new(holder: Holder, now: Timestamp) -> Self {
        Self {
            person: holder.id,
            key: holder.key,
            created: now,
            updated: now,
            state: State::Started,
            queue: VecDeque::new(),
            job: None,
            unseen: VecDeque::new(),
            next: 1,
            owner: None,
        }
    }

    /// Keeps so many of the frames that have not arrived, and no more bytes than a connection can be given at once; the newest
    /// stays in any case.
    pub(super) fn forget_oldest(&mut self, count_max: usize) {
        let mut bytes: usize =
            self.unseen.iter().map(|(_, frame)| frame.len()).fold(0, usize::saturating_add);
        while self.unseen.len() > count_max.max(1) || (bytes > UNSEEN_BYTES_MAX && self.unseen.len() > 1) {
            let Some((_, oldest)) = self.unseen.pop_front() else { return };
            bytes = bytes.saturating_sub(oldest.len());
        }
    }

    /// Whether nothing can happen to it any more.
    pub(super) fn is_over(&self) -> bool {
        self.state == State::Closed
    }

    /// As a row of this version.
    pub(super) fn row(&self, version: u64) -> Result<Row, StoreError> {
        let mut content = vec![VERSION];
        serde_json::to_writer(&mut content, self)
            .map_err(|error| StoreError::Corrupt(format!("cannot encode a session: {error}")))?;
        Ok(Row { version, content })
    }

    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        let unreadable = |why: String| StoreError::Corrupt(format!("session: {why}"));
        match row.content.split_first() {
            Some((&VERSION, rest)) => {
                serde_json::from_slice(rest).map_err(|error| unreadable(error.to_string()))
            }
            Some((version, _)) => Err(unreadable(format!("version {version} is not known"))),
            None => Err(unreadable("empty".to_owned())),
        }
    }
}

/// The key of a session's row.
pub(super) fn key(session: &str) -> String {
    format!("orchestrator/session/{session}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> Holder {
        Holder { id: "ada".into(), key: "k".into() }
    }

    #[test]
    fn the_oldest_frames_are_forgotten_first() {
        let mut record = Record::new(ada(), Timestamp::from_millis(7));
        record.unseen = (1..=70).map(|number| (number, "x".repeat(10))).collect();
        record.forget_oldest(64);
        assert_eq!((record.unseen.len(), record.unseen[0].0), (64, 7));
        record.unseen.push_back((71, "x".repeat(UNSEEN_BYTES_MAX - 25)));
        record.forget_oldest(64);
        assert_eq!(record.unseen.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [69, 70, 71]);
        record.unseen.push_back((72, "x".repeat(UNSEEN_BYTES_MAX + 1)));
        record.forget_oldest(64);
        assert_eq!(record.unseen.len(), 1, "the newest is not lost");
    }

    #[test]
    fn what_is_written_is_read() {
        let mut record = Record::new(ada(), Timestamp::from_millis(7));
        record.job = Some(Job {
            id: "j".into(),
            content: "hi".into(),
            key: "k".into(),
            choice: None,
            bill: None,
            money: Some(Money::Account { charge: None }),
            done: None,
        });
        record.unseen.push_back((1, "{}".into()));
        assert_eq!(Record::read(&record.row(3).unwrap()).unwrap(), record);
        for content in [vec![], vec![9], b"\x01{}".to_vec()] {
            assert!(Record::read(&Row { version: 1, content }).is_err());
        }
    }
}
