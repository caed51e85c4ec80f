//! Why a store could not answer.

/// The store could not answer; the command may or may not have been applied. Send the same command again:
/// every command is idempotent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store cannot be reached or did not answer in time: retry later, and serve nothing meanwhile.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// The store was emptied or exchanged under us (its epoch is missing or another): stop, and restore it.
    #[error("store lost: its epoch is not the one this node started with; restore the store and restart")]
    Lost,
    /// A stored record cannot be read, or was written by a newer version: stop, and restore or upgrade.
    #[error("record unreadable: {0}")]
    Corrupt(String),
    /// The store is not fit to hold money (persistence off, eviction on, wrong schema): fix its configuration.
    #[error("store refused: {0}")]
    Unfit(String),
}
