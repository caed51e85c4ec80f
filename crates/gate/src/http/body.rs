//! Reading a request's body, within bounds.

use crate::error::Error;
use bytes::Bytes;
use http_body::Body;
use http_body_util::{BodyExt as _, Limited};
use std::time::Duration;

/// The longest body read, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// How long a body may take to arrive.
pub const BODY_WAIT: Duration = Duration::from_secs(10);

/// Reads a whole body.
pub(crate) async fn read<B>(body: B) -> Result<Bytes, Error>
where
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let whole = Box::pin(Limited::new(body, BODY_BYTES_MAX)).collect();
    match tokio::time::timeout(BODY_WAIT, whole).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(_)) => Err(Error::malformed("body", "send it whole, at most 64 KiB")),
        Err(_) => Err(Error::malformed("body", "send it within 10 seconds")),
    }
}
