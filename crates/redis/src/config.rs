//! How a server is reached, and what is demanded of it.

use crate::address::Address;
use std::fmt;
use std::time::Duration;
use tollwire_ledger::Error;

/// How to reach a server, and what is demanded of it.
#[derive(Clone)]
#[non_exhaustive]
pub struct ServerConfig {
    /// As [`Address::parse`] reads it: one server, Sentinels, or a cluster.
    pub url: String,
    /// Begins every key, so that several deployments may share a server. Printable, without `{`, `}` or space.
    pub prefix: String,
    /// Connections kept open, each shared by many commands at once.
    pub connections: usize,
    /// The longest any answer may take, connecting included.
    pub timeout: Duration,
    /// On a cluster, keep all rows in one slot, and so on one primary: for rows that are changed together although they are
    /// not one thing's. The prefix is the hash tag then.
    pub one_slot: bool,
    /// Accept a Redis that may forget: no append-only file, or an eviction policy. For development only.
    pub allow_volatile: bool,
}

impl ServerConfig {
    /// The defaults for a server: prefix `tollwire:`, one connection per CPU, 2 s.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefix: "tollwire:".to_owned(),
            connections: std::thread::available_parallelism().map_or(1, usize::from),
            timeout: Duration::from_secs(2),
            one_slot: false,
            allow_volatile: false,
        }
    }

    /// What every key begins with, at this address.
    pub fn key_prefix(&self, address: &Address) -> String {
        if self.one_slot && address.is_cluster() {
            format!("{{{}}}", self.prefix)
        } else {
            self.prefix.clone()
        }
    }

    /// Checks what can be checked without a server, and reads its address.
    pub fn check(&self) -> Result<Address, Error> {
        let refused = |why: &str| Err(Error::Unfit(why.to_owned()));
        let prefix_fits = self.prefix.bytes().all(|b| b.is_ascii_graphic() && !b"{}".contains(&b));
        let address = Address::parse(&self.url)?;
        if self.prefix.is_empty() || self.prefix.len() > 64 || !prefix_fits {
            refused("the key prefix must be 1 to 64 printable characters without space, '{' or '}'")
        } else if self.connections == 0 || self.connections > 1_024 {
            refused("connections must be 1 to 1024")
        } else if self.timeout.is_zero() {
            refused("time-outs must not be zero")
        } else {
            Ok(address)
        }
    }
}

impl fmt::Debug for ServerConfig {
    /// Without the address, which may carry a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig")
            .field("prefix", &self.prefix)
            .field("connections", &self.connections)
            .field("timeout", &self.timeout)
            .field("one_slot", &self.one_slot)
            .field("allow_volatile", &self.allow_volatile)
            .finish_non_exhaustive()
    }
}
