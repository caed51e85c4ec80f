//! Opening a stream: hold, dial, capture. Runs in a task of its own, because a request may be dropped at any moment
//! and a command that is under way must not be.

use crate::shared::{Seat, Shared};
use crate::upstream::{Dialled, UpstreamRequest};
use crate::{OpenError, telemetry};
use std::sync::Arc;
use tokio::time::Instant;
use tollwire_meter::{Charge, Order, Terms};
use tollwire_session::{STREAM_SECS_MAX, StreamClaims};
use tollwire_x402::{FeedId, SessionId, StreamId};

/// One open, checked and ready to run.
pub(crate) struct Opening {
    pub(crate) shared: Arc<Shared>,
    pub(crate) feed: FeedId,
    pub(crate) session: SessionId,
    pub(crate) payer: String,
    pub(crate) stream: StreamId,
    pub(crate) request: UpstreamRequest,
    /// Whether the upstream gets a stream token.
    pub(crate) vouched: bool,
    pub(crate) terms: Terms,
    pub(crate) streams_max: u32,
    /// Kept until the open is decided, even if its request is given up meanwhile.
    pub(crate) _seat: Seat,
}

/// A stream that is captured and connected. Dropped, it is given back.
pub(crate) struct Opened {
    pub(crate) charge: Charge,
    pub(crate) upstream: Dialled,
}

impl Opening {
    pub(crate) async fn run(mut self) -> Result<Opened, OpenError> {
        let order = Order {
            session: self.session.clone(),
            stream: self.stream.clone(),
            terms: self.terms,
            streams_max: self.streams_max,
            opens_within: self.shared.config.upstream_dial,
        };
        let mut charge = self.shared.meter.open(&order).await?;
        let connected = match self.vouch(charge.fence()) {
            Ok(()) => self.dial().await,
            Err(error) => Err(error),
        };
        let upstream = match connected {
            Ok(upstream) => upstream,
            Err(error) => {
                charge.settle().await;
                return Err(error);
            }
        };
        match charge.capture().await {
            Ok(()) => Ok(Opened { charge, upstream }),
            Err(error) => {
                drop(upstream);
                charge.settle().await;
                Err(error.into())
            }
        }
    }

    async fn dial(self) -> Result<Dialled, OpenError> {
        let started = Instant::now();
        let dialled = self.shared.dialler.dial(self.request).await;
        telemetry::dialled(dialled.as_ref(), started.elapsed());
        dialled.map_err(|error| {
            tracing::warn!(feed = %self.feed, %error, "upstream gave no WebSocket");
            self.shared.failures.note(&self.session);
            OpenError::Upstream(error)
        })
    }

    /// Adds the stream token, if the feed's upstream wants one.
    fn vouch(&mut self, fence: u64) -> Result<(), OpenError> {
        if !self.vouched {
            return Ok(());
        }
        let Some(issuer) = self.shared.issuer() else {
            tracing::error!(feed = %self.feed, "the feed wants stream tokens, but the proxy has no issuer");
            return Err(OpenError::Internal);
        };
        let iat = self.shared.clock.now().secs();
        let claims = StreamClaims {
            iss: issuer.issuer().to_owned(),
            aud: self.feed.to_string(),
            sub: self.payer.clone(),
            jti: self.session.clone(),
            stream: self.stream.clone(),
            fence,
            feed: self.feed.clone(),
            iat,
            exp: iat.saturating_add(STREAM_SECS_MAX),
        };
        let token = issuer.issue_stream(&claims).map_err(|error| {
            tracing::error!(feed = %self.feed, %error, "cannot sign a stream token");
            OpenError::Internal
        })?;
        self.request.authorize(&token);
        Ok(())
    }
}
