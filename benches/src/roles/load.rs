//! The agents: take or exchange a fixed amount through the proxy, then end; or hold connections open.

use std::fs;

use futures_util::future::try_join_all;
use futures_util::stream::{StreamExt, TryStreamExt, iter};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::arguments::{optional, value};
use crate::socket::{self, Ask, CLOSE, MASKED_CLOSE};
use crate::{Failure, say};

/// Handshakes under way at once while connections are opened.
const OPENING: usize = 32;

/// Does what `--mode` says against `--address`.
pub(crate) async fn run(arguments: &[String]) -> Result<(), Failure> {
    let ask = Ask {
        address: value(arguments, "address")?,
        target: value(arguments, "target")?,
        tokens: match optional(arguments, "tokens") {
            Some(file) => fs::read_to_string(file)?.lines().map(str::to_owned).collect(),
            None => vec![],
        },
    };
    let count = value(arguments, "count")?;
    let size = value(arguments, "size")?;
    let connections = value(arguments, "connections")?;
    match optional(arguments, "mode").unwrap_or_default() {
        "blast" => take(&ask, size, count).await,
        "echo" => {
            let share = count / connections;
            try_join_all((0..connections).map(|turn| exchange(&ask, turn, size, share))).await?;
            Ok(())
        }
        "hold" | "ticks" => {
            let sockets: Vec<TcpStream> = iter(0..connections)
                .map(|turn| socket::open(&ask, turn))
                .buffer_unordered(OPENING)
                .try_collect()
                .await?;
            say("open");
            try_join_all(sockets.into_iter().map(drain)).await?;
            Ok(())
        }
        "upgrade" => {
            iter(0..count)
                .map(|turn| upgrade(&ask, turn))
                .buffer_unordered(connections)
                .try_collect::<()>()
                .await
        }
        other => Err(format!("no mode {other}").into()),
    }
}

/// Takes `count` messages and the close behind them.
async fn take(ask: &Ask, size: usize, count: usize) -> Result<(), Failure> {
    let mut socket = socket::open(ask, 0).await?;
    let mut left = socket::frame(size)?.len() * count + CLOSE.len();
    let mut bytes = vec![0; 256 * 1024];
    while left > 0 {
        let read = socket.read(&mut bytes).await?;
        if read == 0 {
            return Err(format!("the stream ended {left} bytes early").into());
        }
        left = left.checked_sub(read).ok_or("more bytes than were sent")?;
    }
    end(socket).await
}

/// Sends `count` messages, each after the answer to the one before.
async fn exchange(ask: &Ask, turn: usize, size: usize, count: usize) -> Result<(), Failure> {
    let mut socket = socket::open(ask, turn).await?;
    let message = socket::masked_frame(size)?;
    let mut answer = socket::frame(size)?;
    for _ in 0..count {
        socket.write_all(&message).await?;
        socket.read_exact(&mut answer).await?;
    }
    end(socket).await
}

/// Takes whatever comes, for ever.
async fn drain(mut socket: TcpStream) -> Result<(), Failure> {
    loop {
        // Readiness first: ten thousand buffers would be this program's memory, not the proxy's, but in the way.
        socket.readable().await?;
        let mut bytes = [0; 16 * 1024];
        if socket.read(&mut bytes).await? == 0 {
            return Err("a stream ended that was to stay open".into());
        }
    }
}

/// Opens a stream and closes it at once.
async fn upgrade(ask: &Ask, turn: usize) -> Result<(), Failure> {
    end(socket::open(ask, turn).await?).await
}

/// Closes, and waits for the end.
async fn end(mut socket: TcpStream) -> Result<(), Failure> {
    socket.write_all(&MASKED_CLOSE).await?;
    let mut bytes = [0; 64];
    while let Ok(1..) = socket.read(&mut bytes).await {}
    Ok(())
}
