//! A Redis that rows are trusted to, whoever's rows they are: kept connections, what is demanded of the server, and the
//! epoch by which a node notices that the server was emptied or exchanged.
//!
//! - **Durability** is a setting of Redis: [`Store::connect`] refuses a server without an append-only file or with an
//!   eviction policy, unless [`ServerConfig::allow_volatile`] is set. With `appendfsync everysec` a power cut can take
//!   the last second; with `always` nothing that was answered.
//! - **Loss.** The store carries an epoch. A node that finds it missing or changed answers
//!   [`Error::Lost`](tollwire_ledger::Error::Lost) to everything from then on.
//! - **Addresses.** `redis://`, and `redis-sentinel://` for Sentinels that are asked, at every connection, which server is
//!   the primary; with `rediss` for TLS (public certificate authorities). Redis Cluster is not accepted yet.
//!
//! What the rows are, and the scripts that change them, is their owners' business (`tollwire-ledger-redis`,
//! `tollwire-relay-redis`).

mod address;
mod config;
mod connection;
pub mod reply;
mod server;
mod store;

pub use address::Address;
pub use config::ServerConfig;
pub use connection::only;
pub use deadpool_redis::redis;
pub use store::Store;
