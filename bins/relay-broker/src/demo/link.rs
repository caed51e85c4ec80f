//! A network that can be cut: a forwarder between the agent and the broker.

use super::demo;
use crate::failure::Failure;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A forwarder on loopback; dropping it closes everything.
pub(super) struct Link {
    address: SocketAddr,
    cuts: watch::Sender<u32>,
    _forwarder: JoinSet<()>,
}

impl Link {
    /// Forwards a free port to a target.
    pub(super) async fn to(target: SocketAddr) -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(demo)?;
        let address = listener.local_addr().map_err(demo)?;
        let (cuts, seen) = watch::channel(0);
        let mut forwarder = JoinSet::new();
        forwarder.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((from, _)) = listener.accept().await {
                connections.spawn(forward(from, target, seen.clone()));
            }
        });
        Ok(Self { address, cuts, _forwarder: forwarder })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts what is open now; what is opened after that works.
    pub(super) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts = cuts.saturating_add(1));
    }
}

async fn forward(mut from: TcpStream, target: SocketAddr, mut cuts: watch::Receiver<u32>) {
    cuts.mark_unchanged();
    let Ok(mut to) = TcpStream::connect(target).await else { return };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut from, &mut to) => {}
        _ = cuts.changed() => {}
    }
}
