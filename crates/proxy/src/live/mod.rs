//! The streams that live on this node.

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
