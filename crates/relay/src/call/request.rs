//! A call, however it came.

use bytes::Bytes;
use http::{HeaderMap, Method};

/// What an API is asked.
#[derive(Debug, Clone)]
pub(super) struct ApiRequest {
    pub(super) method: Method,
    /// With its query; checked.
    pub(super) path: String,
    /// What may pass, and the payment if there is one.
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Whether it carries a payment.
    pub(super) paid: bool,
}

/// The methods that are passed on.
pub(super) const METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
