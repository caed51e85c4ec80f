//! What a node needs to know about its Redis.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tollwire_ledger::{Clock, Error};
use tollwire_redis::ServerConfig;

/// How to reach the store, and what is demanded of it.
#[derive(Clone)]
#[non_exhaustive]
pub struct RedisConfig {
    /// As [`Address::parse`](tollwire_redis::Address::parse) reads it: one server, Sentinels, or a cluster.
    pub url: String,
    /// Begins every key, so that several deployments may share a server. Printable, without `{`, `}` or space.
    pub prefix: String,
    /// Connections kept open, each shared by many commands at once.
    pub connections: usize,
    /// The longest any answer may take, connecting included.
    pub timeout: Duration,
    /// Replicas that must have received Record, Attach and Credit before they count as done.
    pub wait_replicas: u32,
    /// How long to wait for those replicas.
    pub wait_timeout: Duration,
    /// Accept a Redis that may forget: no append-only file, or an eviction policy. For development only.
    pub allow_volatile: bool,
    /// Whose time decides when holds and leases lapse; `None` (the default) is the Redis server's own clock, the only
    /// one that all nodes share.
    pub clock: Option<Arc<dyn Clock>>,
}

impl RedisConfig {
    /// The defaults for a server: prefix `tollwire:`, one connection per CPU, 2 s, no replicas.
    pub fn new(url: impl Into<String>) -> Self {
        let ServerConfig { url, prefix, connections, timeout, allow_volatile, .. } = ServerConfig::new(url);
        Self {
            url,
            prefix,
            connections,
            timeout,
            wait_replicas: 0,
            wait_timeout: Duration::from_secs(1),
            allow_volatile,
            clock: None,
        }
    }

    /// Checks what can be checked without a server.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let address = self.server().check()?;
        if self.wait_replicas > 0 && self.wait_timeout.is_zero() {
            return Err(Error::Unfit("time-outs must not be zero".to_owned()));
        }
        // A server that takes over has what was written to it, which need not be all that was answered.
        if address.may_move() && self.wait_replicas == 0 && !self.allow_volatile {
            return Err(Error::Unfit(
                "with Sentinel or a cluster, payments must be on a replica before they count: set wait_replicas = 1 or \
                 more, or allow_volatile = true for development"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// What of it is about the server.
    pub(crate) fn server(&self) -> ServerConfig {
        let mut server = ServerConfig::new(self.url.clone());
        server.prefix.clone_from(&self.prefix);
        server.connections = self.connections;
        server.timeout = self.timeout;
        server.allow_volatile = self.allow_volatile;
        server
    }
}

impl fmt::Debug for RedisConfig {
    /// Without the address, which may carry a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("prefix", &self.prefix)
            .field("connections", &self.connections)
            .field("timeout", &self.timeout)
            .field("wait_replicas", &self.wait_replicas)
            .field("wait_timeout", &self.wait_timeout)
            .field("allow_volatile", &self.allow_volatile)
            .finish_non_exhaustive()
    }
}
