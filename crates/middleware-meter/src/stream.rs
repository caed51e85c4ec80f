//! A metered stream, as a provider's server sees it.

use crate::Ended;
use crate::tap::Tap;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tollwire_meter::{Charge, Gauge, Resident};
use tollwire_x402::Unit;
use tollwire_x402::close::CloseCode;

/// Payload bytes of one message that are one unit.
const MESSAGE_UNIT_BYTES: u64 = 64 * 1024;

/// Bytes of one `kib`.
const KIB: u64 = 1024;

/// One live stream. Dropped, it is settled in the background.
#[derive(Debug)]
pub struct MeteredStream {
    tap: Arc<Tap>,
    unit: Unit,
    /// Bytes counted so far, for `kib`.
    bytes: u64,
    ended: watch::Receiver<Option<CloseCode>>,
    /// Dropped when the provider is done.
    done: Option<watch::Sender<()>>,
    keeping: Option<JoinHandle<()>>,
}

impl MeteredStream {
    pub(crate) fn start(charge: Charge, resident: Resident, tap: Arc<Tap>, tasks: &TaskTracker) -> Self {
        let unit = charge.terms().unit;
        let (tell, ended) = watch::channel(None);
        let (done, served) = watch::channel(());
        let keeping = tasks.spawn(keep(charge, resident, Arc::clone(&tap), tell, served));
        Self { tap, unit, bytes: 0, ended, done: Some(done), keeping: Some(keeping) }
    }

    /// Waits until a message of so many payload bytes is paid for; then send it. Cancel safe: nothing is counted before
    /// this returns.
    pub async fn message(&mut self, payload_bytes: usize) -> Result<(), Ended> {
        let size = u64::try_from(payload_bytes).unwrap_or(u64::MAX);
        match self.unit {
            Unit::Message => self.pass(size.div_ceil(MESSAGE_UNIT_BYTES).max(1)).await,
            Unit::Kib => self.bytes(payload_bytes).await,
            Unit::Stream | Unit::Second | Unit::Usdc => self.pass(0).await,
        }
    }

    /// Waits until so many more bytes are paid for, of a stream sold by the `kib`; of others, whether it may go on. Count
    /// frame headers too, to charge as the proxy does.
    pub async fn bytes(&mut self, more: usize) -> Result<(), Ended> {
        if self.unit != Unit::Kib {
            return self.pass(0).await;
        }
        let bytes = self.bytes.saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
        let cost = bytes.div_ceil(KIB).saturating_sub(self.bytes.div_ceil(KIB));
        self.pass(cost).await?;
        self.bytes = bytes;
        Ok(())
    }

    /// Resolves when the stream has to end: nothing is left, the session was revoked or closed, the stream was opened
    /// anew, or this process is going away.
    pub async fn ended(&self) -> Ended {
        over(self.ended.clone()).await
    }

    /// The stream is over, whoever ended it: tells the ledger what was used, and waits for that.
    pub async fn finish(mut self) {
        drop(self.done.take());
        if let Some(keeping) = self.keeping.take() {
            // A task that was aborted with the runtime has nothing more to tell.
            let _aborted = keeping.await;
        }
    }

    async fn pass(&self, cost: u64) -> Result<(), Ended> {
        tokio::select! {
            biased;
            ended = over(self.ended.clone()) => {
                self.tap.forget();
                Err(ended)
            }
            () = self.tap.pass(cost) => Ok(()),
        }
    }
}

async fn over(mut ended: watch::Receiver<Option<CloseCode>>) -> Ended {
    let code = match ended.wait_for(Option::is_some).await {
        Ok(code) => code.unwrap_or(CloseCode::Internal),
        // Its account has gone without a word: serve nothing more.
        Err(_) => CloseCode::Internal,
    };
    Ended { code }
}

/// Keeps the account until it or the provider ends the stream, and settles it.
async fn keep(
    mut charge: Charge,
    resident: Resident,
    tap: Arc<Tap>,
    tell: watch::Sender<Option<CloseCode>>,
    mut served: watch::Receiver<()>,
) {
    let code = tokio::select! {
        biased;
        _done = served.changed() => None,
        code = charge.keep(&*tap, &()) => Some(code),
    };
    let ended_at = Instant::now();
    if let Some(code) = code {
        tell.send_replace(Some(code));
        // The provider may finish a message that was covered; it is done when it drops its end.
        let _done = served.changed().await;
    }
    charge.note_used(tap.used());
    charge.note_ended(ended_at);
    charge.settle().await;
    drop(resident);
}
