//! What the broker keeps over a restart.
//!
//! | | for | a change is |
//! |---|---|---|
//! | [`Embedded`] | one node, nothing to install | one entry of a group commit, synced before its answer |
//! | `tollwire-relay-redis` | several nodes | one Lua script, one round trip |
//!
//! Every module keeps tables of its own in the one [`Embedded`] database. [`Rows`] is what a module needs whose rows change
//! by comparison alone; it exists on both.

mod embedded;
mod embedded_rows;
mod rewrite;
mod rows;
mod writer;

pub use embedded::Embedded;
pub(crate) use embedded::storage;
pub use embedded_rows::EmbeddedRows;
pub(crate) use rewrite::{read, rewrite};
pub(crate) use rows::done;
pub use rows::{BoxFuture, Change, Changed, FOR_EVER, Row, Rows, fresh_version};
pub use tollwire_ledger::Error as StoreError;
