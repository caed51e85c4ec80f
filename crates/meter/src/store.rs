//! The ledger, with a bound on every wait.

use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tollwire_ledger::model::Stream;
use tollwire_ledger::{Command, Error, Ledger, Outcome, Watched};
use tollwire_x402::{SessionId, StreamId};

/// The longest wait for one answer. What was asked may be applied all the same: every command can be repeated.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The ledger as streams use it.
pub(crate) struct Store {
    ledger: Arc<dyn Ledger>,
}

impl Store {
    pub(crate) fn new(ledger: Arc<dyn Ledger>) -> Self {
        Self { ledger }
    }

    pub(crate) async fn apply(&self, command: Command) -> Result<Outcome, Error> {
        timeout(ANSWER_WITHIN, self.ledger.apply(command)).await.unwrap_or_else(|_| Err(late()))
    }

    pub(crate) async fn stream(&self, session: &SessionId, id: &StreamId) -> Result<Option<Stream>, Error> {
        timeout(ANSWER_WITHIN, self.ledger.stream(session, id)).await.unwrap_or_else(|_| Err(late()))
    }

    pub(crate) async fn watch(&self, sessions: Vec<SessionId>) -> Result<Vec<Option<Watched>>, Error> {
        timeout(ANSWER_WITHIN, self.ledger.watch(sessions)).await.unwrap_or_else(|_| Err(late()))
    }
}

fn late() -> Error {
    Error::Unavailable("no answer in time".into())
}

/// Whether asking again can help: not if the store is another one, or broken.
pub(crate) fn may_recover(error: &Error) -> bool {
    matches!(error, Error::Unavailable(_))
}
