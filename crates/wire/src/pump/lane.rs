//! One direction of a stream: read, judge, write; keep only what the writer would not take, and what may not pass yet.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::buffer::{READ_BYTES, READ_BYTES_MAX};
use super::held::Held;
use super::intercept::{Cut, Interceptor};
use super::outlet::Outlet;
use super::pace::Pace;
use super::turn::{Event, Order, Turn};
use crate::{Allowance, CloseFrame, FrameScanner, Limits, Scan, Side, Stop, Traffic, Until, Violation};

/// From one side's socket to the other's.
#[derive(Debug)]
pub(super) struct Lane {
    sender: Side,
    scanner: FrameScanner,
    pub(super) outlet: Outlet,
    /// Bytes that were read but not judged yet: before the pump began, or behind a frame that is not paid for, a
    /// place where something is to be said, or a message that was taken out. At most what one read takes.
    ahead: Bytes,
    held: Held,
    /// How much the next read takes at most.
    window: usize,
    flow: Flow,
    pace: Pace,
    /// Whether the receiver has been given a Close frame, the sender's or ours.
    said_close: bool,
    /// Whether the sender's next frame is not paid for.
    uncovered: bool,
    /// What had been passed on when that stopped; until then the scanner's own count is it.
    stopped: Option<Box<Stopped>>,
    /// What the sender's frames are paid with, if they are.
    pub(super) allowance: Option<Allowance>,
    /// Who takes the sender's messages to us out of its bytes.
    pub(super) interceptor: Option<Box<Interceptor>>,
}

/// The state of a lane at the moment it stopped passing on.
#[derive(Debug)]
struct Stopped {
    traffic: Traffic,
    /// Whether the last byte passed on was the last of a frame.
    between_frames: bool,
    /// Whether it was the last of a message.
    between_messages: bool,
}

/// What becomes of a lane's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// It is passed on.
    Open,
    /// It is read and thrown away, in search of the Close frame: unread input would turn our own close into a
    /// reset, and a reset destroys a close frame that is still on its way.
    Discard,
    /// The same, but frames can no longer be told apart: only the end of the connection ends it.
    Deaf,
    /// There is no more.
    Ended,
}

impl Lane {
    pub(super) fn new(sender: Side, ahead: Bytes, limits: &Limits) -> Self {
        Self {
            sender,
            scanner: FrameScanner::new(sender, limits),
            outlet: Outlet::default(),
            // Empty bytes can still hold on to the buffer they were cut from.
            ahead: if ahead.is_empty() { Bytes::new() } else { ahead },
            held: Held::default(),
            window: READ_BYTES,
            flow: Flow::Open,
            pace: Pace::default(),
            said_close: false,
            uncovered: false,
            stopped: None,
            allowance: None,
            interceptor: None,
        }
    }

