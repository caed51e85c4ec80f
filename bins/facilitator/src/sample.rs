//! Sample upstreams over WebSocket, for `dev` and `demo`: live ticks, and a flood of bytes.

mod flood;

pub(crate) use flood::Flood;

use crate::failure::Failure;
use futures_util::{SinkExt as _, StreamExt as _};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::task::TaskTracker;

/// Serves ticks.
pub(crate) async fn start(every: Duration) -> Result<SocketAddr, Failure> {
    bind(move |socket| ticks(socket, every)).await
}

/// Binds a feed on a free port of this machine and serves it for as long as the process lives.
async fn bind<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Result<SocketAddr, Failure>
where
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(Failure::start)?;
    let address = listener.local_addr().map_err(Failure::start)?;
    let tasks = TaskTracker::new();
    let connections = tasks.clone();
    tasks.spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            connections.spawn(serve(socket));
        }
    });
    Ok(address)
}

/// Sends ticks until the peer closes.
async fn ticks(socket: TcpStream, every: Duration) -> Result<(), Error> {
    let mut stream = tokio_tungstenite::accept_async(socket).await?;
    let mut timer = tokio::time::interval(every);
    let mut price = Walk::new();
    for seq in 1_u64.. {
        tokio::select! {
            _ = timer.tick() => {
                let tick = format!("{{\"seq\":{seq},\"symbol\":\"BASE-TICK\",\"price\":\"{}\"}}", price.next());
                stream.send(Message::text(tick)).await?;
            }
            heard = stream.next() => match heard {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ok(()),
            },
        }
    }
    Ok(())
}

/// A price in cents that wanders, the same way every time.
struct Walk {
    cents: u32,
    state: u32,
}

impl Walk {
    const fn new() -> Self {
        Self { cents: 10_000, state: 0x2545_F491 }
    }

    fn next(&mut self) -> String {
        // xorshift32: enough for a sample's wandering.
        self.state ^= self.state << 13;
        self.state ^= self.state >> 17;
        self.state ^= self.state << 5;
        let step = self.state % 101;
        self.cents = self.cents.saturating_add(step).saturating_sub(50).max(100);
        format!("{}.{:02}", self.cents / 100, self.cents % 100)
    }
}
