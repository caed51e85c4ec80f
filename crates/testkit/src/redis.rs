//! A Redis server of its own for a test: free port of 127.0.0.1, private directory, append-only file.

mod cluster;
mod sentinel;

pub use cluster::RedisCluster;
pub use sentinel::Sentinel;

use crate::Error;
use crate::process::{Process, free_port};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;

/// How long a server may take to load its data and listen.
const START_MAX: Duration = Duration::from_secs(20);
/// How often another port is tried when somebody took ours in between.
const PORTS_MAX: usize = 5;

/// A running `redis-server`; dropping it kills it and deletes its data.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    directory: TempDir,
    settings: Vec<(String, String)>,
    process: Process,
}

impl RedisServer {
    /// Starts a server fit to hold money: append-only file, synced every second, no eviction.
    pub async fn start() -> Result<Self, Error> {
        Self::with(&[]).await
    }

    /// The same with settings of `redis.conf` added or replaced, such as `("appendfsync", "always")`.
    pub async fn with(settings: &[(&str, &str)]) -> Result<Self, Error> {
        let directory = tempfile::tempdir().map_err(Error::io("making a directory for redis-server"))?;
        let given = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let settings: Vec<_> = given.collect();
        let mut tries = PORTS_MAX;
        loop {
            let port = free_port()?;
            tries = tries.saturating_sub(1);
            match launch(port, directory.path(), &settings).await {
                Ok(process) => return Ok(Self { port, directory, settings, process }),
                Err(Error::Ended { .. }) if tries > 0 => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// `redis://127.0.0.1:<port>/0`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `kill -9`, and waits until it is gone. Its data stays for [`restart`](Self::restart).
    pub async fn kill9(&mut self) -> Result<(), Error> {
        self.process.kill().await
    }

    /// Kills it if it runs, and starts it again on the same port with the same data.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.process.kill().await?;
        self.process = launch(self.port, self.directory.path(), &self.settings).await?;
        Ok(())
    }

    /// Kills it, deletes its data, and starts it again on the same port: a server that was exchanged.
    pub async fn restart_empty(&mut self) -> Result<(), Error> {
        self.process.kill().await?;
        self.directory = tempfile::tempdir().map_err(Error::io("making a directory for redis-server"))?;
        self.restart().await
    }

    /// Stops it from answering (`STOP`) or lets it go on (`CONT`), as a machine that hangs would.
    pub async fn signal(&self, name: &str) -> Result<(), Error> {
        self.process.signal(name).await
    }

    /// Runs one command by `redis-cli` and returns what it prints.
    pub async fn command(&self, words: &[&str]) -> Result<String, Error> {
        cli(self.port, words).await
    }
}

/// What `redis-cli` prints for one command.
async fn cli(port: u16, words: &[&str]) -> Result<String, Error> {
    let port = port.to_string();
    let run = Command::new("redis-cli").args(["-h", "127.0.0.1", "-p", &port]).args(words).output().await;
    let output = run.map_err(Error::io("running redis-cli"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

fn server_command(directory: &Path) -> Command {
    let mut command = Command::new("redis-server");
    command.current_dir(directory);
    command
}

async fn launch(port: u16, directory: &Path, settings: &[(String, String)]) -> Result<Process, Error> {
    let port = port.to_string();
    let mut command = server_command(directory);
    command.args(["--port", &port, "--bind", "127.0.0.1", "--save", ""]);
    command.args(["--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction"]);
    for (name, value) in settings {
        command.arg(format!("--{name}")).args(value.split(' '));
    }
    let mut process = Process::spawn(command).map_err(|error| match error {
        Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Error::Missing("redis-server (Debian: apt-get install redis-server)".to_owned())
        }
        other => other,
    })?;
    process.wait_for_line("Ready to accept connections", START_MAX).await?;
    Ok(process)
}
