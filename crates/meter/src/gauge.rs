//! What a data path shows of its use, and what it is granted.

use std::future::Future;
use tokio::time::Instant;

/// The counter of one metered stream, between whoever moves it and [`Charge::keep`](crate::Charge::keep).
///
/// All numbers are cumulative units of the stream, from its first opening on.
pub trait Gauge: Send + Sync {
    /// Units used; never more than granted.
    fn used(&self) -> u64;

    /// Units without which what waits cannot pass; `None` if nothing waits.
    fn needed(&self) -> Option<u64>;

    /// Units up to `to` may be used until `until`. A smaller `to` than before takes back what was not used yet; from
    /// when this returns no more is used than `to` or than was used already.
    fn grant(&self, to: u64, until: Instant);

    /// Ends when the stream is short: something waits that the grant does not cover, or the last unit granted has been
    /// used; the latter is told once for each grant of more than was used.
    fn short(&self) -> impl Future<Output = ()> + Send;

    /// Until when what was granted lasts, where that is known: a stream that gets no more is served until then.
    fn lasts_until(&self) -> Option<Instant> {
        None
    }
}
