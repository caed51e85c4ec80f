//! A Redis that rows are trusted to, whoever's rows they are: kept connections, what is demanded of the server, and the
//! epoch by which a node notices that the server was emptied or exchanged.
//!
//! - **Durability** is a setting of Redis: [`Store::connect`] refuses a server without an append-only file or with an
//!   eviction policy, unless [`ServerConfig::allow_volatile`] is set. With `appendfsync everysec` a power cut can take
//!   the last second; with `always` nothing that was answered.
//! - **Connections.** Each thread has one of them, so that what it asks before it waits leaves in one write. Tasks that ask by
//!   [`Store::ask_joined`] at one moment share a round trip.
//! - **Loss.** The store carries an epoch. A node that finds it missing or changed answers
//!   [`Error::Lost`](tollwire_ledger::Error::Lost) to everything from then on.
//! - **Addresses.** `redis://`, and `redis-sentinel://` for Sentinels that are asked, at every connection, which server is
//!   the primary, and `redis-cluster://` for a Redis Cluster; with `rediss` for TLS (public certificate authorities).
//! - **Redis Cluster.** Each command goes to the primary of its keys' slot, all of them of one command having one hash tag,
//!   and follows the slot when it moves. Every slot has the epoch, and each answer is believed only beside that of its
//!   slot: a primary that comes back without its rows is noticed by whoever asks it. What counts on something in
//!   another slot is sent when that is done ([`Store::ask_surely`]).
//!
//! What the rows are, and the scripts that change them, is their owners' business (`tollwire-ledger-redis`,
//! `tollwire-relay-redis`).

mod address;
mod cluster;
mod config;
mod connection;
mod joint;
mod map;
pub mod reply;
mod route;
mod server;
mod slot;
mod store;

pub use address::Address;
pub use config::ServerConfig;
pub use connection::only;
pub use deadpool_redis::redis;
pub use store::{Replicas, Seat, Store};
