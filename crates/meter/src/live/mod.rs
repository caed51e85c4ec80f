//! The streams that live on this node: who they are, and what ends them from outside.

mod registry;
mod watch;

pub(crate) use registry::Registry;
pub use registry::Resident;
pub(crate) use watch::watch;

use std::collections::BTreeMap;
use tollwire_x402::FeedId;

/// How many streams live on this node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LiveStreams {
    /// All of them.
    pub total: usize,
    /// By feed; feeds without any are left out.
    pub by_feed: BTreeMap<FeedId, usize>,
}
