//! Agent sessions (ASP): agents of two organisations negotiate in a session whose every message has its number, can be replayed,
//! and is provable. What may be said, and what a message is made of, is `tollwire-asp`'s; here it is served and kept.
//!
//! ```text
//!   sends ─▶ speak: checks, state table, hash, signature ──▶ store: append if the head is still the same ──▶ acks
//!                                                                            │
//!   message, session_state ◀── work: from the cursor on, in order ◀── room ◀─┘ (bus: other nodes look)
//! ```
//!
//! | module | what lives there |
//! |---|---|
//! | `hear`, `say`, `msgpack` | frames, read and written |
//! | `gatekeeper`, `access`, `client` | tokens, DPoP proofs, who is known |
//! | `speak`, `line` | messages on their way into a session: one turn at a time, in which all that waits is said |
//! | `chain`, `make`, `record`, `random` | what is done in a turn: messages made one behind the other, and kept together |
//! | [`store`] | where sessions are kept |
//! | `room`, `work`, `seated`, `link`, `beat` | connections |
//! | `events` | the same as server-sent events |
//! | `http`, `turns` | tokens, keys, sessions and discovery over HTTP |
//! | `operate`, `listing` | what the operator does about a session, and sees of all |

mod access;
mod beat;
mod chain;
mod client;
mod error;
mod events;
mod gatekeeper;
mod hear;
mod http;
mod inner;
mod limits;
mod line;
mod link;
mod listing;
mod make;
mod msgpack;
mod operate;
mod random;
mod record;
mod room;
mod say;
mod seated;
mod speak;
mod start;
pub mod store;
mod turns;
mod work;

pub(crate) use http::{events_of, is_ours, socket_of};
pub(crate) use link::Encoding;

pub use client::{AspCard, AspClient, AspClients, BadSecretHash, SecretHash, StaticTrust, TrustProvider};
pub use limits::AspLimits;
pub use start::{Asp, AspConfig, AspStores};
