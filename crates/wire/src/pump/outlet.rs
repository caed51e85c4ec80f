//! The writing end of a lane: what the receiver did not take yet, and the end of the connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;
use tokio::time::Instant;

/// Bytes on their way to one receiver.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    /// What the receiver would not take, from `sent` on. Empty, and without memory of its own, while it keeps up.
    spill: Vec<u8>,
    sent: usize,
    /// Since when the receiver has taken nothing although something waits.
    blocked: Option<Instant>,
    /// Whether a TLS session may still hold written bytes.
    unflushed: bool,
    end: End,
}

/// How far the end of an outlet's connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum End {
    /// More may come.
    #[default]
    Open,
    /// Half-close once everything has been taken.
    Wanted,
    /// Half-closed.
    Done,
    /// The receiver is gone.
    Broken,
}

impl Outlet {
    /// Gives the receiver what waits for it. Pending: it would not take all of it.
    #[inline]
    pub(super) fn drain<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut W,
    ) -> Poll<io::Result<()>> {
        if (self.spill.is_empty() && !self.unflushed && self.end != End::Wanted) || self.is_broken() {
            return Poll::Ready(Ok(()));
        }
        let drained = self.drain_slow(cx, to);
        match drained {
            Poll::Pending => self.blocked = self.blocked.or_else(|| Some(Instant::now())),
            Poll::Ready(Ok(())) => self.blocked = None,
            Poll::Ready(Err(_)) => self.give_up(),
        }
        drained
    }

    fn drain_slow<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut W,
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = self.spill.get(self.sent..).filter(|rest| !rest.is_empty()) {
            let taken = ready!(poll_write(cx, to, rest))?;
            self.sent += taken;
            self.blocked = None;
        }
        // Not `clear`: an idle stream keeps no buffer.
        self.spill = Vec::new();
        self.sent = 0;
        if self.unflushed {
            ready!(Pin::new(&mut *to).poll_flush(cx))?;
            self.unflushed = false;
        }
        if self.end == End::Wanted {
            ready!(Pin::new(to).poll_shutdown(cx))?;
            self.end = End::Done;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes `bytes`, and keeps what the receiver does not take. Only for an outlet that has drained.
    #[inline]
    pub(super) fn write<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut W,
        bytes: &[u8],
    ) -> io::Result<()> {
        debug_assert!(self.spill.is_empty(), "a lane reads only when its outlet has drained");
        let mut rest = bytes;
        while !rest.is_empty() {
            match poll_write(cx, to, rest) {
                Poll::Ready(Ok(taken)) => rest = rest.get(taken..).unwrap_or_default(),
                Poll::Ready(Err(error)) => {
                    self.give_up();
                    return Err(error);
                }
                Poll::Pending => {
                    self.spill.extend_from_slice(rest);
                    self.blocked = Some(Instant::now());
                    return Ok(());
                }
            }
        }
        match Pin::new(to).poll_flush(cx) {
            Poll::Ready(Ok(())) => Ok(()),
            Poll::Ready(Err(error)) => {
                self.give_up();
                Err(error)
            }
            Poll::Pending => {
                self.unflushed = true;
                self.blocked = Some(Instant::now());
                Ok(())
            }
        }
    }

    /// Queues `bytes` of our own behind what waits.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.end == End::Open {
            self.spill.extend_from_slice(bytes);
            self.unflushed = true;
        }
    }

    /// Half-closes once everything has been taken.
    pub(super) fn finish(&mut self) {
        if self.end == End::Open {
            self.end = End::Wanted;
        }
    }

    /// Since when the receiver has taken nothing although something waits.
    pub(super) const fn blocked_since(&self) -> Option<Instant> {
        self.blocked
    }

    /// Whether the receiver is gone.
    pub(super) fn is_broken(&self) -> bool {
        self.end == End::Broken
    }

    /// Whether the connection's writing half has ended, one way or the other.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.end, End::Done | End::Broken)
    }

    /// Whether the receiver has not taken everything it was sent.
    pub(super) fn has_unsent(&self) -> bool {
        !self.spill.is_empty() || self.unflushed
    }

    fn give_up(&mut self) {
        // The lost bytes stay counted as unsent.
        self.unflushed = true;
        self.spill = Vec::new();
        self.sent = 0;
        self.blocked = None;
        self.end = End::Broken;
    }
}

/// A write that takes at least one byte.
#[inline]
fn poll_write<W: AsyncWrite + Unpin>(
    cx: &mut Context<'_>,
    to: &mut W,
    bytes: &[u8],
) -> Poll<io::Result<usize>> {
    match ready!(Pin::new(to).poll_write(cx, bytes)) {
        Ok(0) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        taken => Poll::Ready(taken),
    }
}
