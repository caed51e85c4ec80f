//! Why a command failed, and the exit code that says so (sysexits.h).

use std::process::ExitCode;

/// A failed command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The configuration must be mended.
    #[error("{0}")]
    Config(#[from] tollwire_ops::Error),
    /// A part did not start.
    #[error("cannot start: {0}")]
    Start(String),
    /// The file exists; it is never overwritten.
    #[error("{0} exists already; keys are never overwritten. Choose another name")]
    Exists(String),
    /// A receipt did not verify, or could not be looked at.
    #[error("{0}")]
    Receipt(String),
    /// The books do not balance, or providers could not be paid.
    #[error("{0}")]
    Books(String),
    /// A backup was not made, or not put back.
    #[error("{0}")]
    Backup(String),
    /// The demo saw something other than its story.
    #[error("the demo did not go as it should: {0}")]
    Demo(String),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> ExitCode {
        const CONFIG: u8 = 78;
        match self {
            Self::Config(_) => ExitCode::from(CONFIG),
            Self::Start(_)
            | Self::Exists(_)
            | Self::Receipt(_)
            | Self::Books(_)
            | Self::Backup(_)
            | Self::Demo(_) => ExitCode::FAILURE,
        }
    }

    /// A part did not start.
    pub(crate) fn start(error: impl std::fmt::Display) -> Self {
        Self::Start(error.to_string())
    }
}

impl From<tollwire_wiring::Error> for Failure {
    fn from(error: tollwire_wiring::Error) -> Self {
        match error {
            tollwire_wiring::Error::Config(error) => Self::Config(error),
            other => Self::start(other),
        }
    }
}