    /// Moves one buffer of bytes, if the sockets are ready for it.
    #[inline]
    pub(super) fn turn<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        (from, to): (&mut R, &mut W),
        buffer: &mut [u8],
        mut order: Order<'_>,
    ) -> Turn
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut drained = self.outlet.drain(cx, to);
        if let (Poll::Ready(Ok(())), Some(control)) = (&drained, order.say)
            && self.has_place(Until::Message)
        {
            // Only now, so that what waits to be said waits in its own bounds.
            self.outlet.push(&control.take_said());
            order.say = None;
            drained = self.outlet.drain(cx, to);
        }
        match drained {
            Poll::Ready(Err(_)) => {
                self.stop();
                return Turn::Event(Event::Refused);
            }
            // Backpressure: while the receiver takes nothing, the sender's bytes stay in the kernel.
            Poll::Pending if self.flow == Flow::Open => return Turn::Idle,
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        if self.flow == Flow::Ended || self.must_wait(cx, order.until) {
            return Turn::Idle;
        }
        if !self.ahead.is_empty() {
            let mut ahead = mem::take(&mut self.ahead);
            let (turn, left) = self.take_in(cx, &ahead, to, order);
            if left > 0 {
                self.ahead = ahead.split_off(ahead.len() - left);
            }
            return turn;
        }
        let held = self.held.restore(buffer);
        let mut room = ReadBuf::new(buffer.get_mut(held..held + self.window).unwrap_or_default());
        let read = match Pin::new(from).poll_read(cx, &mut room) {
            Poll::Pending => return Turn::Idle,
            Poll::Ready(Ok(())) => room.filled().len(),
            Poll::Ready(Err(_)) => 0,
        };
        if read == 0 {
            let closed = self.has_closed();
            self.stop();
            self.flow = Flow::Ended;
            return if closed { Turn::Moved } else { Turn::Event(Event::Ended) };
        }
        let bytes = buffer.get(..held + read).unwrap_or_default();
        let (turn, left) = self.take_in(cx, bytes, to, order);
        if left > 0 {
            self.ahead = Bytes::copy_from_slice(bytes.get(bytes.len() - left..).unwrap_or_default());
        }
        if self.outlet.has_unsent() {
            self.window = READ_BYTES;
        } else if read == self.window {
            self.window = (2 * self.window).min(READ_BYTES_MAX);
        }
        turn
    }

    /// Whether input has to wait for somebody outside: for room in the inbox, or for time to be paid for.
    #[inline]
    fn must_wait(&mut self, cx: &mut Context<'_>, until: Until) -> bool {
        if self.flow != Flow::Open {
            return false;
        }
        if let Some(interceptor) = &mut self.interceptor
            && !interceptor.deliver(cx)
        {
            return true;
        }
        // A close that waits for the end of the frame must get there.
        until == Until::Drained
            && !self.scanner.at_frame_boundary()
            && self.allowance.as_ref().is_some_and(|allowance| allowance.pauses(self.sender))
    }

    /// Judges `bytes` and passes on what may be. Says also how many bytes at the end have to come again.
    #[inline]
    fn take_in<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        to: &mut W,
        order: Order<'_>,
    ) -> (Turn, usize) {
        if self.interceptor.is_some() && self.flow != Flow::Deaf {
            self.take_apart(cx, bytes, to, order)
        } else {
            self.pass_on(cx, bytes, to, order)
        }
    }

    /// The same, without the messages that are for us.
    fn take_apart<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        to: &mut W,
        order: Order<'_>,
    ) -> (Turn, usize) {
        let cut = self.interceptor.as_mut().map(|it| it.cut(&mut self.scanner, bytes));
        match cut.unwrap_or(Cut::Pass(bytes.len())) {
            Cut::Pass(len) => {
                let (passing, rest) = bytes.split_at(len.min(bytes.len()));
                let (turn, left) = self.pass_on(cx, passing, to, order);
                (turn, left + rest.len())
            }
            Cut::Taken(len) => {
                self.held.keep(&[]);
                (self.paced(order.limits), bytes.len().saturating_sub(len))
            }
            Cut::Undecided => {
                self.held.keep(bytes);
                (Turn::Moved, 0)
            }
            Cut::Violation(violation) => (self.violated(violation), 0),
        }
    }

    /// Judges bytes that are for the receiver.
    #[inline]
    fn pass_on<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        to: &mut W,
        order: Order<'_>,
    ) -> (Turn, usize) {
        if self.flow != Flow::Open {
            self.discard(bytes);
            return (Turn::Moved, 0);
        }
        let scan = self.scan(bytes, order);
        let (passed, rest) = bytes.split_at(scan.passed);
        let refused = self.outlet.write(cx, to, passed).is_err();
        if refused {
            self.stop();
        }
        let turn = match scan.stop {
            Stop::Close => {
                self.said_close = true;
                self.stop();
                Turn::Event(Event::Closed)
            }
            _ if refused => {
                self.held.keep(&[]);
                return (Turn::Event(Event::Refused), rest.len());
            }
            Stop::Boundary | Stop::Uncovered if order.until != Until::Drained => {
                self.stop();
                self.discard(rest);
                Turn::Event(Event::Boundary)
            }
            Stop::Boundary | Stop::Uncovered => {
                self.held.keep(&[]);
                self.uncovered = scan.stop == Stop::Uncovered;
                let waits = self.uncovered && passed.is_empty();
                return (if waits { Turn::Idle } else { Turn::Moved }, rest.len());
            }
            Stop::Violation(violation) => self.violated(violation),
            Stop::Drained => {
                self.held.keep(rest);
                self.paced(order.limits)
            }
        };
        (turn, 0)
    }

    /// Scans as far as what is read may be passed on.
    #[inline]
    fn scan(&mut self, bytes: &[u8], order: Order<'_>) -> Scan {
        let until = match order.until {
            Until::Drained if order.say.is_some() => Until::Message,
            until => until,
        };
        match &self.allowance {
            None => self.scanner.scan(bytes, until),
            Some(allowance) => {
                self.uncovered = false;
                allowance.scan(self.sender, &mut self.scanner, bytes, until)
            }
        }
    }

    /// The sender broke a rule: from here frames cannot be told apart.
    fn violated(&mut self, violation: Violation) -> Turn {
        let open = self.flow == Flow::Open;
        self.stop();
        self.flow = Flow::Deaf;
        if open { Turn::Event(Event::Violation(violation)) } else { Turn::Moved }
    }

    /// Bytes have been taken in; whether they had too many frames without data among them.
    #[inline]
    fn paced(&mut self, limits: &Limits) -> Turn {
        let flood = self.pace.exceeds(self.scanner.idle_frames(), limits.control_frames_per_sec);
        if flood && self.flow == Flow::Open { Turn::Event(Event::Flood) } else { Turn::Moved }
    }

    /// Looks for the sender's Close frame in bytes that are not passed on.
    fn discard(&mut self, bytes: &[u8]) {
        if self.flow == Flow::Deaf {
            return;
        }
        let scan = self.scanner.scan(bytes, Until::Drained);
        match scan.stop {
            Stop::Violation(_) => self.flow = Flow::Deaf,
            Stop::Drained => self.held.keep(bytes.get(scan.passed..).unwrap_or_default()),
            Stop::Close | Stop::Boundary | Stop::Uncovered => {}
        }
    }

    /// Passes on nothing more; input is discarded from here.
    pub(super) fn stop(&mut self) {
        if self.stopped.is_none() {
            let traffic = *self.scanner.traffic();
            let between_frames = self.scanner.at_frame_boundary();
            let between_messages = self.scanner.at_message_boundary();
            self.stopped = Some(Box::new(Stopped { traffic, between_frames, between_messages }));
            if let Some(allowance) = &self.allowance {
                allowance.forget(self.sender);
            }
        }
        if self.flow == Flow::Open {
            self.flow = Flow::Discard;
        }
    }

    /// Stops, with `close` as the last words to the receiver, behind `said` where a message ends. False if they
    /// cannot be said: the receiver has had a Close already, is gone, or got a frame that ends in the middle,
    /// which only the end of the connection can follow.
    pub(super) fn conclude(&mut self, said: &[u8], close: &CloseFrame) -> bool {
        self.stop();
        if self.said_close {
            return false;
        }
        if let Some(stopped) = self.stopped.as_deref().filter(|stopped| stopped.between_frames)
            && !self.outlet.is_broken()
        {
            self.said_close = true;
            if stopped.between_messages {
                self.outlet.push(said);
            }
            self.outlet.push(close.as_bytes());
            return true;
        }
        self.outlet.finish();
        false
    }

    /// Whether a Close that waits for this kind of boundary has its place right behind what was passed on: it does
    /// too where the next frame is not paid for, because no later place will come.
    #[inline]
    pub(super) fn has_place_for_close(&self, until: Until) -> bool {
        self.scanner.at(until) || (self.uncovered && self.flow == Flow::Open)
    }

    /// Whether something of ours can stand right behind what was passed on.
    fn has_place(&self, until: Until) -> bool {
        self.flow == Flow::Open && self.scanner.at(until)
    }

    /// Whether the sender has sent its Close frame, passed on or discarded.
    pub(super) fn has_closed(&self) -> bool {
        self.scanner.traffic().close_code.is_some()
    }

    /// Whether nothing more is expected from the sender.
    pub(super) fn input_over(&self) -> bool {
        self.flow == Flow::Ended || self.has_closed()
    }

    /// Whether both of the lane's ends have ended.
    pub(super) fn is_over(&self) -> bool {
        self.input_over() && self.outlet.is_over()
    }

    /// Wire bytes so far, passed on or discarded.
    pub(super) fn bytes(&self) -> u64 {
        self.scanner.traffic().bytes
    }

    /// Data frames begun so far.
    pub(super) fn data_frames(&self) -> u64 {
        self.scanner.traffic().data_frames
    }

    /// What was passed on, and the sender's close code wherever it was seen.
    pub(super) fn traffic(&self) -> Traffic {
        let seen = *self.scanner.traffic();
        self.stopped
            .as_deref()
            .map_or(seen, |stopped| Traffic { close_code: seen.close_code, ..stopped.traffic })
    }
}
