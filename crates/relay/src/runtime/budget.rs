//! How many bytes of answers may wait for one slow peer. Room is taken before an answer's body is read, so that what
//! the peer does not take stays with the API, held back by TCP.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room that is taken for a body of unknown length; most are shorter.
const FIRST_BYTES: usize = 64 * 1024;

/// The budget of one connection. Closing it ends all waiting.
#[derive(Debug, Clone)]
pub(crate) struct Budget(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    /// Bytes that are free.
    queue: Arc<Semaphore>,
    /// The one place for a body that outgrew its first room.
    long: Arc<Semaphore>,
    bytes_max: usize,
}

/// Room for one answer; free again when it is dropped, which is once the answer has been written.
#[derive(Debug, Default)]
pub(crate) struct Room {
    queue: Option<OwnedSemaphorePermit>,
    long: Option<OwnedSemaphorePermit>,
}

/// The connection is over; nobody waits for this answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

impl Budget {
    /// A budget of so many bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        let bytes_max = bytes_max.clamp(1, Semaphore::MAX_PERMITS.min(1 << 31));
        let queue = Arc::new(Semaphore::new(bytes_max));
        Self(Some(Arc::new(Shared { queue, long: Arc::new(Semaphore::new(1)), bytes_max })))
    }

    /// No budget: over HTTP the connection itself is the bound, one answer at a time.
    pub(crate) const fn unbounded() -> Self {
        Self(None)
    }

    /// Room for a body, if its length is known for all of it.
    pub(crate) async fn room(&self, length: Option<usize>) -> Result<Room, Gone> {
        let Some(shared) = &self.0 else { return Ok(Room::default()) };
        let wanted = length.unwrap_or(FIRST_BYTES).clamp(1, shared.bytes_max);
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        let queue = Arc::clone(&shared.queue).acquire_many_owned(wanted).await.map_err(|_| Gone)?;
        Ok(Room { queue: Some(queue), long: None })
    }

    /// Room for a body that has grown to `length`. One body at a time may outgrow its room; it needs nothing else to
    /// be written, so waiting for it ends.
    pub(crate) async fn grow(&self, room: &mut Room, length: usize) -> Result<(), Gone> {
        let Some(shared) = &self.0 else { return Ok(()) };
        if room.long.is_none() && length > room.bytes() {
            room.long = Some(Arc::clone(&shared.long).acquire_owned().await.map_err(|_| Gone)?);
        }
        Ok(())
    }

    /// Ends all waiting for room.
    pub(crate) fn close(&self) {
        if let Some(shared) = &self.0 {
            shared.queue.close();
            shared.long.close();
        }
    }
}

impl Room {
    fn bytes(&self) -> usize {
        self.queue.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    /// Gives back what a body of `length` does not need.
    pub(crate) fn shrink(&mut self, length: usize) {
        let spare = self.bytes().saturating_sub(length.max(1));
        if let Some(queue) = &mut self.queue {
            drop(queue.split(spare));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[tokio::test]
    async fn room_is_waited_for_and_comes_back() {
        let budget = Budget::new(100);
        let first = budget.room(Some(80)).await.unwrap();
        assert!(budget.room(Some(30)).now_or_never().is_none());
        drop(first);
        let mut second = budget.room(Some(1_000_000)).await.unwrap();
        assert_eq!(second.bytes(), 100, "one alone always fits");
        second.shrink(10);
        assert!(budget.room(Some(90)).now_or_never().is_some());
    }

    #[tokio::test]
    async fn one_body_at_a_time_outgrows_its_room() {
        let budget = Budget::new(200_000);
        let mut one = budget.room(None).await.unwrap();
        let mut other = budget.room(None).await.unwrap();
        budget.grow(&mut one, FIRST_BYTES).await.unwrap();
        budget.grow(&mut one, FIRST_BYTES + 1).await.unwrap();
        assert!(budget.grow(&mut other, FIRST_BYTES + 1).now_or_never().is_none());
        drop(one);
        budget.grow(&mut other, FIRST_BYTES + 1).await.unwrap();
    }

    #[tokio::test]
    async fn nobody_waits_for_a_peer_that_is_gone() {
        let budget = Budget::new(10);
        let _all = budget.room(Some(10)).await.unwrap();
        budget.close();
        assert_eq!(budget.room(Some(1)).await.unwrap_err(), Gone);
    }
}
