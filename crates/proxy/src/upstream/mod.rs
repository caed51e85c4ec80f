//! The upstream's side of a stream: what it is asked, how it is reached, what it must answer.
//!
//! The request is built from scratch. It carries, in this order: `Host`, `Upgrade`, `Connection`,
//! `Sec-WebSocket-Version`, our own `Sec-WebSocket-Key`; of the agent's handshake `Sec-WebSocket-Protocol`,
//! `Sec-WebSocket-Extensions`, `Origin` and `User-Agent`; `Authorization` with the stream token if the feed wants
//! one; the operator's `upstream_headers`, which replace `Host`, `Origin`, `User-Agent` and `Authorization` where they
//! name them. Path and query are those of the configured URL, followed by the agent's query without `token`,
//! `control`, `stream` and without keys that the configured URL has. Everything else stays behind.
//!
//! The answer must be a 101 with the right `Sec-WebSocket-Accept`, a subprotocol that was offered (or none), and only
//! extensions that were offered. Redirects are refusals.

mod error;

pub use error::UpstreamError;
