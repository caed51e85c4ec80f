//! What the broker keeps, on Redis: one Lua script and one round trip per transition.
//!
//! Brokers share nothing but Redis. [`RelayRedis`] is the connection, cheap to clone; [`RedisRows`] are the rows of
//! [`tollwire_relay::store::Rows`], [`RedisLog`], [`RedisNotes`] and [`RedisBus`] what the bridge keeps and hears. Which servers are refused, and what happens when one is emptied or exchanged, is said
//! in `tollwire-redis`. A row, its alias and the index of what is due are keys of their own, changed by one script; so are a
//! message, its stream and the stream it is carried to. They are not one thing's, so on a Redis Cluster all keys of a
//! broker's store have one hash tag, its prefix, and are on one primary: it fails over like the others, and does not
//! spread.

mod asp;
mod bus;
mod connection;
mod ears;
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
