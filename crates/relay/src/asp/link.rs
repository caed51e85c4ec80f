//! One connection, as the runtime sees it.

use super::hear::{self, Frame};
use super::inner::Inner;
use super::work::Work;
use crate::bridge::{Intake, intake};
use crate::runtime::{Budget, Heard, Outbox, Protocol};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tollwire_asp::SessionId;

/// Frames of one connection that wait to be dealt with; then no more is read.
const WAITING_MAX: usize = 64;

/// A connection. Dropping it ends its work.
pub(crate) struct Link {
    frames: Intake<Frame>,
    bytes_max: usize,
    over: CancellationToken,
    budget: Budget,
}

/// Makes both halves of a connection.
pub(crate) fn link(
    inner: &Arc<Inner>,
    session: SessionId,
    outbox: &Arc<Outbox>,
    budget: Budget,
) -> (Link, Work) {
    let ((frames, waiting), over) = (intake(WAITING_MAX), CancellationToken::new());
    let work =
        Work::new(Arc::clone(inner), session, (Arc::clone(outbox), budget.clone()), waiting, over.clone());
    (Link { frames, bytes_max: inner.limits.frame_bytes_max, over, budget }, work)
}

impl Protocol for Link {
    fn heard(&self, text: &str) -> Heard {
        let (frame, heard) = hear::read(text, self.bytes_max);
        self.frames.put(frame);
        heard
    }

    async fn ready(&self) {
        self.frames.ready().await;
    }

    async fn wind_down(&self) {
        self.frames.dealt_with().await;
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.over.cancel();
        self.budget.close();
    }
}
