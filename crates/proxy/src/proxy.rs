//! The proxy: opens streams, knows those that live, drains.

use crate::{Admission, ConfigError, FeedRoute, LiveStreams, OpenError, ProxyConfig};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tollwire_ledger::{Clock, Ledger};
use tollwire_session::Issuer;
use tollwire_x402::close::CloseCode;

/// The answer to an upgrade request.
pub type Answer = Response<Full<Bytes>>;

/// Opens metered streams. Cheap to clone; clones are one proxy.
#[derive(Clone)]
pub struct Proxy {}

impl Proxy {
    /// A proxy on a ledger. `issuer` signs stream tokens; without one, feeds that want them cannot be opened.
    pub fn new(
        ledger: Arc<dyn Ledger>,
        issuer: Option<Arc<Issuer>>,
        clock: Arc<dyn Clock>,
        config: ProxyConfig,
    ) -> Result<Self, ConfigError> {
        let _ = (ledger, issuer, clock, config);
        Ok(Self {})
    }

    /// Signs stream tokens with another key from now on.
    pub fn set_issuer(&self, issuer: Option<Arc<Issuer>>) {
        let _ = issuer;
    }

    /// Opens one stream; the answer is the 101, and the stream runs on in a task of its own.
    pub fn open<B>(
        &self,
        request: Request<B>,
        admission: Admission,
        route: &FeedRoute,
    ) -> impl Future<Output = Result<Answer, OpenError>> + Send {
        let _ = (request.into_parts().0, admission, route);
        async { Err(OpenError::Internal) }
    }

    /// Accepts the WebSocket with 101 and closes it at once with this code; no upstream is dialled.
    pub fn accept_and_close<B>(&self, request: Request<B>, code: CloseCode) -> Result<Answer, OpenError> {
        let _ = (request, code);
        Err(OpenError::Internal)
    }

    /// The streams that live now.
    pub fn live(&self) -> LiveStreams {
        LiveStreams::default()
    }

    /// Opens no more; live streams go on for `grace`, then get 1001. Returns when all have ended.
    pub async fn drain(&self, grace: Duration) {
        let _ = grace;
    }
}
