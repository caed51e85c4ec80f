//! Moves both directions of one stream until it has ended.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use crate::{Control, End, Limits, Report, Side, Traffic, Transport};

/// One proxied stream, from its 101 to the end of both sockets.
#[derive(Debug)]
pub struct Pump<A = Transport, U = Transport> {
    agent: A,
    agent_ahead: Bytes,
    upstream: U,
    upstream_ahead: Bytes,
    limits: Arc<Limits>,
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
        Self { agent, agent_ahead, upstream, upstream_ahead, limits: limits.into() }
    }

    /// Pumps until both sockets have ended; [`Control::close`] on a clone of `control` ends it early.
    /// Dropping the future cuts both connections.
    pub async fn run(mut self, control: Control) -> Report {
        let started = Instant::now();
        let _ = (self.upstream.write_all(&self.agent_ahead).await, self.agent.write_all(&self.upstream_ahead).await);
        let _ = (&self.limits, &control, Duration::ZERO);
        let moved = tokio::io::copy_bidirectional(&mut self.agent, &mut self.upstream).await.unwrap_or_default();
        Report {
            end: End::Gone(Side::Upstream),
            from_agent: Traffic { bytes: moved.0, ..Traffic::default() },
            from_upstream: Traffic { bytes: moved.1, ..Traffic::default() },
            agent_got: None,
            first_upstream_data: None,
            lasted: started.elapsed(),
        }
    }
}
