//! What was sold, and who wants to hear of it.

use serde::Deserialize;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tollwire_x402::{FeedId, SessionId, Unit};

/// Callbacks that run at once.
const RUNNING_MAX: usize = 256;

/// A session that an agent bought through the provider's route. It has no token: that is the agent's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Purchase {
    /// The session.
    pub session: SessionId,
    /// The feed.
    pub feed: FeedId,
    /// What its units are.
    pub unit: Unit,
    /// The units left at the time of the answer.
    pub units_remaining: u64,
    /// What was paid, such as `$10.00`.
    pub deposited: String,
    /// On which chain, such as `base`.
    pub chain: String,
    /// When its token stops admitting (RFC 3339).
    pub expires_at: String,
    /// The provider's wallet, as the layer was given it.
    pub wallet: Arc<str>,
}

impl Purchase {
    /// Reads the facilitator's 200; `None` if it is not one that sells a session.
    pub(super) fn read(body: &[u8], wallet: &Arc<str>) -> Option<Self> {
        #[derive(Deserialize)]
        struct Answer {
            expires_at: String,
            session: Session,
        }
        #[derive(Deserialize)]
        struct Session {
            jti: SessionId,
            feed: FeedId,
            unit: Unit,
            units_remaining: u64,
            deposited: String,
            chain: String,
        }
        let Answer { expires_at, session } = serde_json::from_slice(body).ok()?;
        Some(Self {
            session: session.jti,
            feed: session.feed,
            unit: session.unit,
            units_remaining: session.units_remaining,
            deposited: session.deposited,
            chain: session.chain,
            expires_at,
            wallet: wallet.clone(),
        })
    }
}

type Callback = dyn Fn(Purchase) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

/// The provider's callback, and how many of it may run.
#[derive(Clone)]
pub(super) struct OnSession {
    callback: Arc<Callback>,
    running: Arc<Semaphore>,
}

impl OnSession {
    pub(super) fn new(
        callback: impl Fn(Purchase) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync + 'static,
    ) -> Self {
        Self { callback: Arc::new(callback), running: Arc::new(Semaphore::new(RUNNING_MAX)) }
    }

    /// Runs the callback in a task of its own.
    pub(super) fn run(&self, purchase: Purchase) {
        let Ok(permit) = self.running.clone().try_acquire_owned() else {
            tracing::warn!(session = %purchase.session, "too many callbacks run; one is skipped");
            return;
        };
        let callback = self.callback.clone();
        tokio::spawn(async move {
            callback(purchase).await;
            drop(permit);
        });
    }
}

impl fmt::Debug for OnSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnSession")
    }
}
