//! A live stream: bytes move, units are paid, until it ends.

use crate::aside::Aside;
use crate::charge::{Charge, Renewal};
use crate::live::Resident;
use crate::shared::{Seat, Shared};
use crate::store::may_recover;
use crate::telemetry;
use crate::upgrade::take_over;
use crate::upstream::Dialled;
use hyper::upgrade::OnUpgrade;
use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};
use tollwire_wire::{Control, End, Limits, Pump, Report, Side};
use tollwire_x402::FeedId;
use tollwire_x402::close::CloseCode;

/// An upstream that ends within this without a data frame has served nothing.
const SERVED_AFTER: Duration = Duration::from_secs(5);

/// First and longest pause between tries to take the next unit.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// A stream that has been captured and connected, about to live.
pub(crate) struct Stream {
    pub(crate) shared: Arc<Shared>,
    pub(crate) feed: FeedId,
    pub(crate) charge: Charge,
    pub(crate) control: Control,
    pub(crate) resident: Resident,
    pub(crate) seat: Seat,
    pub(crate) limits: Arc<Limits>,
    pub(crate) terms: Terms,
}

/// For how long a unit is good.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) max_stream: Duration,
    /// How long past that a stream goes on when the store cannot be asked.
    pub(crate) grace: Duration,
}

impl Terms {
    /// How long the ledger takes a stream for live after a capture.
    pub(crate) fn live_for(&self) -> Duration {
        self.max_stream.saturating_add(self.grace).saturating_add(Duration::from_mins(1))
    }
}

impl Stream {
    /// Lives in tasks of its own until both connections have ended.
    pub(crate) fn spawn(self, connection: OnUpgrade, upstream: Dialled) {
        let tasks = self.shared.tasks.clone();
        tasks.spawn(self.begin(connection, upstream));
    }

    async fn begin(mut self, connection: OnUpgrade, upstream: Dialled) {
        match take_over(connection).await {
            Ok((agent, ahead)) => {
                self.charge.served();
                let limits = Arc::clone(&self.limits);
                let pump = Pump::new(agent, ahead, upstream.transport, upstream.ahead, limits);
                let pumping = Box::pin(pump.run(self.control.clone()));
                // Another task: this one has room for the handover, which a stream does not need all its life.
                let tasks = self.shared.tasks.clone();
                tasks.spawn(self.live(pumping));
            }
            Err(error) => {
                let (feed, session) = (&self.feed, self.charge.session());
                tracing::warn!(%feed, %session, %error, "no connection after the 101");
                self.shared.failures.note(session);
                self.charge.settle().await;
            }
        }
    }

    async fn live(mut self, mut pumping: Pin<Box<impl Future<Output = Report>>>) {
        let paying = Aside::new(Box::pin(pay(&mut self.charge, &self.control, self.terms)));
        let report = tokio::select! {
            biased;
            report = &mut pumping => report,
            never = paying => match never {},
        };
        drop(pumping);
        Box::pin(self.finish(&report)).await;
    }

    async fn finish(mut self, report: &Report) {
        telemetry::ended(&self.feed, report);
        tracing::info!(
            feed = %self.feed,
            session = %self.charge.session(),
            stream = %self.charge.stream(),
            end = report.end.as_str(),
            code = report.agent_got,
            from_agent = report.from_agent.bytes,
            from_upstream = report.from_upstream.bytes,
            lasted = ?report.lasted,
            "stream ended"
        );
        if ended_at_once(report) && self.charge.unserved() {
            telemetry::reversed(&self.feed);
            self.shared.failures.note(self.charge.session());
        }
        self.charge.settle().await;
        drop((self.resident, self.seat));
    }
}

/// Whether the upstream ended the stream before it was worth anything.
fn ended_at_once(report: &Report) -> bool {
    let by_upstream = match report.end {
        End::Closed(side) | End::Gone(side) | End::Violated(side, _) | End::Flooded(side) => {
            side == Side::Upstream
        }
        _ => false,
    };
    by_upstream && report.from_upstream.data_frames == 0 && report.ended_after <= SERVED_AFTER
}

/// Takes the next unit whenever one is used up; when there is none, asks the stream to end and waits for that.
async fn pay(charge: &mut Charge, control: &Control, terms: Terms) -> Infallible {
    let mut paid_until = Instant::now();
    let mut more = charge.paid_for(terms.max_stream);
    loop {
        match paid_until.checked_add(more) {
            Some(later) => paid_until = later,
            None => return pending().await,
        }
        more = terms.max_stream;
        sleep_until(paid_until).await;
        // Boxed, so that a stream does not carry the room for this all its life.
        if let Err(code) = Box::pin(next_unit(charge, terms, paid_until)).await {
            control.close(code);
            return pending().await;
        }
    }
}

/// Takes one unit. While the store cannot be reached the stream goes on, up to its grace, and the unit is taken
/// when the store is back; a store that is not the one we knew ends the stream at once.
async fn next_unit(charge: &mut Charge, terms: Terms, due: Instant) -> Result<(), CloseCode> {
    let (mut pause, longest) = RETRY;
    loop {
        let error = match charge.renew(terms.live_for()).await {
            Ok(()) => return Ok(()),
            Err(Renewal::Over(code)) => return Err(code),
            Err(Renewal::Store(error)) => error,
        };
        tracing::warn!(session = %charge.session(), %error, "cannot take a stream's next unit");
        if !may_recover(&error) {
            return Err(CloseCode::Internal);
        }
        if due.elapsed() >= terms.grace {
            return Err(CloseCode::TryAgainLater);
        }
        sleep(pause).await;
        pause = pause.saturating_mul(2).min(longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a live stream keeps in its task and the two boxes of that, sockets apart. With two sockets'
    /// registrations it must stay far below the 4.5 KiB that HAProxy holds per connection.
    #[test]
    fn a_live_stream_is_small() {
        type Pumping = Pin<Box<std::future::Pending<Report>>>;
        const fn live<F: Future>(_: &impl FnOnce(Stream, Pumping) -> F) -> usize {
            size_of::<F>()
        }
        const fn paying<'a, F: Future>(_: &impl FnOnce(&'a mut Charge, &'a Control, Terms) -> F) -> usize {
            size_of::<F>()
        }
        const fn pumping<F: Future>(_: &impl FnOnce(Pump, Control) -> F) -> usize {
            size_of::<F>()
        }
        let size =
            live(&|stream, pumping| Stream::live(stream, pumping)) + paying(&pay) + pumping(&Pump::run);
        assert!(size <= 1792, "{size} bytes");
    }
}
