//! The pure core.

use std::time::Duration;

/// How long after its first hold the same stream id may be opened again without charge.
pub const REOPEN_WINDOW: Duration = Duration::from_secs(30);

/// How long after its capture a stream may be reversed.
pub const REVERSE_WINDOW: Duration = Duration::from_secs(30);
