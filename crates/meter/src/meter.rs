//! Opens accounts, knows the streams that live, and tells them what happened elsewhere.

use crate::charge::Charge;
use crate::live::{Registry, watch};
use crate::pacer::Pacer;
use crate::store::Store;
use crate::{LiveStreams, MeterConfig, Refusal, Terms};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_util::task::TaskTracker;
use tollwire_ledger::Ledger;
use tollwire_x402::close::CloseCode;
use tollwire_x402::{SessionId, StreamId};

/// Meters streams against one ledger. Cheap to clone; clones are one meter.
#[derive(Clone)]
pub struct Meter {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) config: MeterConfig,
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    pub(crate) pacer: Pacer,
    /// What has to be finished after its request or stream is gone.
    pub(crate) tasks: TaskTracker,
    watched: AtomicBool,
}

/// A stream to open.
#[derive(Debug, Clone)]
pub struct Order {
    /// Whose balance.
    pub session: SessionId,
    /// Which stream; the same id again within 30 s opens the same stream, free of charge.
    pub stream: StreamId,
    /// What it is sold by.
    pub terms: Terms,
    /// How many streams the session may have open at once, this one included.
    pub streams_max: u32,
    /// How long what is held for the open may be needed: until the stream stands.
    pub opens_within: Duration,
}

impl Meter {
    /// A meter on a ledger. `tasks` gets what must be finished before the process ends.
    pub fn new(ledger: Arc<dyn Ledger>, config: MeterConfig, tasks: TaskTracker) -> Self {
        Self {
            shared: Arc::new(Shared {
                store: Store::new(ledger),
                registry: Registry::default(),
                pacer: Pacer::new(config.renewals_per_sec_max, config.renewals_at_once_max),
                tasks,
                watched: AtomicBool::new(false),
                config,
            }),
        }
    }

    /// Holds what a stream needs to open, waiting a little for units that are held elsewhere.
    ///
    /// Must be called within a tokio runtime.
    pub async fn open(&self, order: &Order) -> Result<Charge, Refusal> {
        self.start_watching();
        let charge = Charge::hold(&self.shared, order).await?;
        // A connection that this opening replaces has nothing to hope for any more.
        self.shared.registry.replace(charge.session(), charge.stream(), charge.fence());
        Ok(charge)
    }

    /// Has the streams of a session that live here look at their balance again: it has grown.
    pub fn look_again(&self, session: &SessionId) {
        self.shared.registry.look_again(session);
    }

    /// Ends the streams of a session that live here; how many were not ending yet.
    pub fn close_session(&self, session: &SessionId, code: CloseCode) -> usize {
        self.shared.registry.close_session(session, code)
    }

    /// Ends all streams that live here, those that come later included.
    pub fn close_all(&self, code: CloseCode) {
        self.shared.registry.close_all(code);
    }

    /// The streams that live here now.
    pub fn live(&self) -> LiveStreams {
        self.shared.registry.live()
    }

    fn start_watching(&self) {
        if !self.shared.watched.swap(true, Ordering::AcqRel) {
            // Not one of the tracked tasks: it ends with the meter, not before it.
            tokio::spawn(watch(Arc::downgrade(&self.shared)));
        }
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").field("live", &self.live()).finish_non_exhaustive()
    }
}
