//! The tower layer and its settings.

use super::PreAuth;
use super::forward::Forward;
use super::purchase::{OnSession, Purchase};
use crate::Error;
use bytes::Bytes;
use http::{Method, Request, Response};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tollwire_x402::FeedId;
use tower_layer::Layer;

/// The route's answer to come.
pub type Answer = Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;

/// Serves the pre-auth route in front of a service. Cheap to clone; clones share one client.
///
/// The route is `GET /feeds/{feed}/session`, as at the facilitator, unless [`route`](Self::route) says otherwise.
/// Every other request goes to the wrapped service.
#[derive(Clone, Debug)]
pub struct PreAuthLayer {
    route: Arc<str>,
    forward: Arc<Forward>,
}

impl PreAuthLayer {
    /// A layer by the facilitator's `public_url`, the feed it sells, and the provider's wallet.
    ///
    /// The wallet is not a secret and decides nothing here: where the money goes is settled by the feed's registration
    /// at the facilitator. It is handed to [`on_session`](Self::on_session) with each purchase, so that a provider's
    /// books can say which wallet to expect the payout in. 1 to 128 visible ASCII characters.
    pub fn new(public_url: &str, feed: FeedId, wallet: &str) -> Result<Self, Error> {
        if !(1..=128).contains(&wallet.len()) || !wallet.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::Setting("a wallet address is 1 to 128 visible ASCII characters"));
        }
        let route = format!("/feeds/{feed}/session").into();
        Ok(Self { route, forward: Arc::new(Forward::new(public_url, feed, wallet)?) })
    }

    /// Serves the route under another path, such as `/pay`.
    #[must_use]
    pub fn route(mut self, path: &str) -> Self {
        self.route = path.into();
        self
    }

    /// Calls back with every session that is sold through this route.
    ///
    /// The callback runs beside the answer, never before it: the agent does not wait for it, and nothing it does can
    /// lose what was paid. An agent that collects its answer again makes it run again for the same session. At most 256
    /// callbacks run at once; one more is skipped with a warning.
    #[must_use]
    pub fn on_session<F, R>(mut self, callback: F) -> Self
    where
        F: Fn(Purchase) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let callback = OnSession::new(move |purchase| Box::pin(callback(purchase)));
        self.forward = Arc::new(self.forward.with_callback(callback));
        self
    }

    /// The answer to a request for the route; `None` for every other request. For servers that are not built of tower
    /// services.
    pub fn answer<Q>(&self, request: &Request<Q>) -> Option<Answer> {
        if request.method() != Method::GET || request.uri().path() != &*self.route {
            return None;
        }
        let (forward, headers) = (self.forward.clone(), request.headers().clone());
        Some(Box::pin(async move { forward.answer(&headers).await }))
    }
}

impl<S> Layer<S> for PreAuthLayer {
    type Service = PreAuth<S>;

    fn layer(&self, inner: S) -> PreAuth<S> {
        PreAuth::new(inner, self.clone())
    }
}
