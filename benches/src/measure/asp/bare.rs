//! What a message costs a program that does nothing with it, on the same runtime.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tollwire_testkit::process::{Process, free_port, wait_for_port};

use super::load::SENDS;
use crate::Failure;
use crate::process::{PROXY_CORE, cpu_nanos, role};
use crate::roles::bare::{ANSWER_BYTES, MESSAGE_BYTES};

/// How long it may take until it accepts connections.
const START: Duration = Duration::from_secs(20);

/// The program, and connections to it.
pub(super) struct Bare {
    pid: u32,
    sockets: Vec<TcpStream>,
    _process: Process,
}

impl Bare {
    pub(super) async fn start(sockets: usize, redis: Option<SocketAddr>) -> Result<Self, Failure> {
        let port = free_port()?;
        let mut command = role(PROXY_CORE, "bare")?;
        command.args(["--port", &port.to_string()]);
        if let Some(redis) = redis {
            command.args(["--redis", &redis.to_string()]);
        }
        let process = Process::spawn(command)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        wait_for_port(address, START).await?;
        let pid = process.id().ok_or("it ended at once")?;
        let connect = || async move {
            let socket = TcpStream::connect(address).await?;
            socket.set_nodelay(true)?;
            Ok::<_, Failure>(socket)
        };
        let sockets = try_join_all((0..sockets).map(|_| connect())).await?;
        Ok(Self { pid, sockets, _process: process })
    }

    /// CPU time per message, one in flight on each socket.
    pub(super) async fn cost(&mut self) -> Result<u64, Failure> {
        let each = SENDS / u64::try_from(self.sockets.len())?.max(1);
        let all = each * u64::try_from(self.sockets.len())?;
        let before = cpu_nanos(self.pid)?;
        try_join_all(self.sockets.iter_mut().map(|socket| talk(socket, each))).await?;
        Ok((cpu_nanos(self.pid)? - before) / all.max(1))
    }
}

async fn talk(socket: &mut TcpStream, times: u64) -> Result<(), Failure> {
    let (message, mut answer) = ([0; MESSAGE_BYTES], [0; ANSWER_BYTES]);
    for _ in 0..times {
        socket.write_all(&message).await?;
        socket.read_exact(&mut answer).await?;
    }
    Ok(())
}
