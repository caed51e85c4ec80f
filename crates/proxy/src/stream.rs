//! A live stream: bytes move, units are paid, until it ends.

use crate::aside::Aside;
use crate::control::{LowWater, converse};
use crate::gauge::PumpGauge;
use crate::shared::{Seat, Shared};
use crate::upgrade::take_over;
use crate::upstream::Dialled;
use crate::{InBand, telemetry};
use hyper::upgrade::OnUpgrade;
use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tollwire_meter::{Charge, Gauge, Resident};
use tollwire_wire::{Control, End, HeardReceiver, Inbox, Limits, Pump, Report, Side};
use tollwire_x402::FeedId;
use tollwire_x402::close::CloseCode;

/// An upstream that ends within this without a data frame has served nothing.
const SERVED_AFTER: Duration = Duration::from_secs(5);

/// A stream that has been captured and connected, about to live.
pub(crate) struct Stream {
    pub(crate) shared: Arc<Shared>,
    pub(crate) feed: FeedId,
    pub(crate) charge: Charge,
    pub(crate) gauge: PumpGauge,
    pub(crate) control: Control,
    /// Its conversation with the agent, for `?control=v1`.
    pub(crate) in_band: Option<Arc<dyn InBand>>,
    pub(crate) low_water: u64,
    pub(crate) resident: Resident,
    pub(crate) seat: Seat,
    pub(crate) limits: Arc<Limits>,
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
                let mut pump = Pump::new(agent, ahead, upstream.transport, upstream.ahead, limits);
                if let Some(allowance) = self.gauge.allowance() {
                    pump = pump.metered(allowance);
                }
                let mut conversation = None;
                if self.in_band.is_some() {
                    let (inbox, heard) = Inbox::new();
                    pump = pump.intercept(inbox);
                    conversation = Some(heard);
                }
                let pumping = Box::pin(pump.run(self.control.clone()));
                // Another task: this one has room for the handover, which a stream does not need all its life.
                let tasks = self.shared.tasks.clone();
                tasks.spawn(self.live(pumping, conversation));
            }
            Err(error) => {
                let (feed, session) = (&self.feed, self.charge.session());
                tracing::warn!(%feed, %session, %error, "no connection after the 101");
                self.shared.failures.note(session);
                self.charge.settle().await;
            }
        }
    }

    async fn live(
        mut self,
        mut pumping: Pin<Box<impl Future<Output = Report>>>,
        heard: Option<HeardReceiver>,
    ) {
        let desk = Desk {
            control: &self.control,
            in_band: self.in_band.take().zip(heard),
            low_water: self.low_water,
            tasks: &self.shared.tasks,
        };
        let paying = Aside::new(Box::pin(pay(&mut self.charge, &self.gauge, desk)));
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
        self.charge.note_used(self.gauge.used());
        // What followed the end were last words, which nobody pays for.
        let last_words = report.lasted.saturating_sub(report.ended_after);
        self.charge.note_ended(Instant::now().checked_sub(last_words).unwrap_or_else(Instant::now));
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

/// Keeps the stream's account, and talks with its agent; when the stream has to end, asks it to and waits for that.
async fn pay(charge: &mut Charge, gauge: &PumpGauge, desk: Desk<'_>) -> Infallible {
    let code = match desk.in_band {
        None => charge.keep(gauge, &()).await,
        // Boxed, so that other streams do not carry the room for this.
        Some((in_band, heard)) => {
            let low_water = LowWater::new(in_band, desk.control, desk.tasks, desk.low_water);
            Box::pin(keep_talking(charge, gauge, low_water, heard)).await
        }
    };
    desk.control.close(code);
    pending().await
}

async fn keep_talking(
    charge: &mut Charge,
    gauge: &PumpGauge,
    low_water: LowWater,
    mut heard: HeardReceiver,
) -> CloseCode {
    let code = tokio::select! {
        biased;
        never = converse(&*low_water.in_band, &mut heard, &low_water.control) => match never {},
        code = charge.keep(gauge, &low_water) => code,
    };
    if let Some(session) = charge.tell(gauge.used()).await
        && let Some(parting) = low_water.in_band.parting(&session).await
    {
        low_water.control.say(parting);
    }
    code
}

/// What `pay` needs beside the account.
struct Desk<'a> {
    control: &'a Control,
    in_band: Option<(Arc<dyn InBand>, HeardReceiver)>,
    low_water: u64,
    tasks: &'a TaskTracker,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a live stream keeps in its task and the two boxes of that, sockets apart. With two sockets'
    /// registrations it must stay at half of the 4.5 KiB that HAProxy holds per connection.
    #[test]
    fn a_live_stream_is_small() {
        type Pumping = Pin<Box<std::future::Pending<Report>>>;
        type Hears = Option<HeardReceiver>;
        const fn live<F: Future>(_: &impl FnOnce(Stream, Pumping, Hears) -> F) -> usize {
            size_of::<F>()
        }
        const fn paying<'a, F: Future>(
            _: &impl FnOnce(&'a mut Charge, &'a PumpGauge, Desk<'a>) -> F,
        ) -> usize {
            size_of::<F>()
        }
        const fn pumping<F: Future>(_: &impl FnOnce(Pump, Control) -> F) -> usize {
            size_of::<F>()
        }
        let size = live(&|stream, pumping, hears| Stream::live(stream, pumping, hears))
            + paying(&pay)
            + pumping(&Pump::run);
        assert!(size <= 2304, "{size} bytes");
    }
}
