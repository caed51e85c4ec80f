//! From the database's errors to the ledger's.

use crate::Error;

/// Why a job could not be answered.
pub(super) enum Failure {
    /// The job's own rows are bad; nothing was written for it, and the others in its batch may go on.
    Rows(Error),
    /// The database failed, perhaps between two writes: the whole batch must be dropped.
    Store(Error),
}

impl Failure {
    pub(super) fn store(error: impl Into<redb::Error>) -> Self {
        Self::Store(storage(error))
    }
}

/// A database error as ours.
pub(super) fn storage(error: impl Into<redb::Error>) -> Error {
    match error.into() {
        redb::Error::Corrupted(why) => Error::Corrupt(why),
        redb::Error::UpgradeRequired(format) => {
            Error::Unfit(format!("the file has the older database format {format}"))
        }
        redb::Error::DatabaseAlreadyOpen => {
            Error::Unfit("another process has this file open; one ledger file serves one process".to_owned())
        }
        other => Error::Unavailable(other.to_string()),
    }
}
