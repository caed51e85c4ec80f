//! What the broker keeps, on Redis: one Lua script and one round trip per transition.
//!
//! Brokers share nothing but Redis. [`RelayRedis`] is the connection, cheap to clone; [`RedisRows`] are the rows of
//! [`tollwire_relay::store::Rows`], [`RedisLog`], [`RedisNotes`] and [`RedisBus`] what the bridge keeps and hears. Which servers are refused, and what happens when one is emptied or exchanged, is said
//! in `tollwire-redis`. A row, its alias and the index of what is due are keys of their own, changed by one script; they
//! share no hash tag, so this wants one primary.

mod asp;
mod bus;
mod connection;
mod log;
mod notes;
mod rows;
mod script;

pub use asp::RedisSessions;
pub use bus::RedisBus;
pub use connection::RelayRedis;
pub use log::RedisLog;
pub use notes::RedisNotes;
pub use rows::RedisRows;
pub use tollwire_redis::ServerConfig;
