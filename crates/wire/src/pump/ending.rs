//! What each side is told when a stream ends, and when.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tollwire_x402::close::CloseCode;

use super::Pump;
use super::turn::Event;
use crate::{Close, CloseFrame, Control, End, Side, Until, Violation};

/// How far the end of a stream is.
#[derive(Debug, Default)]
pub(super) struct Ending {
    cause: Option<End>,
    /// When it did.
    since: Option<Instant>,
    /// A Close of ours that waits for its place between the upstream's frames.
    pending: Option<Box<Pending>>,
    /// The code of the Close frame the agent was given.
    agent_got: Option<u16>,
    /// When waiting for last words ends.
    deadline: Option<Instant>,
}

#[derive(Debug)]
struct Pending {
    close: Close,
    until: Until,
    /// When the end of any frame is good enough.
    grace: Instant,
}

impl Ending {
    /// What ended the stream first.
    pub(super) const fn cause(&self) -> Option<End> {
        self.cause
    }

    /// When the stream's end began.
    pub(super) const fn since(&self) -> Option<Instant> {
        self.since
    }

    /// The code of the Close frame the agent was given.
    pub(super) const fn agent_got(&self) -> Option<u16> {
        self.agent_got
    }

    /// When everything ends, whatever is still open.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// When a waiting Close stops waiting for the end of the message.
    pub(super) fn grace(&self) -> Option<Instant> {
        self.pending.as_deref().filter(|pending| pending.until != Until::Frame).map(|pending| pending.grace)
    }

    /// Where the upstream's bytes should stop being passed on.
    #[inline]
    pub(super) fn until(&self) -> Until {
        self.pending.as_deref().map_or(Until::Drained, |pending| pending.until)
    }

    /// The grace is over.
    pub(super) fn any_frame_will_do(&mut self) {
        if let Some(pending) = &mut self.pending {
            pending.until = Until::Frame;
        }
    }
}

