//! The [`Ledger`](tollwire_ledger::Ledger) on Redis: one Lua script and one round trip per transition.
//!
//! Nodes share nothing but Redis. Each script reads and checks all it needs before its first write, so a refusal or
//! a bad record leaves nothing half-written. The scripts repeat the rules of `tollwire_ledger::core`; a property
//! test runs the same random commands through both and compares every answer and every row.
//!
//! - **Keys.** All keys of a session and of its payments share the hash tag `{jti}`, all of a provider's account that of
//!   its text, so that a script may touch them on one primary of a Redis Cluster; what leads from one thing to another
//!   (pointers, indexes) has keys of its own, written before and in another request there, so that no step spans slots.
//!   A pointer `<prefix>at:<payment>` leads from a payment to its session; it is written first and decides,
//!   so that two nodes cannot record one payment for two sessions. The two indexes (payments in doubt, sessions) hold
//!   at least what they must: an entry is added before, and removed after, what it stands for. Money has no TTL.
//! - **Loss.** The store carries an epoch. A node that finds it missing or changed answers
//!   [`Error::Lost`](tollwire_ledger::Error::Lost) to everything from then on.
//! - **Durability**, and which servers are refused: `tollwire-redis`. [`RedisConfig::wait_replicas`] guards against losing
//!   the primary.

mod command;
mod config;
mod keys;
mod ledger;
mod listing;
mod reply;
mod script;
mod transition;

pub use config::RedisConfig;
pub use ledger::RedisLedger;
