//! `?control=v1`: what a stream says to its agent beside the feed's own messages, and hears from it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::task::TaskTracker;
use tollwire_ledger::BoxFuture;
use tollwire_ledger::model::Session;
use tollwire_meter::Notices;
use tollwire_wire::{Control, Heard, HeardReceiver};

/// One stream's conversation with its agent. Whoever admits the agent brings it; the proxy only carries it.
pub trait InBand: Send + Sync {
    /// An agent's control message; the answers, in their order.
    fn heard(&self, message: String) -> BoxFuture<'_, Vec<String>>;

    /// Something that begins like a control message and cannot be one; `why` is for people.
    fn malformed(&self, why: &'static str) -> BoxFuture<'_, Vec<String>>;

    /// The balance has fallen to the feed's low-water mark: what the agent is told, if anything.
    fn low<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, Option<String>>;

    /// The stream is about to be closed: what the agent is told before, if anything.
    fn parting<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, Option<String>>;
}

/// Hears and answers until the stream ends; then waits for ever.
pub(crate) async fn converse(
    in_band: &dyn InBand,
    heard: &mut HeardReceiver,
    control: &Control,
) -> std::convert::Infallible {
    while let Some(said) = heard.next().await {
        let answers = match said {
            Heard::Message(message) => in_band.heard(message).await,
            Heard::Malformed(why) => in_band.malformed(why).await,
        };
        for answer in answers {
            if !control.say(answer) {
                tracing::warn!("an agent does not take what its stream has to say");
            }
        }
    }
    std::future::pending().await
}

/// Tells the agent once each time its balance has fallen to the mark.
pub(crate) struct LowWater {
    pub(crate) in_band: Arc<dyn InBand>,
    pub(crate) control: Control,
    tasks: TaskTracker,
    /// Units.
    mark: u64,
    told: AtomicBool,
}

impl LowWater {
    pub(crate) fn new(in_band: Arc<dyn InBand>, control: &Control, tasks: &TaskTracker, mark: u64) -> Self {
        let (control, tasks) = (control.clone(), tasks.clone());
        Self { in_band, control, tasks, mark, told: AtomicBool::new(false) }
    }
}

impl Notices for LowWater {
    fn balance(&self, session: &Session) {
        let left = session.remaining().saturating_add(session.held());
        let low = left <= self.mark;
        if self.told.swap(low, Ordering::AcqRel) || !low {
            return;
        }
        let (in_band, control, session) = (Arc::clone(&self.in_band), self.control.clone(), session.clone());
        self.tasks.spawn(async move {
            if let Some(notice) = in_band.low(&session).await {
                control.say(notice);
            }
        });
    }
}
