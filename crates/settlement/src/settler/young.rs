//! Deposits that are not final and that no process may be watching: those of a process that is gone.
//!
//! A session keeps the newest block in which one of its deposits landed, as payouts need it too. So one walk over the
//! sessions finds all that are younger than the chain's final block, and those that are frozen. One process walks at a time,
//! by a lease that correctness does not rest on: two that watch the same deposit do no harm.

use super::Shared;
use crate::SettleError;
use crate::deposits::deposits;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tollwire_ledger::model::Fate;
use tollwire_x402::SessionId;

/// Sessions read from the ledger at once.
const PAGE: usize = 256;

/// Time between two attempts to be the process that walks.
const ASK_EVERY: Duration = Duration::from_secs(30);

/// How long a process is the one that walks, if it dies at it.
const LEASE: Duration = Duration::from_mins(1);

/// Time between two walks of one process.
const WALK_EVERY: Duration = Duration::from_mins(10);

/// How many blocks (or slots) below the final one a process's first walk goes: what became final by its depth while
/// nobody watched is looked at once more. On Base that is half an hour.
const LOOK_BACK: u64 = 1_000;

/// The lease of the process that walks.
const WALKER: &str = "young-deposits";

/// When a process asks again to be the one that walks, and when it walks again.
#[derive(Debug, Default)]
pub(super) struct Walks(Mutex<Next>);

#[derive(Debug, Default)]
struct Next {
    ask: Option<Instant>,
    walk: Option<Instant>,
}

impl Walks {
    /// Whether it is time to ask; the next time is set further off.
    fn asks(&self) -> bool {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let due = next.ask.is_none_or(|at| now >= at);
        if due {
            next.ask = Some(now + ASK_EVERY);
        }
        due
    }

    /// How far below the final block a walk goes that is due now; `None` if none is.
    fn due(&self) -> Option<u64> {
        let next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match next.walk {
            None => Some(LOOK_BACK),
            Some(at) => (Instant::now() >= at).then_some(0),
        }
    }

    fn walked(&self) {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        next.walk = Some(Instant::now() + WALK_EVERY);
    }
}

impl Shared {
    /// Puts deposits on watch that another process credited, if it is time for that and nobody else does.
    pub(super) async fn find_young(&self) -> Result<(), SettleError> {
        let walks = &self.watch.walks;
        if !walks.asks() || !self.ledger.lease(WALKER, &self.config.holder, LEASE).await? {
            return Ok(());
        }
        if let Some(below) = walks.due()
            && self.walk(below).await?
        {
            walks.walked();
        }
        Ok(())
    }

    /// One walk, over what is not deeper than so many blocks below the final one; false if a chain did not answer, so
    /// that it has to be made again soon.
    async fn walk(&self, below: u64) -> Result<bool, SettleError> {
        let mut final_blocks = HashMap::new();
        for chain in &self.chains {
            match chain.final_block().await {
                Ok(block) => {
                    let block = block.map(|block| block.saturating_sub(below));
                    final_blocks.insert(chain.info().network, block);
                }
                Err(error) => {
                    tracing::debug!(%error, "no final block told; its deposits are looked for later");
                }
            }
        }
        let mut after = None;
        loop {
            let page = self.ledger.sessions(after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(final_blocks.len() == self.chains.len()) };
            after = Some(last.clone());
            for (id, session) in page {
                // Where all that has landed is final, there is nothing to watch.
                let last_final = final_blocks.get(&session.network).copied().flatten();
                let young = last_final.is_some_and(|last| session.last_block > last);
                if (young || session.is_frozen()) && !self.add_young(&id, last_final).await? {
                    return Ok(true);
                }
            }
        }
    }

    /// Watches those deposits of a session that are missed or not final. False if there is no room for more.
    async fn add_young(&self, session: &SessionId, last_final: Option<u64>) -> Result<bool, SettleError> {
        for (id, payment) in deposits(self.ledger.as_ref(), session).await? {
            let young = matches!(&payment.fate, Fate::Credited(landing)
                if last_final.is_some_and(|last| landing.block > last));
            if (young || payment.gone) && !self.watch.add(&id) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
