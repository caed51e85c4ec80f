//! The upstream's side of a stream: what it is asked, how it is reached, what it must answer.
//!
//! The request is built from scratch. It carries, in this order: `Host`, `Upgrade`, `Connection`,
//! `Sec-WebSocket-Version`, our own `Sec-WebSocket-Key`; of the agent's handshake `Sec-WebSocket-Protocol`,
//! `Sec-WebSocket-Extensions`, `Origin` and `User-Agent`; the operator's `upstream_headers`, which replace `Host`,
//! `Origin` and `User-Agent` where they name them; and last, if the feed wants one and the operator set no
//! `Authorization`, the stream token. Path and query are those of the configured URL, followed by the agent's query
//! without `token`, `control`, `stream` and without keys that the configured URL has. Everything else stays behind.
//!
//! The answer must be a 101 with the right `Sec-WebSocket-Accept`, a subprotocol that was offered (or none), and only
//! extensions that were offered. Redirects are refusals. Of all its headers the agent sees those two; none of the
//! others has a meaning for a WebSocket client, and some (`Set-Cookie`) would have one for our own origin.

mod answer;
mod dial;
mod error;
mod query;
mod request;
mod tls;

pub use answer::{HEAD_BYTES_MAX, HEADERS_MAX};
pub use error::UpstreamError;

pub(crate) use answer::Agreed;
pub(crate) use dial::{Dialled, Dialler};
pub(crate) use request::UpstreamRequest;
