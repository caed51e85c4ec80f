//! Opening metered streams.

use crate::stream::MeteredStream;
use crate::tap::Tap;
use crate::{LiveStreams, MeterConfig, Refusal, Terms};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::task::TaskTracker;
use tollwire_ledger::Ledger;
use tollwire_meter::{Charge, Order, Resident};
use tollwire_x402::close::CloseCode;
use tollwire_x402::{FeedId, SessionId, StreamId};

/// How long an upgrade may take between the hold of its first unit and its start, unless the opening says otherwise.
const OPENS_WITHIN: Duration = Duration::from_secs(10);

/// Streams that a session may have open at once, unless the opening says otherwise.
const STREAMS_MAX: u32 = 100;

/// Meters the streams of one process. Cheap to clone; clones are one meter.
#[derive(Clone, Debug)]
pub struct Meter {
    meter: tollwire_meter::Meter,
    tasks: TaskTracker,
}

/// A stream to open.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Opening {
    /// Whose balance pays: the `jti` of the verified token.
    pub session: SessionId,
    /// Which stream: a fresh name, or the agent's own, by which it can open the same stream again within 30 s.
    pub stream: StreamId,
    /// Whose: for metrics.
    pub feed: FeedId,
    /// What it is sold by.
    pub terms: Terms,
    /// How many streams the session may have open at once; 100.
    pub streams_max: u32,
    /// How long the upgrade may take until [`Held::start`]; 10 s.
    pub opens_within: Duration,
}

impl Opening {
    /// An opening with the default bounds.
    pub const fn new(session: SessionId, stream: StreamId, feed: FeedId, terms: Terms) -> Self {
        Self { session, stream, feed, terms, streams_max: STREAMS_MAX, opens_within: OPENS_WITHIN }
    }
}

impl Meter {
    /// A meter on a ledger: the facilitator's Redis, or a file of this process's own.
    pub fn new(ledger: Arc<dyn Ledger>, config: MeterConfig) -> Self {
        let tasks = TaskTracker::new();
        Self { meter: tollwire_meter::Meter::new(ledger, config, tasks.clone()), tasks }
    }

    /// Holds what the stream needs to open. Ask before the upgrade is answered: a refusal is an HTTP answer then.
    ///
    /// Must be called within a tokio runtime.
    pub async fn open(&self, opening: Opening) -> Result<Held, Refusal> {
        let Opening { session, stream, feed, terms, streams_max, opens_within } = opening;
        let order = Order { session, stream, terms, streams_max, opens_within };
        let charge = self.meter.open(&order).await?;
        Ok(Held { charge, feed, tasks: self.tasks.clone() })
    }

    /// Has the streams of a session that live here look at their balance again: it has grown.
    pub fn look_again(&self, session: &SessionId) {
        self.meter.look_again(session);
    }

    /// The streams that live here now.
    pub fn live(&self) -> LiveStreams {
        self.meter.live()
    }

    /// Tells every stream to end with 1001, and waits, at most `patience`, until all have told the ledger what they used.
    pub async fn drain(&self, patience: Duration) {
        self.meter.close_all(CloseCode::GoingAway);
        self.tasks.close();
        // Whoever has not ended by then loses nothing: the ledger's leases take over.
        let _late = tokio::time::timeout(patience, self.tasks.wait()).await;
    }
}

/// A stream for which a unit is held. Dropped, it gives it back.
#[must_use = "a stream that is not started gives its unit back"]
pub struct Held {
    charge: Charge,
    feed: FeedId,
    tasks: TaskTracker,
}

impl Held {
    /// The upgrade is done: takes what the stream costs to open, and meters it from here on.
    pub async fn start(mut self) -> Result<MeteredStream, Refusal> {
        if let Err(refusal) = self.charge.capture().await {
            self.charge.settle().await;
            return Err(refusal);
        }
        self.charge.served();
        let resident: Resident = self.charge.enter(self.feed);
        let tap = Arc::new(Tap::new(self.charge.before()));
        Ok(MeteredStream::start(self.charge, resident, tap, &self.tasks))
    }

    /// The upgrade failed: gives the unit back now instead of in the background.
    pub async fn give_back(self) {
        self.charge.settle().await;
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("session", self.charge.session()).finish_non_exhaustive()
    }
}
