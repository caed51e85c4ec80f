//! Copies of a store in use.

use crate::Error;
use std::path::Path;

/// A store that can be copied while it is in use.
pub trait Backup: Send + Sync {
    /// Writes a consistent copy to a new file, readable by its owner alone. Blocks; the copy opens like the original.
    ///
    /// [`Error::Unfit`] if the file exists already or cannot be made; a copy that failed half way is not left behind.
    fn backup(&self, path: &Path) -> Result<(), Error>;
}
