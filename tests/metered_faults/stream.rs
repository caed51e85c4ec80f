//! A stream as its agent sees it: blocks counted while they come, and how it ended.

use crate::rig::{BLOCK, ENDED};
use futures_util::StreamExt as _;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tollwire_tests::ws::{Ended, Socket};
use tollwire_x402::Unit;

/// What came so far.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    /// When the open was asked for.
    pub(crate) asked: Instant,
    pub(crate) blocks: u64,
    pub(crate) first: Option<Instant>,
    pub(crate) last: Option<Instant>,
    pub(crate) ended: Option<Ended>,
}

/// A stream that is read as fast as it comes. Dropped, its connection is dropped.
pub(crate) struct Stream {
    heard: watch::Receiver<Heard>,
    leave: Arc<Notify>,
    reading: JoinHandle<()>,
}

impl Stream {
    pub(crate) fn listen(socket: Socket, asked: Instant) -> Self {
        let begin = Heard { asked, blocks: 0, first: None, last: None, ended: None };
        let (tell, heard) = watch::channel(begin);
        let leave = Arc::new(Notify::new());
        let reading = tokio::spawn(read(socket, tell, Arc::clone(&leave)));
        Self { heard, leave, reading }
    }

    pub(crate) fn heard(&self) -> Heard {
        self.heard.borrow().clone()
    }

    pub(crate) fn blocks(&self) -> u64 {
        self.heard.borrow().blocks
    }

    /// Waits for so many more blocks.
    pub(crate) async fn run(&self, more: u64) {
        self.reach(self.blocks() + more).await;
    }

    /// Waits until so many blocks have come in all.
    pub(crate) async fn reach(&self, goal: u64) {
        let mut heard = self.heard.clone();
        let reached = heard.wait_for(|heard| heard.blocks >= goal || heard.ended.is_some());
        let heard = timeout(Duration::from_secs(20), reached).await.expect("no block comes").unwrap().clone();
        assert!(heard.blocks >= goal, "it ended early: {heard:?}");
    }

    /// Waits for its end, as long as a stream without a store may take.
    pub(crate) async fn ended(&self) -> Ended {
        self.ended_within(ENDED).await
    }

    pub(crate) async fn ended_within(&self, time: Duration) -> Ended {
        let mut heard = self.heard.clone();
        let ended = timeout(time, heard.wait_for(|heard| heard.ended.is_some())).await;
        ended.unwrap_or_else(|_| panic!("still open: {:?}", self.heard())).unwrap().ended.clone().unwrap()
    }

    /// Closes in order, and waits for the end.
    pub(crate) async fn leave(&mut self) {
        self.leave.notify_one();
        let ended = self.ended().await;
        assert!(matches!(ended.code, 1000 | 1005), "{ended:?}");
    }

    pub(crate) fn is_live(&self) -> bool {
        self.heard.borrow().ended.is_none()
    }

    /// Units that it was served, as far as its agent can tell.
    pub(crate) fn served(&self, unit: Unit) -> RangeInclusive<u64> {
        self.heard().served(unit)
    }
}

impl Heard {
    pub(crate) fn served(&self, unit: Unit) -> RangeInclusive<u64> {
        match unit {
            Unit::Message => self.blocks..=self.blocks,
            Unit::Kib => kibs(self.blocks, BLOCK)..=kibs(self.blocks, BLOCK),
            // The clock began between the request and the first block, and a second counts when it begins. The last block
            // may have taken its time, or the end may have come in the second after it.
            Unit::Second => {
                let (Some(first), Some(last)) = (self.first, self.last) else { return 0..=2 };
                (last - first).as_secs()..=(last - self.asked).as_secs() + 2
            }
            Unit::Stream | Unit::Usdc => 1..=1,
        }
    }
}

/// KiB of so many blocks: a frame's header has two bytes, and two or eight more for its length.
pub(crate) fn kibs(blocks: u64, block: usize) -> u64 {
    let header = if block < 65_536 { 4 } else { 10 };
    (blocks * (u64::try_from(block).unwrap() + header)).div_ceil(1024)
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn read(mut socket: Socket, tell: watch::Sender<Heard>, leave: Arc<Notify>) {
    let mut leaving = false;
    loop {
        let message = tokio::select! {
            message = socket.0.next() => message,
            () = leave.notified(), if !leaving => {
                leaving = true;
                drop(socket.0.close(None).await);
                continue;
            }
        };
        let ended = match message {
            Some(Ok(Message::Binary(_))) => {
                let now = Instant::now();
                tell.send_modify(|heard| {
                    heard.blocks += 1;
                    heard.first.get_or_insert(now);
                    heard.last = Some(now);
                });
                continue;
            }
            Some(Ok(Message::Close(Some(frame)))) => {
                Ended { code: frame.code.into(), reason: frame.reason.to_string() }
            }
            Some(Ok(Message::Close(None))) => Ended { code: 1005, reason: String::new() },
            Some(Ok(_)) => continue,
            Some(Err(_)) | None => Ended { code: 1006, reason: String::new() },
        };
        tell.send_modify(|heard| heard.ended = Some(ended));
        // Reads on, so that the peer sees its close answered.
        drop(
            timeout(Duration::from_secs(2), async { while let Some(Ok(_)) = socket.0.next().await {} }).await,
        );
        return;
    }
}
