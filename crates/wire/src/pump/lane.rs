//! One direction of a stream: read, judge, write; keep only what the writer would not take.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::buffer::{READ_BYTES, READ_BYTES_MAX};
use super::held::Held;
use super::outlet::Outlet;
use super::pace::Pace;
use crate::{CloseFrame, FrameScanner, Limits, Side, Stop, Traffic, Until, Violation};

/// From one side's socket to the other's.
#[derive(Debug)]
pub(super) struct Lane {
    scanner: FrameScanner,
    pub(super) outlet: Outlet,
    /// Bytes read before the pump began.
    ahead: Bytes,
    held: Held,
    /// How much the next read takes at most.
    window: usize,
    flow: Flow,
    pace: Pace,
    /// Whether the receiver has been given a Close frame, the sender's or ours.
    said_close: bool,
    /// What had been passed on when that stopped; until then the scanner's own count is it.
    stopped: Option<Box<Stopped>>,
}

/// The state of a lane at the moment it stopped passing on.
#[derive(Debug)]
struct Stopped {
    traffic: Traffic,
    /// Whether the last byte passed on was the last of a frame.
    between_frames: bool,
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

/// What came of a lane's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing can be done until a socket is ready.
    Idle,
    /// Bytes moved.
    Moved,
    /// Something the other lane must hear of.
    Event(Event),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The sender's Close frame has been passed on.
    Closed,
    /// The sender's connection has ended or broken without one.
    Ended,
    /// The receiver's connection takes nothing any more.
    Refused,
    /// The boundary asked for is reached, and nothing beyond it was passed on.
    Boundary,
    /// The sender's next frame is not allowed, and nothing of it was passed on.
    Violation(Violation),
    /// The sender sends too many control frames.
    Flood,
}

impl Lane {
    pub(super) fn new(sender: Side, ahead: Bytes, limits: &Limits) -> Self {
        Self {
            scanner: FrameScanner::new(sender, limits),
            outlet: Outlet::default(),
            // Empty bytes can still hold on to the buffer they were cut from.
            ahead: if ahead.is_empty() { Bytes::new() } else { ahead },
            held: Held::default(),
            window: READ_BYTES,
            flow: Flow::Open,
            pace: Pace::default(),
            said_close: false,
            stopped: None,
        }
    }

    /// Moves one buffer of bytes, if the sockets are ready for it.
    #[inline]
    pub(super) fn turn<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        (from, to): (&mut R, &mut W),
        buffer: &mut [u8],
        (until, limits): (Until, &Limits),
    ) -> Turn
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        match self.outlet.drain(cx, to) {
            Poll::Ready(Err(_)) => {
                self.stop();
                return Turn::Event(Event::Refused);
            }
            // Backpressure: while the receiver takes nothing, the sender's bytes stay in the kernel.
            Poll::Pending if self.flow == Flow::Open => return Turn::Idle,
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        if self.flow == Flow::Ended {
            return Turn::Idle;
        }
        if !self.ahead.is_empty() {
            let ahead = mem::take(&mut self.ahead);
            return self.take_in(cx, &ahead, to, (until, limits));
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
        let turn = self.take_in(cx, buffer.get(..held + read).unwrap_or_default(), to, (until, limits));
        if self.outlet.has_unsent() {
            self.window = READ_BYTES;
        } else if read == self.window {
            self.window = (2 * self.window).min(READ_BYTES_MAX);
        }
        turn
    }

    /// Judges `bytes` and passes on what may be.
    #[inline]
    fn take_in<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        to: &mut W,
        (until, limits): (Until, &Limits),
    ) -> Turn {
        if self.flow != Flow::Open {
            self.discard(bytes);
            return Turn::Moved;
        }
        let scan = self.scanner.scan(bytes, until);
        let (passed, rest) = bytes.split_at(scan.passed);
        let refused = self.outlet.write(cx, to, passed).is_err();
        if refused {
            self.stop();
        }
        match scan.stop {
            Stop::Close => {
                self.said_close = true;
                self.stop();
                Turn::Event(Event::Closed)
            }
            _ if refused => Turn::Event(Event::Refused),
            Stop::Boundary => {
                self.stop();
                self.discard(rest);
                Turn::Event(Event::Boundary)
            }
            Stop::Violation(violation) => {
                self.stop();
                self.flow = Flow::Deaf;
                Turn::Event(Event::Violation(violation))
            }
            Stop::Drained => {
                self.held.keep(rest);
                if self.pace.exceeds(self.scanner.idle_frames(), limits.control_frames_per_sec) {
                    return Turn::Event(Event::Flood);
                }
                Turn::Moved
            }
        }
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
            Stop::Close | Stop::Boundary => {}
        }
    }

    /// Passes on nothing more; input is discarded from here.
    pub(super) fn stop(&mut self) {
        if self.stopped.is_none() {
            let traffic = *self.scanner.traffic();
            let between_frames = self.scanner.at_frame_boundary();
            self.stopped = Some(Box::new(Stopped { traffic, between_frames }));
        }
        if self.flow == Flow::Open {
            self.flow = Flow::Discard;
        }
    }

    /// Stops, with `close` as the last words to the receiver. False if they cannot be said: the receiver has
    /// had a Close already, is gone, or got a frame that ends in the middle, which only the end of the
    /// connection can follow.
    pub(super) fn conclude(&mut self, close: &CloseFrame) -> bool {
        self.stop();
        if self.said_close {
            return false;
        }
        if self.stopped.as_ref().is_some_and(|stopped| stopped.between_frames) && !self.outlet.is_broken() {
            self.said_close = true;
            self.outlet.push(close.as_bytes());
            return true;
        }
        self.outlet.finish();
        false
    }

    /// Whether what was passed on so far ends at this kind of boundary.
    pub(super) fn at(&self, until: Until) -> bool {
        match until {
            Until::Drained | Until::Close => false,
            Until::Frame => self.scanner.at_frame_boundary(),
            Until::Message => self.scanner.at_message_boundary(),
        }
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
