//! The extractor.

use crate::{FeedGate, Rejection, SessionContext};
use axum_core::extract::{FromRef, FromRequestParts};
use http::request::Parts;

/// A request with a token that admits: naming it among a handler's arguments gates the handler.
///
/// The router's state is a [`FeedGate`], or something a `FeedGate` can be had of ([`FromRef`]). The token is taken out
/// of the request's head; whoever reads the request after this extractor does not see it.
#[derive(Debug, Clone)]
pub struct PaidSession(pub SessionContext);

impl<S> FromRequestParts<S> for PaidSession
where
    FeedGate: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        FeedGate::from_ref(state).admit(parts).map(Self).map_err(Rejection::from)
    }
}
