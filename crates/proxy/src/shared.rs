//! What all streams of one proxy share.

use crate::failures::Failures;
use crate::upstream::Dialler;
use crate::{ConfigError, OpenError, ProxyConfig};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tollwire_ledger::{Clock, Ledger};
use tollwire_meter::Meter;
use tollwire_session::Issuer;

/// Room for one connection, from its request to its end; free when its last clone is dropped. Draining waits until
/// all are free.
#[derive(Clone)]
pub(crate) struct Seat(#[expect(dead_code, reason = "held for what its drop does")] Arc<Occupied>);

struct Occupied {
    _permit: OwnedSemaphorePermit,
    _tracked: TaskTrackerToken,
}

pub(crate) struct Shared {
    pub(crate) config: ProxyConfig,
    pub(crate) meter: Meter,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) dialler: Dialler,
    pub(crate) failures: Failures,
    /// Every task of the proxy and its meter but the watch, so that draining can wait for them.
    pub(crate) tasks: TaskTracker,
    issuer: RwLock<Option<Arc<Issuer>>>,
    seats: Arc<Semaphore>,
    draining: AtomicBool,
}

impl Shared {
    pub(crate) fn new(
        ledger: Arc<dyn Ledger>,
        issuer: Option<Arc<Issuer>>,
        clock: Arc<dyn Clock>,
        config: ProxyConfig,
    ) -> Result<Self, ConfigError> {
        let tasks = TaskTracker::new();
        Ok(Self {
            meter: Meter::new(ledger, config.meter.clone(), tasks.clone()),
            clock,
            dialler: Dialler::new(&config.extra_roots_pem, config.upstream_dial)?,
            failures: Failures::new(config.failed_dials_max),
            tasks,
            issuer: RwLock::new(issuer),
            seats: Arc::new(Semaphore::new(config.streams_max.min(Semaphore::MAX_PERMITS))),
            draining: AtomicBool::new(false),
            config,
        })
    }

    pub(crate) fn issuer(&self) -> Option<Arc<Issuer>> {
        self.issuer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_issuer(&self, issuer: Option<Arc<Issuer>>) {
        *self.issuer.write().unwrap_or_else(PoisonError::into_inner) = issuer;
    }

    /// Room for one more connection.
    pub(crate) fn seat(&self) -> Result<Seat, OpenError> {
        // Taken before the look at the flag: either draining waits for this seat, or this seat sees it.
        let tracked = self.tasks.token();
        if self.draining.load(Ordering::Acquire) {
            return Err(OpenError::Draining);
        }
        let permit = Arc::clone(&self.seats).try_acquire_owned().map_err(|_| OpenError::Busy)?;
        Ok(Seat(Arc::new(Occupied { _permit: permit, _tracked: tracked })))
    }

    pub(crate) fn start_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }
}
