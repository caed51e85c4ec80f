//! The broker: many API calls over one WebSocket, and the same calls over HTTP.
//!
//! An agent opens one WebSocket (`/api/ws/relay`) and sends `relay.call` envelopes; each is one HTTP request to one of
//! the APIs that the operator has registered, and is answered under its `id`, in whatever order the APIs answer.
//! `/relay/{apiId}/{path}` makes the same call as plain HTTP, through the same code. The APIs stay what they are:
//! plain HTTP servers. One that prices itself says so by x402's own 402, which is passed on, as is the payment that
//! answers it; this crate neither reads nor holds money.
//!
//! | module | what lives there |
//! |---|---|
//! | [`runtime`] | one WebSocket: handshake, queue, heartbeat, close; knows no protocol |
//! | [`call`] | `relay.call`: envelopes, registered APIs, forwarding, the HTTP twin |
//! | [`asp`] | sessions between agents: every message numbered, replayable, provable |
//! | [`bridge`] | apps and agents: events, tokens, answers |
//! | [`orchestrator`] | people, and agents that work for them: asked first, or paid within limits |
//! | [`log`], [`notes`] | what the bridge must not forget: streams of entries, and small values |
//! | [`store`] | what is kept over a restart, in one file or on Redis |
//! | [`http`] | the public and the admin service |
//!
//! Bodies are bytes: what an agent puts into `requestBody` and what an API answers passes unchanged (frames:
//! `README.md`, `BRIDGE.md`, `ASP.md` and `ORCHESTRATOR.md` of this crate).

pub mod asp;
pub mod bridge;
pub mod call;
pub mod http;
pub mod log;
pub mod notes;
pub mod orchestrator;
pub mod runtime;
pub mod store;

mod limits;
mod relay;
mod telemetry;

pub use limits::Limits;
pub use relay::{Payments, Relay, RelayConfig, StartError};
