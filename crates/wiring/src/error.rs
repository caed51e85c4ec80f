//! Why a part did not come up.

/// What is wrong with a file, or with what it names.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration must be mended.
    #[error("{0}")]
    Config(#[from] tollwire_ops::Error),
    /// A store or a chain did not come up as the file describes it.
    #[error("{0}")]
    Start(String),
}

impl Error {
    /// A part did not come up.
    pub(crate) fn start(error: impl std::fmt::Display) -> Self {
        Self::Start(error.to_string())
    }
}
