//! Moves both directions of one stream until it has ended.
//!
//! One future does it all: bytes are read into the worker's buffer only once a socket is ready, judged, and
//! written at once. Only what the other side will not take is copied, or what may not pass yet (one read's worth,
//! at most 256 KiB each way), and while it waits nothing more is read, so that a slow reader, or one that does not
//! pay, slows its sender through the kernel's own buffers. An idle stream holds two sockets, two scanners and no
//! buffer; it has no timer unless a limit needs one.

mod buffer;
mod clock;
mod ending;
mod held;
mod intercept;
mod lane;
mod outlet;
mod pace;
mod turn;

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use self::clock::{Clock, Due};
use self::ending::Ending;
use self::intercept::Interceptor;
use self::lane::Lane;
use self::turn::{Order, Turn};
use crate::{Allowance, Control, End, Inbox, Limits, Report, Side, Transport, Until};

/// Buffers a stream may move before it lets other streams of its worker have a turn.
const TURNS_MAX: u32 = 8;

/// One proxied stream, from its 101 to the end of both sockets.
///
/// How it ends, whoever begins:
///
/// - A peer's Close passes unchanged, code and reason; so does the answer. Then both connections end.
/// - [`Control::close`]: the agent gets that Close between two messages (within `close_grace`, else between two
///   frames; at once in front of a frame that is not paid for), the upstream a masked 1000; then the agent's connection is half-closed, and input is discarded
///   until the peers' own Close or end.
/// - The upstream vanishes without a Close: the agent gets 1011; if it was closing itself, just the end.
/// - The agent vanishes without a Close: the upstream gets a masked 1001.
/// - A protocol violation: 1002 (1009 for size) to the violator. If that is the agent, after the upstream has had
///   its say; if it is the upstream, the agent gets 1011 (1009 for size).
/// - A side that takes no bytes for `stall`: 4013 to both, as far as they take it.
///
/// A close frame is only ever written between frames: where a frame was passed on in part, the connection just
/// ends. All last words together are bounded by `close_wait`.
#[derive(Debug)]
pub struct Pump<A = Transport, U = Transport> {
    agent: A,
    upstream: U,
    /// Agent to upstream.
    up: Lane,
    /// Upstream to agent.
    down: Lane,
    limits: Arc<Limits>,
    ending: Ending,
    clock: Clock,
    started: Option<Instant>,
    first_upstream_data: Option<Duration>,
    control: Option<Control>,
    /// Who is woken from outside.
    waker: Option<Waker>,
}

