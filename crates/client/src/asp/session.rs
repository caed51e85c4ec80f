//! An agent's side of one session.

use super::account::random_id;
use super::link::{Link, Word};
use super::{Account, Error, Event};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tollwire_asp::{Performative, SessionId};

/// A session, kept open. Dropping it closes the connection.
#[derive(Debug)]
pub struct SessionClient {
    words: mpsc::Sender<Word>,
    events: mpsc::Receiver<Event>,
    task: JoinHandle<()>,
}

impl SessionClient {
    /// Connects in the background and goes on behind message `last` (0: from the beginning). Must be called within a tokio
    /// runtime.
    pub fn connect(account: &Account, session: &SessionId, last: u64) -> Result<Self, Error> {
        let config = account.config();
        let (words, said) = mpsc::channel(config.waiting_max.max(1));
        let (told, events) = mpsc::channel(config.waiting_max.max(1));
        let link = Link::new(account, session, last)?;
        let task = tokio::spawn(link.run(said, told));
        Ok(Self { words, events, task })
    }

    /// Says something; its id, under which [`next`](Self::next) tells what became of it. While there is no connection it waits
    /// for one. Events have to be taken meanwhile: when too many wait, nothing more is said.
    pub async fn say(&self, performative: Performative, body: &Value) -> Result<String, Error> {
        self.send(&json!({ "performative": performative, "content": { "body": body } })).await
    }

    /// The same with a whole envelope: with a `recipient`, for one, or with the `integrity.previousHash` that is believed to be
    /// the head.
    pub async fn send(&self, envelope: &Value) -> Result<String, Error> {
        let id = random_id()?;
        let frame = json!({ "type": "send", "id": id, "envelope": envelope }).to_string();
        self.words.send(Word { id: id.clone(), frame }).await.map_err(|_| Error::Ended)?;
        Ok(id)
    }

    /// What happens next; `None` after the end.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}

impl Drop for SessionClient {
    fn drop(&mut self) {
        self.task.abort();
    }
}
