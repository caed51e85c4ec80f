//! The writing half of a connection: what waits leaves together, and what leaves holds its room until it has left.

use super::Room;
use super::closing::Ending;
use super::outbox::{Next, Outbox};
use futures_util::{Sink, SinkExt as _};
use std::future::Future;
use std::time::Duration;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};
use tollwire_x402::close::CloseCode;

/// Bytes that may be on their way to the socket before they are waited for. Together with what the socket's own buffer
/// holds this is what a peer that takes nothing costs beside its queue.
pub(super) const BATCH_BYTES: usize = 16 * 1024;

/// What a frame takes beside its content, roughly.
const FRAME_BYTES: usize = 32;

/// Frames that were handed to the socket and may not have left it.
#[derive(Default)]
struct Batch {
    bytes: usize,
    rooms: Vec<Room>,
}

impl Batch {
    fn add(&mut self, bytes: usize, room: Option<Room>) {
        self.bytes = self.bytes.saturating_add(bytes).saturating_add(FRAME_BYTES);
        self.rooms.extend(room);
    }

    /// All of it has left.
    fn clear(&mut self) {
        // With its memory: a connection that idles needs none.
        *self = Self::default();
    }
}

/// Writes what the outbox holds until it asks for the close. Frames that wait are written together; nothing waits for
/// another that is not there yet.
pub(super) async fn write<S>(sink: &mut S, outbox: &Outbox, stall: Duration) -> Ending
where
    S: Sink<Message, Error = Error> + Unpin,
{
    let mut batch = Batch::default();
    loop {
        let waiting = if batch.bytes < BATCH_BYTES { outbox.at_once() } else { None };
        let next = match waiting {
            Some(next) => next,
            None if batch.bytes == 0 => outbox.next().await,
            None => {
                if let Err(ending) = within(stall, sink.flush()).await {
                    return ending;
                }
                batch.clear();
                continue;
            }
        };
        let (message, room) = match next {
            Next::Frame(frame) => (outbox.message(frame.text), frame.room),
            Next::Ping => (Message::Ping(Bytes::new()), None),
            Next::Probe(number) => (Message::Ping(Bytes::copy_from_slice(&number.to_be_bytes())), None),
            Next::Close(code) => {
                let left = if batch.bytes == 0 { Ok(()) } else { within(stall, sink.flush()).await };
                return left.err().unwrap_or(Ending::Ours(code));
            }
        };
        batch.add(message.len(), room);
        if let Err(ending) = within(stall, sink.feed(message)).await {
            return ending;
        }
    }
}

/// Waits for the peer to take something; how the connection ends if it does not.
async fn within(stall: Duration, done: impl Future<Output = Result<(), Error>>) -> Result<(), Ending> {
    match timeout(stall, done).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Ending::Gone),
        Err(_) => {
            tracing::debug!(?stall, "a peer takes nothing: it is cut off");
            Err(Ending::Ours(CloseCode::SlowConsumer))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Budget;
    use super::*;
    use futures_util::FutureExt as _;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    /// What became of frames; takes no more than it is let.
    #[derive(Default)]
    struct Wire {
        written: Vec<String>,
        flushes: Vec<usize>,
        stuck: bool,
    }

    impl Sink<Message> for Wire {
        type Error = Error;

        fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
            Poll::Ready(Ok(()))
        }

        fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
            self.written.push(message.into_text()?.to_string());
            Ok(())
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
            if self.stuck {
                return Poll::Pending;
            }
            let written = self.written.len();
            self.flushes.push(written);
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
            Poll::Ready(Ok(()))
        }
    }

    const STALL: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn what_waits_leaves_together_and_before_the_close() {
        let (mut wire, outbox) = (Wire::default(), Outbox::new(1_000));
        for text in ["a", "b", ""] {
            outbox.say(text.into());
        }
        assert!(write(&mut wire, &outbox, STALL).now_or_never().is_none());
        assert_eq!(
            (wire.written.as_slice(), wire.flushes.as_slice()),
            (&["a", "b", ""].map(String::from)[..], &[3][..])
        );
        outbox.say("c".into());
        outbox.end(Some("d".into()), CloseCode::GoingAway);
        assert_eq!(write(&mut wire, &outbox, STALL).await, Ending::Ours(CloseCode::GoingAway));
        assert_eq!(wire.flushes, [3, 5]);
    }

    #[tokio::test]
    async fn a_long_queue_is_waited_for_in_parts() {
        let (mut wire, outbox) = (Wire::default(), Outbox::new(10 * BATCH_BYTES));
        for _ in 0..8 {
            outbox.say("x".repeat(BATCH_BYTES / 2));
        }
        assert!(write(&mut wire, &outbox, STALL).now_or_never().is_none());
        assert_eq!(wire.flushes, [2, 4, 6, 8]);
    }

    #[tokio::test(start_paused = true)]
    async fn room_is_held_until_it_has_left_and_a_peer_that_takes_nothing_is_cut_off() {
        let (mut wire, outbox) = (Wire { stuck: true, ..Wire::default() }, Outbox::new(1_000));
        let budget = Budget::new(100);
        let room = budget.room(Some(60)).await.unwrap();
        outbox.answer("x".repeat(60), room);
        {
            let mut writing = std::pin::pin!(write(&mut wire, &outbox, STALL));
            assert!(writing.as_mut().now_or_never().is_none());
            assert!(budget.room(Some(60)).now_or_never().is_none(), "it is not at the peer");
            assert_eq!(writing.await, Ending::Ours(CloseCode::SlowConsumer));
        }
        assert!(budget.room(Some(60)).now_or_never().is_some());
    }
}
