//! Processes under test: free ports, spawning with captured output, waiting for a line or a port, kill -9.

use crate::Error;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// The most output lines kept of one process; what comes later is read and dropped.
pub const LINES_MAX: usize = 200_000;

/// Where servers under test listen: below the ports that Linux gives to outgoing connections (from 32768), so that none of
/// those takes the port of a server that is down for a moment.
const PORTS: Range<u16> = 10_000..32_000;

/// A port of 127.0.0.1 that is free now, and not handed out by this process before. Processes that run at once begin at
/// places of their own.
pub fn free_port() -> Result<u16, Error> {
    static FIRST: LazyLock<u16> = LazyLock::new(|| {
        let random = RandomState::new().hash_one(std::process::id());
        u16::try_from(random % u64::from(u16::MAX)).unwrap_or_default()
    });
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let mut last = None;
    for _ in PORTS {
        let turn = FIRST.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + turn % (PORTS.end - PORTS.start);
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_closed_again) => return Ok(port),
            Err(error) => last = Some(error),
        }
    }
    Err(Error::io("finding a free port")(last.unwrap_or_else(|| std::io::ErrorKind::AddrInUse.into())))
}

/// Waits until something accepts connections at `address`.
pub async fn wait_for_port(address: SocketAddr, within: Duration) -> Result<(), Error> {
    let deadline = Instant::now() + within;
    while tokio::net::TcpStream::connect(address).await.is_err() {
        if Instant::now() >= deadline {
            return Err(Error::Timeout {
                what: format!("a listener at {address}"),
                within,
                output: String::new(),
            });
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// A running process; dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Mutex<Vec<String>>>,
    grown: watch::Receiver<usize>,
    _readers: JoinSet<()>,
}

impl Process {
    /// Starts a command. Its output is captured line by line, stdout and stderr together; stdin is closed.
    pub fn spawn(mut command: Command) -> Result<Self, Error> {
        let name = command.as_std().get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(Error::io(format!("starting {name}")))?;
        let output = Arc::new(Mutex::new(Vec::new()));
        let (grow, grown) = watch::channel(0);
        let mut readers = JoinSet::new();
        if let Some(stdout) = child.stdout.take() {
            readers.spawn(collect(stdout, Arc::clone(&output), grow.clone()));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.spawn(collect(stderr, Arc::clone(&output), grow));
        }
        Ok(Self { name, child, output, grown, _readers: readers })
    }

    /// The process id; `None` once it was seen to end.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Everything it has written so far.
    pub fn lines(&self) -> Vec<String> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a line that contains `text` (it may have been written already) and returns it.
    pub async fn wait_for_line(&mut self, text: &str, within: Duration) -> Result<String, Error> {
        let deadline = Instant::now() + within;
        let mut seen = 0;
        loop {
            self.grown.borrow_and_update();
            let found = {
                let lines = self.output.lock().unwrap_or_else(PoisonError::into_inner);
                let found = lines.iter().skip(seen).find(|line| line.contains(text)).cloned();
                seen = lines.len();
                found
            };
            if let Some(line) = found {
                return Ok(line);
            }
            match timeout_at(deadline, self.grown.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_closed)) => {
                    let status = self.exit(Duration::from_secs(5)).await?;
                    let (what, output) = (self.name.clone(), self.tail());
                    return Err(Error::Ended { what, status: status.to_string(), output });
                }
                Err(_elapsed) => {
                    let what = format!("{:?} from {}", text, self.name);
                    return Err(Error::Timeout { what, within, output: self.tail() });
                }
            }
        }
    }

    /// `kill -9`, and waits until it is gone.
    pub async fn kill(&mut self) -> Result<(), Error> {
        self.child.kill().await.map_err(Error::io(format!("killing {}", self.name)))
    }

    /// Sends a signal by name: `TERM`, `HUP`, `STOP`, `CONT`.
    pub async fn signal(&self, name: &str) -> Result<(), Error> {
        let Some(id) = self.child.id() else { return Ok(()) };
        let what = format!("sending {name} to {}", self.name);
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {id}")).status().await;
        let status = sent.map_err(Error::io(what.clone()))?;
        if !status.success() {
            return Err(Error::io(what)(std::io::Error::other(status.to_string())));
        }
        // A thread that is running stops only when it is next scheduled.
        while name == "STOP" && !all_threads_stopped(id).map_err(Error::io(what.clone()))? {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    /// Waits until it ends by itself.
    pub async fn exit(&mut self, within: Duration) -> Result<ExitStatus, Error> {
        match tokio::time::timeout(within, self.child.wait()).await {
            Ok(status) => status.map_err(Error::io(format!("waiting for {}", self.name))),
            Err(_elapsed) => {
                Err(Error::Timeout { what: format!("the end of {}", self.name), within, output: self.tail() })
            }
        }
    }

    fn tail(&self) -> String {
        let lines = self.lines();
        let from = lines.len().saturating_sub(40);
        lines.get(from..).unwrap_or_default().join("\n")
    }
}

/// Whether every thread of a process is in the state `T` (proc(5)); a process that is gone counts as stopped.
fn all_threads_stopped(id: u32) -> std::io::Result<bool> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{id}/task")) else { return Ok(true) };
    for thread in threads {
        let stat = std::fs::read_to_string(thread?.path().join("stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").map_or("T", |(_, rest)| rest);
        if !state.starts_with('T') {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn collect(
    stream: impl AsyncRead + Unpin + Send,
    output: Arc<Mutex<Vec<String>>>,
    grow: watch::Sender<usize>,
) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while let Ok(1..) = reader.read_until(b'\n', &mut line).await {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        let length = {
            let mut lines = output.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.len() < LINES_MAX {
                lines.push(text);
            }
            lines.len()
        };
        grow.send_replace(length);
        line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script);
        Process::spawn(command).unwrap()
    }

    #[test]
    fn ports_are_handed_out_once() {
        let ports: std::collections::BTreeSet<u16> = (0..200).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 200);
        assert!(ports.iter().all(|port| PORTS.contains(port)));
    }

    #[tokio::test]
    async fn waits_for_a_line_of_either_stream() {
        let mut process = shell("echo one; echo two >&2; exec sleep 60");
        let within = Duration::from_secs(10);
        assert_eq!(process.wait_for_line("tw", within).await.unwrap(), "two");
        assert_eq!(process.wait_for_line("one", within).await.unwrap(), "one");
        process.kill().await.unwrap();
        assert!(process.id().is_none());
    }

    #[tokio::test]
    async fn an_early_end_is_told_with_the_output() {
        let mut process = shell("echo could not bind; exit 3");
        let error = process.wait_for_line("listening", Duration::from_secs(10)).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("exit status: 3") && text.contains("could not bind"), "{text}");
    }

    #[tokio::test]
    async fn signals_arrive() {
        let mut process = shell("trap 'echo term; exit 0' TERM; echo up; while :; do sleep 0.05; done");
        process.wait_for_line("up", Duration::from_secs(10)).await.unwrap();
        process.signal("TERM").await.unwrap();
        assert!(process.exit(Duration::from_secs(10)).await.unwrap().success());
    }
}
