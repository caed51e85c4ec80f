//! Why a command failed, and the exit code that says so.

use std::process::ExitCode;
use tollwire_client::{Closed, Error};

/// A failed command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line, or a file or variable that it names, must be mended.
    #[error("{0}")]
    Usage(String),
    /// Whatever is left of the budget does not pay for more.
    #[error("{0}")]
    Budget(Error),
    /// The seller would not sell, or ended the session.
    #[error("{0}")]
    Refused(String),
    /// A receipt is not what it should be.
    #[error("{0}")]
    Receipt(String),
    /// Anything else.
    #[error("{0}")]
    Failed(Error),
    /// The stream ended otherwise than normally.
    #[error("the stream was closed with {} {}", .0.code, .0.reason)]
    Closed(Closed),
    /// A file cannot be read or written.
    #[error("{0}: {1}")]
    Io(String, std::io::Error),
}

const FAILED: u8 = 1;
const BUDGET: u8 = 3;
const REFUSED: u8 = 4;
/// sysexits.h: EX_USAGE.
const USAGE: u8 = 64;

impl Failure {
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => USAGE,
            Self::Budget(_) => BUDGET,
            Self::Refused(_) | Self::Receipt(_) => REFUSED,
            Self::Failed(_) | Self::Closed(_) | Self::Io(..) => FAILED,
        })
    }

    pub(crate) fn usage_code() -> ExitCode {
        ExitCode::from(USAGE)
    }

    /// How a stream ended: normally, or by a failure.
    pub(crate) fn of_close(closed: &Closed) -> Result<(), Self> {
        match closed.code {
            1000 | 1005 => Ok(()),
            // Only with --pay-on never.
            4008 => Err(Self::Refused(closed.reason.clone())),
            4001 | 4003 | 4004 => {
                Err(Self::Refused(format!("closed with {} {}", closed.code, closed.reason)))
            }
            _ => Err(Self::Closed(closed.clone())),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Budget { .. } => Self::Budget(error),
            Error::Url(_) | Error::Key(_) | Error::Tls(_) | Error::Saved(_) => Self::Usage(error.to_string()),
            Error::Refused { .. }
            | Error::NoOffer(_)
            | Error::Dearer { .. }
            | Error::Unserved(_)
            | Error::Status { status: 400..=499, .. } => Self::Refused(error.to_string()),
            error => Self::Failed(error),
        }
    }
}

impl From<tollwire_ops::Error> for Failure {
    fn from(error: tollwire_ops::Error) -> Self {
        Self::Usage(error.to_string())
    }
}
