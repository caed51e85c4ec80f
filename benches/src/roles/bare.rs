//! What of a message is the system's: each is read, taken to Redis and back if one is given, and answered, unseen.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::arguments::{optional, value};
use crate::{Failure, say};

/// Bytes of a message, about those of a `send` of `bench asp`.
pub(crate) const MESSAGE_BYTES: usize = 640;

/// Bytes of an answer, about those of an ack with the message itself behind it.
pub(crate) const ANSWER_BYTES: usize = 1280;

/// Serves on `--port` for ever; each connection has one of its own to `--redis`, if that is given.
pub(crate) async fn run(arguments: &[String]) -> Result<(), Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, value::<u16>(arguments, "port")?));
    let redis: Option<SocketAddr> = optional(arguments, "redis").map(str::parse).transpose()?;
    let listener = TcpListener::bind(address).await?;
    say("listening");
    loop {
        let (socket, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(failure) = serve(socket, redis).await {
                say(&format!("bare: {failure}"));
            }
        });
    }
}

async fn serve(mut socket: TcpStream, redis: Option<SocketAddr>) -> Result<(), Failure> {
    socket.set_nodelay(true)?;
    let mut redis = match redis {
        Some(address) => Some(TcpStream::connect(address).await?),
        None => None,
    };
    if let Some(redis) = &redis {
        redis.set_nodelay(true)?;
    }
    let (mut message, answer, mut told) = ([0; MESSAGE_BYTES], [0; ANSWER_BYTES], [0; 64]);
    let mut command = format!("*3\r\n$3\r\nSET\r\n$4\r\nbare\r\n${MESSAGE_BYTES}\r\n").into_bytes();
    let begin = command.len();
    loop {
        socket.read_exact(&mut message).await?;
        if let Some(redis) = &mut redis {
            command.truncate(begin);
            command.extend_from_slice(&message);
            command.extend_from_slice(b"\r\n");
            redis.write_all(&command).await?;
            let read = redis.read(&mut told).await?;
            if told.get(..read) != Some(b"+OK\r\n") {
                return Err("Redis did not take a message".into());
            }
        }
        socket.write_all(&answer).await?;
    }
}