impl<A, U> Pump<A, U>
where
    A: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    /// A pump between two upgraded connections. `*_ahead` is what each side sent right behind its handshake and
    /// the HTTP layer has read already.
    pub fn new(
        agent: A,
        agent_ahead: Bytes,
        upstream: U,
        upstream_ahead: Bytes,
        limits: impl Into<Arc<Limits>>,
    ) -> Self {
        let limits = limits.into();
        Self {
            agent,
            upstream,
            up: Lane::new(Side::Agent, agent_ahead, &limits),
            down: Lane::new(Side::Upstream, upstream_ahead, &limits),
            limits,
            ending: Ending::default(),
            clock: Clock::default(),
            started: None,
            first_upstream_data: None,
            control: None,
            waker: None,
        }
    }

    /// Passes on only what `allowance` covers. Without it nothing is counted, and that costs nothing.
    ///
    /// A side whose next frame is not covered is not read any further; what was read already waits (at most what
    /// one read takes, 256 KiB). Its Ping, Pong and Close frames wait with the data before them, else they pass.
    /// What the other side sends, if it does not count, passes all the time.
    #[must_use]
    pub fn metered(mut self, allowance: Allowance) -> Self {
        self.up.allowance = Some(allowance.clone()).filter(|allowance| allowance.concerns(Side::Agent));
        self.down.allowance = Some(allowance).filter(|allowance| allowance.concerns(Side::Upstream));
        self
    }

    /// Takes the agent's control messages out of its byte stream and puts them into `inbox`; the upstream never
    /// sees them, and they are not counted.
    ///
    /// A control message is a text message in one frame, of at most 16 KiB, whose payload begins with exactly
    /// `{"type":"x402/`. A message that begins so but is fragmented, longer, or not UTF-8 is taken out whole and
    /// reported as malformed; so is a fragmented text message whose first fragment is a shorter piece of that
    /// beginning. Of all other messages at most the first 14 bytes of text are looked at, and every byte passes
    /// unchanged. Compression would hide the beginning, so a frame with a reserved bit set is a violation (1002):
    /// no extension may be agreed on.
    #[must_use]
    pub fn intercept(mut self, inbox: Inbox) -> Self {
        self.up.interceptor = Some(Box::new(Interceptor::new(inbox)));
        self
    }

    /// Pumps until both connections have ended; [`Control::close`] on a clone of `control` ends it early.
    /// Dropping the future cuts both connections.
    pub fn run(mut self, control: Control) -> impl Future<Output = Report> {
        self.control = Some(control);
        poll_fn(move |cx| self.poll(cx))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Report> {
        let started = *self.started.get_or_insert_with(Instant::now);
        self.heed(cx);
        loop {
            let more = buffer::lend(|buffer| (0..TURNS_MAX).all(|_| self.turn(cx, buffer, started)));
            if more {
                cx.waker().wake_by_ref();
            }
            if self.is_over() {
                return Poll::Ready(self.report(started));
            }
            match self.clock.poll(cx, started, &self.limits, &self.ending, [&self.up, &self.down]) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Due::Nothing) => {}
                Poll::Ready(Due::Boundary) => self.ending.any_frame_will_do(),
                Poll::Ready(Due::Stalled(side)) => self.on_stall(side),
                Poll::Ready(Due::Idle) => self.on_idle(),
                Poll::Ready(Due::End) => return Poll::Ready(self.report(started)),
            }
        }
    }

    /// Moves both lanes once; whether anything changed.
    #[inline]
    fn turn(&mut self, cx: &mut Context<'_>, buffer: &mut [u8], started: Instant) -> bool {
        let until = self.ending.until();
        if until != Until::Drained && self.down.has_place_for_close(until) {
            self.on_boundary();
        }
        let say = self.control.as_ref().filter(|control| control.has_said());
        let order = Order { until, say, limits: &self.limits };
        let down = self.down.turn(cx, (&mut self.upstream, &mut self.agent), buffer, order);
        if self.first_upstream_data.is_none() && self.down.data_frames() > 0 {
            self.first_upstream_data = Some(started.elapsed());
        }
        if let Turn::Event(event) = down {
            self.on_downward(event);
        }
        let order = Order { until: Until::Drained, say: None, limits: &self.limits };
        let up = self.up.turn(cx, (&mut self.agent, &mut self.upstream), buffer, order);
        if let Turn::Event(event) = up {
            self.on_upward(event);
        }
        if self.up.input_over() && self.down.input_over() {
            self.up.outlet.finish();
            self.down.outlet.finish();
        }
        down != Turn::Idle || up != Turn::Idle
    }

    /// Takes up a request to close, and sees to being woken from outside.
    #[inline]
    fn heed(&mut self, cx: &mut Context<'_>) {
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.register(cx.waker());
        }
        if let Some(control) = &self.control
            && control.is_closing()
            && let Some(close) = control.take()
        {
            self.on_request(close);
        }
    }

    fn register(&mut self, waker: &Waker) {
        self.waker = Some(waker.clone());
        if let Some(control) = &self.control {
            control.register(waker);
        }
        for allowance in [&self.up.allowance, &self.down.allowance].into_iter().flatten() {
            allowance.register(waker);
        }
    }

    fn is_over(&self) -> bool {
        self.up.is_over() && self.down.is_over()
    }

    fn report(&self, started: Instant) -> Report {
        self.hush();
        // Nothing but an upstream that takes no bytes leads here without a cause.
        let end = self.ending.cause().unwrap_or(End::Gone(Side::Upstream));
        let agent_reads = end != End::Gone(Side::Agent) && !self.down.outlet.has_unsent();
        Report {
            end,
            from_agent: self.up.traffic(),
            from_upstream: self.down.traffic(),
            agent_got: self.ending.agent_got().filter(|_| agent_reads),
            first_upstream_data: self.first_upstream_data,
            ended_after: self.ending.since().map_or_else(|| started.elapsed(), |since| since - started),
            lasted: started.elapsed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The state of an idle stream: sockets, scanners, no buffer. With two sockets' registrations and the task
    /// it must stay far below the 4.5 KiB that HAProxy holds per connection.
    #[test]
    fn an_idle_stream_is_small() {
        let run = |pump: Pump| pump.run(Control::new());
        let size = size_of_output(&run);
        assert!(size <= 1024, "{size} bytes");
    }

    const fn size_of_output<F: Future>(_: &impl FnOnce(Pump) -> F) -> usize {
        size_of::<F>()
    }
}