impl<A, U> Pump<A, U>
where
    A: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    /// Something happened on the way from the upstream to the agent.
    pub(super) fn on_downward(&mut self, event: Event) {
        match event {
            Event::Closed => {
                self.begin(End::Closed(Side::Upstream));
                self.ending.pending = None;
                self.ending.agent_got = self.down.traffic().close_code;
                self.hush();
            }
            Event::Boundary => self.on_boundary(),
            Event::Violation(violation) => {
                self.begin(End::Violated(Side::Upstream, violation));
                self.tell_upstream(&Close::from(violation.close_code()));
                self.tell_agent(&upstream_violated(violation));
            }
            Event::Flood => {
                self.begin(End::Flooded(Side::Upstream));
                self.tell_upstream(&Close::from(CloseCode::PolicyViolation));
                self.schedule(Until::Frame, upstream_failed("Upstream sent too many control frames."));
            }
            Event::Ended => {
                self.begin(End::Gone(Side::Upstream));
                self.up.stop();
                self.up.outlet.finish();
                match self.ending.pending.take() {
                    Some(pending) => self.tell_agent(&pending.close),
                    // A close that the upstream did not answer is not for us to answer either.
                    None if self.up.has_closed() => {
                        self.down.stop();
                        self.down.outlet.finish();
                    }
                    None => self.tell_agent(&upstream_failed("Upstream ended without a close frame.")),
                }
            }
            Event::Refused => {
                self.begin(End::Gone(Side::Agent));
                self.tell_upstream(&Close::from(CloseCode::GoingAway));
                self.hush();
            }
        }
    }

    /// Something happened on the way from the agent to the upstream.
    pub(super) fn on_upward(&mut self, event: Event) {
        match event {
            Event::Closed => self.begin(End::Closed(Side::Agent)),
            Event::Violation(violation) => {
                self.begin(End::Violated(Side::Agent, violation));
                self.tell_upstream(&Close::from(CloseCode::Normal));
                // The upstream's answers to what came before the bad frame still count.
                self.schedule(Until::Close, Close::new(violation.close_code().code(), violation.to_string()));
            }
            Event::Flood => {
                self.begin(End::Flooded(Side::Agent));
                self.tell_upstream(&Close::from(CloseCode::Normal));
                self.schedule(
                    Until::Close,
                    Close::new(CloseCode::PolicyViolation.code(), "Too many control frames."),
                );
            }
            Event::Ended => {
                self.begin(End::Gone(Side::Agent));
                self.tell_upstream(&Close::from(CloseCode::GoingAway));
            }
            // The upstream may have said why, or at least its connection's end will come: read on.
            Event::Refused => self.limit_wait(),
            Event::Boundary => {}
        }
    }

    /// The caller wants the stream to end.
    pub(super) fn on_request(&mut self, close: Close) {
        if self.ending.cause.is_none() {
            self.ending.cause = Some(End::Requested);
            self.ending.since = Some(Instant::now());
            self.schedule(Until::Message, close);
        }
    }

    /// `side` has taken no bytes for too long.
    pub(super) fn on_stall(&mut self, side: Side) {
        self.begin(End::Stalled(side));
        let close = match side {
            Side::Agent => Close::from(CloseCode::SlowConsumer),
            Side::Upstream => Close::new(CloseCode::SlowConsumer.code(), "Upstream is reading too slowly."),
        };
        self.tell_upstream(&Close::from(CloseCode::SlowConsumer));
        if side == Side::Agent {
            // Nothing gets through now; the Close stands at the end of what waits, if a frame ends there.
            self.tell_agent(&close);
        } else {
            self.schedule(Until::Message, close);
        }
    }

    /// Nothing has come from either side for too long.
    pub(super) fn on_idle(&mut self) {
        self.begin(End::Idle);
        self.tell_upstream(&Close::from(CloseCode::Normal));
        self.schedule(Until::Message, Close::new(CloseCode::GoingAway.code(), "Idle for too long."));
    }

    /// The upstream's bytes stand where a waiting Close has its place.
    pub(super) fn on_boundary(&mut self) {
        if let Some(pending) = self.ending.pending.take() {
            self.tell_upstream(&Close::from(CloseCode::Normal));
            self.tell_agent(&pending.close);
            // From here it is the peers' turn to end.
            self.ending.deadline = Some(Instant::now() + self.limits.close_wait);
        }
    }

    /// Notes what ended the stream, and that its last words have begun.
    fn begin(&mut self, cause: End) {
        self.ending.cause.get_or_insert(cause);
        self.ending.since.get_or_insert_with(Instant::now);
        self.limit_wait();
    }

    fn limit_wait(&mut self) {
        self.ending.deadline.get_or_insert_with(|| Instant::now() + self.limits.close_wait);
    }

    /// Gives the agent `close` as soon as the upstream's bytes come to `until`, or to the end of any frame when
    /// the grace is over. The first close that waits stands.
    fn schedule(&mut self, until: Until, close: Close) {
        if self.ending.agent_got.is_some() || self.ending.pending.is_some() {
            return;
        }
        let grace = Instant::now() + self.limits.close_grace;
        self.ending.pending = Some(Box::new(Pending { close, until, grace }));
        self.ending.deadline = Some(grace + self.limits.close_wait);
    }

    /// Ends the way to the agent with `close`, and half-closes it.
    fn tell_agent(&mut self, close: &Close) {
        let said = self.control.as_ref().filter(|control| control.has_said()).map(Control::take_said);
        if self.down.conclude(&said.unwrap_or_default(), &CloseFrame::unmasked(close)) {
            self.ending.agent_got = Some(close.code());
        }
        self.down.outlet.finish();
        self.hush();
    }

    /// Nothing of our own reaches the agent any more.
    pub(super) fn hush(&self) {
        if let Some(control) = &self.control {
            control.hush();
        }
    }

    /// Ends the way to the upstream with `close`, masked as a client must.
    fn tell_upstream(&mut self, close: &Close) {
        // The key hides nothing here, since `close` is our own text; without randomness zeros are as good.
        let key = getrandom::u32().unwrap_or_default().to_ne_bytes();
        self.up.conclude(&[], &CloseFrame::masked(close, key));
    }
}

fn upstream_failed(reason: &'static str) -> Close {
    Close::new(CloseCode::Internal.code(), reason)
}

/// What the agent is told when the upstream broke a rule: not 1002, which would blame the agent.
fn upstream_violated(violation: Violation) -> Close {
    match violation.close_code() {
        CloseCode::TooBig => CloseCode::TooBig.into(),
        _ => upstream_failed("Upstream broke the WebSocket protocol."),
    }
}
