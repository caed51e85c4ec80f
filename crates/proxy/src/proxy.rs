//! The proxy: opens streams, knows those that live, drains.

use crate::answer::Answer;
use crate::open::{self, Open};
use crate::shared::Shared;
use crate::{Admission, ConfigError, FeedRoute, LiveStreams, OpenError, ProxyConfig, telemetry};
use http::Request;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tollwire_ledger::{Clock, Ledger};
use tollwire_session::Issuer;
use tollwire_x402::SessionId;
use tollwire_x402::close::CloseCode;

/// How long streams that were told to go may take: an open under way, and the last words of all.
const LAST_WORDS: Duration = Duration::from_secs(20);

/// Opens metered streams. Cheap to clone; clones are one proxy.
#[derive(Clone)]
pub struct Proxy {
    shared: Arc<Shared>,
}

impl Proxy {
    /// A proxy on a ledger. `issuer` signs stream tokens; without one, feeds that want them cannot be opened.
    pub fn new(
        ledger: Arc<dyn Ledger>,
        issuer: Option<Arc<Issuer>>,
        clock: Arc<dyn Clock>,
        config: ProxyConfig,
    ) -> Result<Self, ConfigError> {
        Ok(Self { shared: Arc::new(Shared::new(ledger, issuer, clock, config)?) })
    }

    /// Signs stream tokens with another key from now on.
    pub fn set_issuer(&self, issuer: Option<Arc<Issuer>>) {
        self.shared.set_issuer(issuer);
    }

    /// Opens one stream; the answer is the 101, and the stream runs on in a task of its own.
    ///
    /// The 101 carries `Sec-WebSocket-Accept`, the subprotocol and the extensions that the upstream chose, and
    /// `Tollwire-Stream`: the id by which the agent may open the same stream again, free of charge, for 30 seconds.
    ///
    /// Dropping the future abandons the open: what was held or captured for it is given back by the ledger's rules.
    /// When the balance is exhausted and the agent or the feed prefers it so, the answer is a 101 too, and the
    /// WebSocket is closed at once: with 4008, or with 1013 if units that others hold may come back.
    pub fn open<B>(
        &self,
        request: Request<B>,
        admission: Admission,
        route: &FeedRoute,
    ) -> impl Future<Output = Result<Answer, OpenError>> + Send {
        let feed = route.feed.clone();
        let open = Open::prepare(&self.shared, request, admission, route);
        async move {
            match open {
                Ok(open) => open.run().await,
                Err(error) => {
                    telemetry::opened::<()>(&feed, Err(&error));
                    Err(error)
                }
            }
        }
    }

    /// Accepts the WebSocket with 101 and closes it at once with this code; no upstream is dialled.
    ///
    /// Must be called within a tokio runtime.
    pub fn accept_and_close<B>(&self, request: Request<B>, code: CloseCode) -> Result<Answer, OpenError> {
        open::accept_and_close(&self.shared, request, code)
    }

    /// The streams that live now.
    pub fn live(&self) -> LiveStreams {
        self.shared.meter.live()
    }

    /// Has the live streams of a session look at their balance again: it has grown.
    pub fn look_again(&self, session: &SessionId) {
        self.shared.meter.look_again(session);
    }

    /// Opens no more; live streams go on for `grace`, then get 1001. Returns when all have ended, at the latest
    /// 20 seconds after that.
    pub async fn drain(&self, grace: Duration) {
        let (tasks, meter) = (&self.shared.tasks, &self.shared.meter);
        self.shared.start_draining();
        tasks.close();
        if timeout(grace, tasks.wait()).await.is_ok() {
            return;
        }
        tracing::info!(streams = meter.live().total, "draining: telling live streams to go");
        meter.close_all(CloseCode::GoingAway);
        if timeout(LAST_WORDS, tasks.wait()).await.is_err() {
            tracing::warn!(streams = meter.live().total, "draining: streams are left");
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("live", &self.live()).finish_non_exhaustive()
    }
}
