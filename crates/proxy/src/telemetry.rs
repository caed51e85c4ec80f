//! Metrics of the proxy; those of its streams' leases are in `tollwire-meter`.
//!
//! | name | labels | what |
//! |---|---|---|
//! | `tollwire_stream_opens_total` | `feed`, `outcome` | opens: `opened`, or the kind of the refusal |
//! | `tollwire_stream_ends_total` | `feed`, `end` | what ended streams first |
//! | `tollwire_streams_reversed_total` | `feed` | streams given back because their upstream ended at once |
//! | `tollwire_proxied_bytes_total` | `direction` | wire bytes passed on, counted when a stream ends |
//! | `tollwire_upstream_dial_seconds` | `outcome` | how long upstreams took to answer |

use crate::{OpenError, UpstreamError};
use metrics::{counter, histogram};
use std::time::Duration;
use tollwire_wire::Report;
use tollwire_x402::FeedId;

pub(crate) fn opened<T>(feed: &FeedId, outcome: Result<&T, &OpenError>) {
    let word = outcome.map_or_else(OpenError::kind, |_| "opened");
    counter!("tollwire_stream_opens_total", "feed" => feed.to_string(), "outcome" => word).increment(1);
}

pub(crate) fn ended(feed: &FeedId, report: &Report) {
    counter!("tollwire_stream_ends_total", "feed" => feed.to_string(), "end" => report.end.as_str())
        .increment(1);
    let bytes = [("to_upstream", report.from_agent.bytes), ("to_agent", report.from_upstream.bytes)];
    for (direction, bytes) in bytes {
        counter!("tollwire_proxied_bytes_total", "direction" => direction).increment(bytes);
    }
}

pub(crate) fn reversed(feed: &FeedId) {
    counter!("tollwire_streams_reversed_total", "feed" => feed.to_string()).increment(1);
}

pub(crate) fn dialled<T>(outcome: Result<&T, &UpstreamError>, took: Duration) {
    let word = outcome.map_or_else(UpstreamError::kind, |_| "opened");
    histogram!("tollwire_upstream_dial_seconds", "outcome" => word).record(took);
}
