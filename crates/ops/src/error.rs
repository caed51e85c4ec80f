//! What can go wrong before a service serves.

use std::path::PathBuf;

/// A start that cannot go on. Each variant names the file and the key to mend; none holds a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read.
    #[error("{path}: {reason}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The configuration file has a wrong key or value.
    #[error("{path}{}: {key}: {reason}", at(*line), path = path.display())]
    Config {
        /// Which file.
        path: PathBuf,
        /// Its line, from 1; 0 if unknown.
        line: usize,
        /// The key, with its tables.
        key: String,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// A secret cannot be had.
    #[error("{key}: {reason}")]
    Secret {
        /// The reference, such as `env:NAME`; never the value.
        key: String,
        /// Why.
        reason: String,
    },
    /// A listener cannot be opened.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// Where.
        address: String,
        /// Why.
        reason: String,
    },
    /// A part that exists once per process was installed twice.
    #[error("{0} is already installed in this process")]
    AlreadyInstalled(&'static str),
}

/// `:7` for line 7, nothing where no line is known.
fn at(line: usize) -> String {
    if line == 0 { String::new() } else { format!(":{line}") }
}
