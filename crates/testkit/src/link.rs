//! A TCP link between two parts that can be made bad: slow, narrow, stuck, cut, reset, half-closed.

use crate::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Which way bytes flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From whoever connected to the target.
    ToTarget,
    /// From the target back.
    FromTarget,
}

/// How bad the link is now. The default is a good link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// Every chunk waits this long before it goes on.
    pub delay: Duration,
    /// The most bytes per second, each way.
    pub bytes_per_second: Option<u64>,
    /// The connection is dropped after this many bytes went this way.
    pub drop_after: Option<(Direction, u64)>,
    /// Nothing goes on any more, yet nothing is closed.
    pub stuck: bool,
    /// New connections are closed at once.
    pub refuse: bool,
}

/// What is done to every open connection, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    Cut,
    Reset,
    HalfClose(Direction),
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    faults: Faults,
    blow: Option<Blow>,
    blows: u64,
}

/// A forwarder on 127.0.0.1; dropping it closes everything.
#[derive(Debug)]
pub struct FaultLink {
    address: SocketAddr,
    state: watch::Sender<State>,
    _forwarder: JoinSet<()>,
}

impl FaultLink {
    /// Forwards a free port to `target`, well at first.
    pub async fn start(target: SocketAddr) -> Result<Self, Error> {
        let what = "opening a fault link";
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::io(what))?;
        let address = listener.local_addr().map_err(Error::io(what))?;
        let (state, seen) = watch::channel(State::default());
        let mut forwarder = JoinSet::new();
        forwarder.spawn(accept(listener, target, seen));
        Ok(Self { address, state, _forwarder: forwarder })
    }

    /// Where to connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes how bad the link is, for open connections and new ones.
    pub fn set(&self, faults: Faults) {
        self.state.send_modify(|state| state.faults = faults);
    }

    /// Closes every open connection, both ways.
    pub fn cut(&self) {
        self.strike(Blow::Cut);
    }

    /// Resets every open connection (TCP RST) on both sides.
    pub fn reset(&self) {
        self.strike(Blow::Reset);
    }

    /// Ends one direction of every open connection (TCP FIN); the other goes on.
    pub fn half_close(&self, direction: Direction) {
        self.strike(Blow::HalfClose(direction));
    }

    fn strike(&self, blow: Blow) {
        self.state.send_modify(|state| {
            state.blow = Some(blow);
            state.blows = state.blows.wrapping_add(1);
        });
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, state: watch::Receiver<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((near, _)) = accepted else { continue };
                let now = *state.borrow();
                if !now.faults.refuse {
                    connections.spawn(connect(near, target, state.clone(), now.blows));
                }
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// Carries one connection. `blows` is how many had been struck when it was accepted: those missed it.
async fn connect(mut near: TcpStream, target: SocketAddr, state: watch::Receiver<State>, blows: u64) {
    let Ok(mut far) = TcpStream::connect(target).await else { return };
    // Borrowed halves, because owned ones send a FIN when dropped, which would come before a reset.
    let ((from_near, to_near), (from_far, to_far)) = (near.split(), far.split());
    let mut up = Lane { direction: Direction::ToTarget, from: from_near, to: to_far, forwarded: 0 };
    let mut down = Lane { direction: Direction::FromTarget, from: from_far, to: to_near, forwarded: 0 };
    // Each lane returns true when its direction ended in order; anything else ends the connection.
    let (mut up_open, mut down_open) = (true, true);
    while up_open || down_open {
        let (fine, lane_open) = tokio::select! {
            fine = up.run(state.clone(), blows), if up_open => (fine, &mut up_open),
            fine = down.run(state.clone(), blows), if down_open => (fine, &mut down_open),
        };
        *lane_open = false;
        if !fine {
            return;
        }
    }
}

struct Lane<'a> {
    direction: Direction,
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    forwarded: u64,
}

impl Lane<'_> {
    /// Forwards until this direction ends. False if the whole connection must go.
    async fn run(&mut self, mut state: watch::Receiver<State>, blows: u64) -> bool {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let now = *state.borrow_and_update();
            if now.blows != blows
                && let Some(fine) = self.suffer(now.blow).await
            {
                return fine;
            }
            let Some(room) = self.room(now.faults, buffer.len()) else { return false };
            let chunk = buffer.get_mut(..room).unwrap_or_default();
            let read = tokio::select! {
                biased;
                changed = state.changed() => if changed.is_err() { return false } else { continue },
                read = self.from.read(chunk), if !now.faults.stuck => read,
            };
            let Ok(read) = read else { return false };
            if read == 0 {
                return self.to.shutdown().await.is_ok();
            }
            wait(now.faults, read).await;
            if self.to.write_all(buffer.get(..read).unwrap_or_default()).await.is_err() {
                return false;
            }
            self.forwarded = self.forwarded.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        }
    }

    /// `Some(true)`: this direction is over; `Some(false)`: the connection is over; `None`: not concerned.
    async fn suffer(&mut self, blow: Option<Blow>) -> Option<bool> {
        match blow? {
            Blow::Cut => Some(false),
            Blow::Reset => {
                let zeroed = [self.from.as_ref().set_zero_linger(), self.to.as_ref().set_zero_linger()];
                drop(zeroed);
                Some(false)
            }
            Blow::HalfClose(direction) if direction == self.direction => {
                Some(self.to.shutdown().await.is_ok())
            }
            Blow::HalfClose(_) => None,
        }
    }

    /// How many bytes may be read next; `None` once the link must drop.
    fn room(&self, faults: Faults, buffer: usize) -> Option<usize> {
        match faults.drop_after {
            Some((direction, limit)) if direction == self.direction => {
                let left = limit.saturating_sub(self.forwarded);
                if left == 0 { None } else { Some(buffer.min(usize::try_from(left).unwrap_or(buffer))) }
            }
            Some(_) | None => Some(buffer),
        }
    }
}

/// The delay, and the time that `bytes` take on a narrow link.
async fn wait(faults: Faults, bytes: usize) {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    let millis = faults.bytes_per_second.map_or(0, |rate| bytes.saturating_mul(1000) / rate.max(1));
    let pause = faults.delay.saturating_add(Duration::from_millis(millis));
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests;
