//! What a node needs to know about its Redis.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tollwire_ledger::{Clock, Error};

/// How to reach the store, and what is demanded of it.
#[derive(Clone)]
#[non_exhaustive]
pub struct RedisConfig {
    /// `redis://[user:password@]host[:port][/db]`, or `rediss://` for TLS.
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
        Self {
            url: url.into(),
            prefix: "tollwire:".to_owned(),
            connections: std::thread::available_parallelism().map_or(1, usize::from),
            timeout: Duration::from_secs(2),
            wait_replicas: 0,
            wait_timeout: Duration::from_secs(1),
            allow_volatile: false,
            clock: None,
        }
    }

    /// Checks what can be checked without a server.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refused = |why: &str| Err(Error::Unfit(why.to_owned()));
        let known = ["redis://", "rediss://"].iter().any(|scheme| self.url.starts_with(scheme));
        let prefix_fits = self.prefix.bytes().all(|b| b.is_ascii_graphic() && !b"{}".contains(&b));
        if self.url.contains("protocol=") {
            refused("the address must not choose a protocol version")
        } else if !known {
            refused("the address must begin with redis:// or rediss://")
        } else if self.prefix.is_empty() || self.prefix.len() > 64 || !prefix_fits {
            refused("the key prefix must be 1 to 64 printable characters without space, '{' or '}'")
        } else if self.connections == 0 || self.connections > 1_024 {
            refused("connections must be 1 to 1024")
        } else if self.timeout.is_zero() || (self.wait_replicas > 0 && self.wait_timeout.is_zero()) {
            refused("time-outs must not be zero")
        } else {
            Ok(())
        }
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
