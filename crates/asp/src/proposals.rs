//! Proposals that have had no answer.

use crate::agent::AgentUri;
use serde::{Deserialize, Serialize};

/// The most that are remembered; the oldest are forgotten first.
const OPEN_MAX: usize = 16;

/// What is on the table, in the order in which it was put there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Proposals(Vec<Open>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    id: String,
    by: AgentUri,
}

impl Proposals {
    /// Another one.
    pub(crate) fn open(&mut self, id: &str, by: &AgentUri) {
        self.close(id);
        if self.0.len() >= OPEN_MAX {
            self.0.remove(0);
        }
        self.0.push(Open { id: id.to_owned(), by: by.clone() });
    }

    /// One has had its answer.
    pub(crate) fn close(&mut self, id: &str) {
        self.0.retain(|open| open.id != id);
    }

    /// Its author takes one back, or all.
    pub(crate) fn withdraw(&mut self, id: Option<&str>, by: &AgentUri) {
        self.0.retain(|open| open.by != *by || id.is_some_and(|id| open.id != id));
    }

    /// The one that somebody's answer is to: the one it names, else the latest, but never its author's own.
    pub(crate) fn answered(&self, id: Option<&str>, by: &AgentUri) -> Option<&str> {
        let others = self.0.iter().rev().filter(|open| open.by != *by);
        let mut meant = others.filter(|open| id.is_none_or(|id| open.id == id));
        meant.next().map(|open| open.id.as_str())
    }
}
