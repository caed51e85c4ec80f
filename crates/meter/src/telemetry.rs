//! Metrics of metering.
//!
//! | name | labels | what |
//! |---|---|---|
//! | `tollwire_streams_open` | `feed` | streams that live now |
//! | `tollwire_lease_renewals_total` | `outcome` | what the ledger said to streams that told their use |
//! | `tollwire_stream_undo_failures_total` | | units that could not be given back in time |

use metrics::{counter, gauge};
use tollwire_x402::FeedId;

pub(crate) fn streams_open(feed: &FeedId, count: usize) {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    gauge!("tollwire_streams_open", "feed" => feed.to_string()).set(count);
}

pub(crate) fn renewed(outcome: &'static str) {
    counter!("tollwire_lease_renewals_total", "outcome" => outcome).increment(1);
}

pub(crate) fn undo_failed() {
    counter!("tollwire_stream_undo_failures_total").increment(1);
}
