//! The provider: does what the query asks, at the least cost.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::MissedTickBehavior;

use crate::socket::{self, CLOSE, MASKED_CLOSE, query};
use crate::{Failure, arguments, say};

/// Bytes of whole frames written at a time.
const BATCH_BYTES: usize = 256 * 1024;

/// Serves on `--port` for ever.
pub(crate) async fn run(arguments: &[String]) -> Result<(), Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments::value::<u16>(arguments, "port")?));
    let listener = TcpListener::bind(address).await?;
    say("listening");
    loop {
        let (socket, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(failure) = serve(socket).await {
                say(&format!("upstream: {failure}"));
            }
        });
    }
}

async fn serve(mut socket: TcpStream) -> Result<(), Failure> {
    let target = socket::accept(&mut socket).await?;
    let number = |name| query(&target, name).and_then(|text| text.parse::<usize>().ok()).unwrap_or_default();
    match query(&target, "mode") {
        Some("blast") => blast(&mut socket, number("size"), number("count")).await,
        Some("echo") => echo(&mut socket, number("size")).await,
        Some("ticks") => ticks(&mut socket, number("size"), number("count")).await,
        _ => hold(&mut socket).await,
    }
}

/// `count` messages as fast as they are taken, then a close.
async fn blast(socket: &mut TcpStream, size: usize, count: usize) -> Result<(), Failure> {
    let frame = socket::frame(size)?;
    let per_batch = (BATCH_BYTES / frame.len()).max(1);
    let batch = frame.repeat(per_batch);
    for _ in 0..count / per_batch {
        socket.write_all(&batch).await?;
    }
    socket.write_all(&frame.repeat(count % per_batch)).await?;
    socket.write_all(&CLOSE).await?;
    await_close(socket).await
}

/// Answers every message of `size` bytes with one as long, until the peer closes.
async fn echo(socket: &mut TcpStream, size: usize) -> Result<(), Failure> {
    let answer = socket::frame(size)?;
    let mut asked = socket::masked_frame(size)?;
    loop {
        let mut have = 0;
        while let Some(room) = asked.get_mut(have..).filter(|room| !room.is_empty()) {
            have += match socket.read(room).await? {
                0 => return Ok(()),
                read => read,
            };
            if asked.first() == MASKED_CLOSE.first() {
                socket.write_all(&CLOSE).await?;
                return Ok(());
            }
        }
        socket.write_all(&answer).await?;
    }
}

/// `count` messages of `size` bytes a second, until the peer goes away.
async fn ticks(socket: &mut TcpStream, size: usize, count: usize) -> Result<(), Failure> {
    let frame = socket::frame(size)?;
    let period = Duration::from_secs(1) / u32::try_from(count.max(1))?;
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        socket.write_all(&frame).await?;
    }
}

/// Says nothing; answers the peer's close.
async fn hold(socket: &mut TcpStream) -> Result<(), Failure> {
    await_close(socket).await?;
    Ok(socket.write_all(&CLOSE).await?)
}

/// Waits for the peer's close, or its end.
async fn await_close(socket: &mut TcpStream) -> Result<(), Failure> {
    let mut close = MASKED_CLOSE;
    match socket.read_exact(&mut close).await {
        Err(failure) if failure.kind() != std::io::ErrorKind::UnexpectedEof => Err(failure.into()),
        _ => Ok(()),
    }
}
