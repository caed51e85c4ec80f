//! A Redis Cluster: three primaries, a replica of each, and slots that can be moved by steps.

use super::{RedisServer, START_MAX};
use crate::Error;
use crate::process::free_port;
use std::time::Duration;
use tokio::time::Instant;

/// Its primaries at the start.
const PRIMARIES: usize = 3;
/// After how much silence a server counts as gone, in milliseconds.
const NODE_TIMEOUT: &str = "2000";
/// How often it is looked at while something is waited for.
const POLL: Duration = Duration::from_millis(50);
const SLOTS: usize = 16_384;

/// A running cluster; dropping it kills its servers. Servers are called by their numbers: 0 to 2 are the primaries at
/// the start, 3 to 5 their replicas in the same order.
#[derive(Debug)]
pub struct RedisCluster {
    servers: Vec<RedisServer>,
    ids: Vec<String>,
}

impl RedisCluster {
    /// Starts one whose servers are fit to hold money.
    pub async fn start() -> Result<Self, Error> {
        Self::with(&[]).await
    }

    /// The same with settings of `redis.conf` added to each server.
    pub async fn with(settings: &[(&str, &str)]) -> Result<Self, Error> {
        let mut cluster = Self { servers: Vec::new(), ids: Vec::new() };
        let mut buses = Vec::new();
        for number in 0..PRIMARIES.saturating_mul(2) {
            // By default it is the port plus 10000: where outgoing connections get theirs.
            let bus = free_port()?.to_string();
            let own = [
                ("cluster-enabled", "yes"),
                ("cluster-config-file", "nodes.conf"),
                ("cluster-node-timeout", NODE_TIMEOUT),
                ("cluster-port", bus.as_str()),
                ("repl-diskless-sync-delay", "0"),
            ];
            cluster.servers.push(RedisServer::with(&[&own[..], settings].concat()).await?);
            cluster.ids.push(cluster.command(number, &["CLUSTER", "MYID"]).await?);
            cluster
                .command(number, &["CLUSTER", "SET-CONFIG-EPOCH", &number.saturating_add(1).to_string()])
                .await?;
            buses.push(bus);
        }
        for (number, bus) in buses.iter().enumerate().skip(1) {
            let port = cluster.port(number).to_string();
            cluster.command(0, &["CLUSTER", "MEET", "127.0.0.1", &port, bus]).await?;
        }
        for number in 0..PRIMARIES {
            let first = SLOTS.saturating_mul(number) / PRIMARIES;
            let last = (SLOTS.saturating_mul(number.saturating_add(1)) / PRIMARIES).saturating_sub(1);
            cluster
                .command(number, &["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()])
                .await?;
        }
        for number in PRIMARIES..PRIMARIES.saturating_mul(2) {
            let of = cluster.ids.get(number.saturating_sub(PRIMARIES)).cloned().unwrap_or_default();
            // Until it has heard of that one.
            cluster
                .until("replicas", async |cluster: &Self| {
                    Ok(cluster.command(number, &["CLUSTER", "REPLICATE", &of]).await? == "OK")
                })
                .await?;
        }
        cluster.settled().await?;
        Ok(cluster)
    }

    /// `redis-cluster://127.0.0.1:<port>,...`: two of its servers, by which the others are found.
    pub fn url(&self) -> String {
        format!("redis-cluster://127.0.0.1:{},127.0.0.1:{}", self.port(1), self.port(2))
    }

    /// A server.
    pub fn server(&mut self, number: usize) -> Result<&mut RedisServer, Error> {
        self.servers.get_mut(number).ok_or_else(|| Error::Missing(format!("server {number} of the cluster")))
    }

    /// The port of a server.
    pub fn port(&self, number: usize) -> u16 {
        self.servers.get(number).map(RedisServer::port).unwrap_or_default()
    }

    /// Runs one command on one server by `redis-cli` and returns what it prints.
    pub async fn command(&self, number: usize, words: &[&str]) -> Result<String, Error> {
        match self.servers.get(number) {
            Some(server) => server.command(words).await,
            None => Err(Error::Missing(format!("server {number} of the cluster"))),
        }
    }

    /// The servers that are up, lead slots, and say so.
    pub async fn primaries(&self) -> Result<Vec<usize>, Error> {
        let mut found = Vec::new();
        for number in 0..self.servers.len() {
            let told = self.command(number, &["CLUSTER", "NODES"]).await?;
            let own = told.lines().find(|line| line.contains("myself")).unwrap_or_default();
            if own.contains("master") && own.split(' ').count() > 8 {
                found.push(number);
            }
        }
        Ok(found)
    }

    /// The slot of a key, and the server that leads it.
    pub async fn home(&self, key: &str) -> Result<(u16, usize), Error> {
        let primaries = self.primaries().await?;
        let first = primaries.first().copied().unwrap_or_default();
        let told = self.command(first, &["CLUSTER", "KEYSLOT", key]).await?;
        let slot = told.parse().map_err(|_| Error::Missing(format!("the slot of {key}: {told}")))?;
        for number in primaries {
            // Of a slot that it does not lead, a server only says where it is.
            if !self.command(number, &["EXISTS", key]).await?.contains("MOVED") {
                return Ok((slot, number));
            }
        }
        Err(Error::Missing(format!("who leads slot {slot}")))
    }

    /// Waits until every slot has a primary, and every primary that is up agrees, and has `replicas` in sync.
    pub async fn settled_with(&self, replicas: &[usize]) -> Result<(), Error> {
        self.until("the cluster", async |cluster: &Self| {
            for number in cluster.primaries().await? {
                let info = cluster.command(number, &["CLUSTER", "INFO"]).await?;
                if !(info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384")) {
                    return Ok(false);
                }
            }
            for number in replicas {
                let info = cluster.command(*number, &["INFO", "replication"]).await?;
                if !info.contains("master_link_status:up") {
                    return Ok(false);
                }
            }
            Ok(cluster.primaries().await?.len() == PRIMARIES)
        })
        .await
    }

    async fn settled(&self) -> Result<(), Error> {
        let replicas: Vec<usize> = (PRIMARIES..PRIMARIES.saturating_mul(2)).collect();
        self.settled_with(&replicas).await
    }

    /// Begins to move a slot: what is there is still served by `from`, what is not by `to`.
    pub async fn begin_move(&self, slot: u16, from: usize, to: usize) -> Result<(), Error> {
        let slot = slot.to_string();
        self.set_slot(to, &[slot.as_str(), "IMPORTING", self.id(from)]).await?;
        self.set_slot(from, &[slot.as_str(), "MIGRATING", self.id(to)]).await
    }

    /// Moves at most `count` keys of it, and says whether there are more.
    pub async fn move_keys(&self, slot: u16, from: usize, to: usize, count: usize) -> Result<bool, Error> {
        let told = self
            .command(
                from,
                &["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), &count.saturating_add(1).to_string()],
            )
            .await?;
        let keys: Vec<&str> = told.lines().filter(|line| !line.is_empty()).collect();
        let some = keys.get(..count).unwrap_or(&keys);
        if !some.is_empty() {
            self.move_these(from, to, some).await?;
        }
        Ok(keys.len() > count)
    }

    /// Moves these keys of a slot that is being moved.
    pub async fn move_these(&self, from: usize, to: usize, keys: &[&str]) -> Result<(), Error> {
        let port = self.port(to).to_string();
        let head = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
        let done = self.command(from, &[&head[..], keys].concat()).await?;
        if matches!(done.as_str(), "OK" | "NOKEY") {
            Ok(())
        } else {
            Err(Error::Missing(format!("keys moved: {done}")))
        }
    }

    /// Ends the move of a slot whose keys were all moved.
    pub async fn finish_move(&self, slot: u16, to: usize) -> Result<(), Error> {
        let slot = slot.to_string();
        self.set_slot(to, &[slot.as_str(), "NODE", self.id(to)]).await?;
        for number in self.primaries().await?.into_iter().filter(|number| *number != to) {
            self.set_slot(number, &[slot.as_str(), "NODE", self.id(to)]).await?;
        }
        Ok(())
    }

    async fn set_slot(&self, number: usize, words: &[&str]) -> Result<(), Error> {
        let done = self.command(number, &[&["CLUSTER", "SETSLOT"][..], words].concat()).await?;
        if done == "OK" { Ok(()) } else { Err(Error::Missing(format!("a slot that is set: {done}"))) }
    }

    fn id(&self, number: usize) -> &str {
        self.ids.get(number).map(String::as_str).unwrap_or_default()
    }

    async fn until(&self, what: &str, done: impl AsyncFn(&Self) -> Result<bool, Error>) -> Result<(), Error> {
        let deadline = Instant::now() + START_MAX;
        while !done(self).await? {
            if Instant::now() >= deadline {
                let output = self.command(0, &["CLUSTER", "NODES"]).await?;
                return Err(Error::Timeout { what: what.to_owned(), within: START_MAX, output });
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }
}
