//! What can go wrong with a part under test.

use std::time::Duration;

/// A part that does not start, answer or stop. The text says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something must be installed first.
    #[error("{0} is missing: run cargo xtask setup")]
    Missing(String),
    /// The operating system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// It took too long.
    #[error("{what}: nothing within {within:?}; output so far:\n{output}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        within: Duration,
        /// The process's last lines, if it is one.
        output: String,
    },
    /// A process ended that should have stayed.
    #[error("{what} ended early ({status}); its output:\n{output}")]
    Ended {
        /// Which.
        what: String,
        /// Its exit status.
        status: String,
        /// Its last lines.
        output: String,
    },
    /// The node refused a call, or answered something else than expected.
    #[error("{method}: {message}")]
    Rpc {
        /// The JSON-RPC method.
        method: String,
        /// The node's words.
        message: String,
    },
}

impl Error {
    /// Turns an I/O error into ours, naming what was being done.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { what: what.into(), source }
    }
}
