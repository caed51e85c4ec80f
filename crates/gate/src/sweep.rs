//! The sweeper: balances whose life is over fall due.

use crate::error::Error;
use crate::gate::Gate;
use std::sync::Arc;
use std::time::Duration;
use tollwire_ledger::{Command, Outcome};

/// Sessions looked at per step.
const PAGE: usize = 256;

/// A running sweeper; stops when dropped.
pub struct Sweeper(tokio::task::JoinHandle<()>);

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Gate {
    /// Lets every balance fall due whose time is over. Returns how many did.
    pub async fn sweep(&self) -> Result<u64, Error> {
        let mut due = 0_u64;
        let mut after = None;
        loop {
            let page = self.ledger.sessions(after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(due) };
            after = Some(last.clone());
            for (session, state) in page {
                if self.clock.now() < state.balance_until || state.remaining() == 0 {
                    continue;
                }
                if let Outcome::Done(_) = self.ledger.apply(Command::Expire { session }).await? {
                    due = due.saturating_add(1);
                }
            }
        }
    }

    /// Sweeps once per `every`, until the handle is dropped.
    pub fn spawn_sweeper(self: &Arc<Self>, every: Duration) -> Sweeper {
        let gate = Arc::clone(self);
        Sweeper(tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                match gate.sweep().await {
                    Ok(0) => {}
                    Ok(balances) => tracing::info!(balances, "unspent balances fell due"),
                    Err(error) => tracing::warn!(%error, "sweep interrupted"),
                }
            }
        }))
    }
}
