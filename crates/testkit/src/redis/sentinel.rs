//! A Sentinel: watches a primary and its replicas, and puts a replica in its place when it is gone.

use super::{RedisServer, START_MAX, cli, server_command};
use crate::Error;
use crate::process::{Process, free_port};
use tempfile::TempDir;

/// What it calls the service.
const SERVICE: &str = "main";

/// A running Sentinel; dropping it kills it. By itself it is the majority.
#[derive(Debug)]
pub struct Sentinel {
    port: u16,
    _directory: TempDir,
    _process: Process,
}

impl Sentinel {
    /// Starts one that takes `primary` for gone after half a second of silence.
    pub async fn watching(primary: &RedisServer) -> Result<Self, Error> {
        let directory = tempfile::tempdir().map_err(Error::io("making a directory for a Sentinel"))?;
        let port = free_port()?;
        // It writes what it learns into this file.
        let file = directory.path().join("sentinel.conf");
        let settings = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor {SERVICE} 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds {SERVICE} 500\nsentinel failover-timeout {SERVICE} 3000\n",
            primary.port()
        );
        std::fs::write(&file, settings).map_err(Error::io("writing sentinel.conf"))?;
        let mut command = server_command(directory.path());
        command.arg(&file).arg("--sentinel");
        let mut process = Process::spawn(command)?;
        process.wait_for_line("+monitor master", START_MAX).await?;
        Ok(Self { port, _directory: directory, _process: process })
    }

    /// `redis-sentinel://127.0.0.1:<port>/0#main`.
    pub fn url(&self) -> String {
        format!("redis-sentinel://127.0.0.1:{}/0#{SERVICE}", self.port)
    }

    /// The port of the server that is the primary now.
    pub async fn primary(&self) -> Result<u16, Error> {
        let told = cli(self.port, &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE]).await?;
        let port = told.lines().next_back().and_then(|port| port.parse().ok());
        port.ok_or_else(|| Error::Missing(format!("a primary, the Sentinel says: {told}")))
    }

    /// Whether it knows a replica that it could put in the primary's place.
    pub async fn has_replica(&self) -> Result<bool, Error> {
        let told = cli(self.port, &["SENTINEL", "REPLICAS", SERVICE]).await?;
        Ok(told.contains("master-link-status\nok"))
    }

    /// Puts a replica in the primary's place although nothing is wrong with it.
    pub async fn fail_over(&self) -> Result<(), Error> {
        cli(self.port, &["SENTINEL", "FAILOVER", SERVICE]).await.map(drop)
    }
}
