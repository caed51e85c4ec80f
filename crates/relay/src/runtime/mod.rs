//! One WebSocket connection, whatever is spoken on it: the handshake, one writer with a bounded queue, heartbeats,
//! the close.
//!
//! ```text
//!   socket ──▶ reader ──▶ Protocol::heard ──▶ tasks
//!   socket ◀── writer ◀── Outbox (bounded; a place of their own for ping, last words and close)
//! ```
//!
//! Reader and writer are two halves of one task, so a peer that does not read is still listened to, and nothing that
//! one connection does is waited for by another.

mod bucket;
mod budget;
mod closing;
mod connection;
mod handshake;
mod origin;
mod outbox;
mod part;
mod strikes;
mod writing;

pub(crate) use bucket::Bucket;
pub(crate) use budget::{Budget, Room};
pub(crate) use closing::Ending;
pub(crate) use connection::{Heard, Protocol, Socket, run};
pub(crate) use handshake::{accept, take_over};
pub(crate) use outbox::{Next, Outbox, Outgoing};
pub(crate) use part::Part;

pub use bucket::Rate;
pub use origin::{Origins, UnknownOrigin};
