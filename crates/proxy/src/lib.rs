//! The gated WebSocket upgrade and the metered stream behind it.
//!
//! [`Proxy::open`] takes an agent whose token was verified ([`Admission`]) and a feed ([`FeedRoute`]): it holds a unit,
//! dials the upstream, captures the unit, answers 101, and from then on a task of its own moves the bytes and pays
//! for them, until the stream ends for a reason that both sides are told.
//!
//! ```text
//!   agent's handshake ── checked ──▶ Hold ──▶ dial ──▶ Post ──▶ 101 ──▶ pump, metered ──▶ End
//!                                              │ refused, late, a lie             │ upstream ended at once, no data
//!                                              ▼                                  ▼
//!                                            Void, 502                         Reverse
//! ```
//!
//! What a handshake carries to the upstream is in [`upstream`]; nothing else does, and of the upstream's answer the
//! agent gets the subprotocol and the extensions alone. Every obligation survives its request: an agent that goes
//! away in the middle leaves a task behind that gives the unit back.
//!
//! It is **not** a gate: tokens, offers and feeds are the business of the crate above, balances that of the
//! ledger, leases that of `tollwire-meter`, frames that of `tollwire-wire`.
//!
//! The connection an agent comes by must be an HTTP/1.1 connection served by hyper with upgrades, whose IO is a
//! `TokioIo` around a [`tollwire_wire::Transport`], a `TcpStream`, or a server-side `TlsStream<TcpStream>`.
//!
//! Specification: RFC 6455, section 4 (opening handshake).

mod admission;
mod answer;
mod aside;
mod config;
mod control;
mod error;
mod failures;
mod gauge;
mod handshake;
mod open;
mod opening;
mod proxy;
mod random;
mod refusal;
mod route;
mod shared;
mod stream;
mod telemetry;
mod upgrade;
pub mod upstream;

pub use admission::Admission;
pub use answer::Answer;
pub use config::ProxyConfig;
pub use control::InBand;
pub use error::{ConfigError, HandshakeError, OpenError, RouteError};
pub use handshake::check_handshake;
pub use proxy::Proxy;
pub use route::{FeedRoute, MAX_STREAM, STREAMS_PER_SESSION, UpstreamAuth, WhenExhausted};
pub use tollwire_meter::{LiveStreams, MeterConfig};
pub use tollwire_wire::Counted;
pub use upstream::UpstreamError;
