//! What other nodes and operators did to the sessions that live here: asked once a second, in batches.

use super::registry::Known;
use crate::meter::Shared;
use std::sync::Weak;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use tollwire_ledger::{Error, Watched};
use tollwire_x402::SessionId;
use tollwire_x402::close::CloseCode;

/// Sessions asked about in one command.
const BATCH: usize = 512;

/// Watches until the meter is gone.
pub(crate) async fn watch(shared: Weak<Shared>) {
    let Some(every) = shared.upgrade().map(|shared| shared.config.watch_interval) else { return };
    let mut ticks = interval(every.max(Duration::from_millis(10)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        match look(&shared).await {
            Ok(()) => failing = false,
            // Live streams are paid for and go on; what happened meanwhile is seen when the store is back.
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(%error, "cannot watch live sessions");
            }
            Err(_) => {}
        }
    }
}

/// Looks at every live session. One that cannot be looked at does not keep the others from being; the last error is
/// told.
async fn look(shared: &Shared) -> Result<(), Error> {
    let mut outcome = Ok(());
    for batch in shared.registry.sessions().chunks(BATCH) {
        let ids = batch.iter().map(|(session, _)| session.clone()).collect();
        let answers = match shared.store.watch(ids).await {
            Ok(answers) => answers,
            Err(error) => {
                outcome = Err(error);
                continue;
            }
        };
        for ((session, known), watched) in batch.iter().zip(answers) {
            if let Some(watched) = watched {
                outcome = heed(shared, session, *known, watched).await.and(outcome);
            }
        }
    }
    outcome
}

async fn heed(shared: &Shared, session: &SessionId, known: Known, watched: Watched) -> Result<(), Error> {
    if watched.revoked {
        let streams = shared.registry.close_session(session, CloseCode::Unauthorized);
        if streams > 0 {
            tracing::info!(%session, streams, "session revoked: closing its streams");
        }
        return Ok(());
    }
    if watched.closed {
        let streams = shared.registry.close_session(session, CloseCode::SessionClosed);
        if streams > 0 {
            tracing::info!(%session, streams, "session closed: ending its streams");
        }
        return Ok(());
    }
    if let Some(at) = watched.recalled
        && watched.recalled > known.recalled
    {
        shared.registry.recall(session, at);
    }
    if watched.spent {
        shared.registry.look_again(session);
    }
    if watched.revision == known.revision {
        return Ok(());
    }
    for (stream, _) in shared.registry.streams(session) {
        if let Some(row) = shared.store.stream(session, &stream).await? {
            shared.registry.replace(session, &stream, row.fence);
        }
    }
    shared.registry.seen(session, watched.revision);
    Ok(())
}
