//! What happens on each connection.

use super::{Message, Mode, Shared, handshake};
use futures_util::{SinkExt, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

type Socket = WebSocketStream<TcpStream>;

pub(super) async fn accept(listener: TcpListener, mode: watch::Receiver<Mode>, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let mode = mode.borrow().clone();
                connections.spawn(serve(stream, mode, Arc::clone(&shared)));
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn serve(mut stream: TcpStream, mode: Mode, shared: Arc<Shared>) {
    if matches!(mode, Mode::NeverAnswer | Mode::HangUp) {
        return mute(&mut stream, matches!(mode, Mode::NeverAnswer), &shared).await;
    }
    // A dropped connection is an end like any other for the sample feed: the tests look at the other side.
    let Some(mut socket) = handshake::answer(stream, &mode, &shared).await else { return };
    shared.counts.send_modify(|counts| counts.open = counts.open.saturating_add(1));
    let _ended = talk(&mut socket, mode).await;
    shared.counts.send_modify(|counts| {
        counts.open = counts.open.saturating_sub(1);
        counts.ended = counts.ended.saturating_add(1);
    });
}

/// Reads a request's head and says nothing; stays until the peer goes, or leaves at once.
async fn mute(stream: &mut TcpStream, stay: bool, shared: &Shared) {
    let (mut head, mut chunk) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut chunk).await {
            Ok(read @ 1..) => head.extend_from_slice(chunk.get(..read).unwrap_or_default()),
            Ok(0) | Err(_) => return,
        }
    }
    shared.counts.send_modify(|counts| counts.requests = counts.requests.saturating_add(1));
    while stay && matches!(stream.read(&mut chunk).await, Ok(1..)) {}
}

async fn talk(socket: &mut Socket, mode: Mode) -> Result<(), Error> {
    match mode {
        Mode::Ticks(every) => ticks(socket, every).await,
        Mode::Blocks(every, bytes) => blocks(socket, every, bytes).await,
        Mode::Echo => echo(socket).await,
        Mode::Script(messages, close) => {
            for message in messages {
                socket.send(message).await?;
            }
            match close {
                Some((code, reason)) => end(socket, code, reason).await,
                None => listen(socket).await,
            }
        }
        Mode::CloseAtOnce(code) => end(socket, code, String::new()).await,
        Mode::DropAtOnce => Ok(()),
        Mode::Silent | Mode::WrongAcceptKey | Mode::RefuseUpgrade(_) | Mode::NeverAnswer | Mode::HangUp => {
            listen(socket).await
        }
    }
}

async fn ticks(socket: &mut Socket, every: Duration) -> Result<(), Error> {
    let mut timer = tokio::time::interval(every);
    let mut tick = 0_u64;
    loop {
        tokio::select! {
            _ = timer.tick() => {
                tick = tick.saturating_add(1);
                socket.send(Message::text(format!("{{\"tick\":{tick}}}"))).await?;
            }
            // Reading answers pings and the peer's close, to its end.
            received = socket.next() => match received {
                Some(Ok(Message::Close(_))) => return listen(socket).await,
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            },
        }
    }
}

async fn blocks(
    socket: &mut Socket,
    mut every: watch::Receiver<Duration>,
    bytes: usize,
) -> Result<(), Error> {
    let block = Message::binary(vec![7; bytes]);
    let mut next = Instant::now();
    loop {
        tokio::select! {
            () = sleep_until(next) => {
                socket.send(block.clone()).await?;
                next += *every.borrow_and_update();
            }
            // Reading answers pings and the peer's close, to its end.
            received = socket.next() => match received {
                Some(Ok(Message::Close(_))) => return listen(socket).await,
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            },
            // Without its sender the interval stays as it is.
            Ok(()) = every.changed() => next = Instant::now() + *every.borrow_and_update(),
        }
    }
}

async fn echo(socket: &mut Socket) -> Result<(), Error> {
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            socket.send(message).await?;
        }
    }
    Ok(())
}

async fn listen(socket: &mut Socket) -> Result<(), Error> {
    while let Some(message) = socket.next().await {
        message?;
    }
    Ok(())
}

async fn end(socket: &mut Socket, code: u16, reason: String) -> Result<(), Error> {
    let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
    socket.close(Some(frame)).await?;
    listen(socket).await
}
