//! [`Notes`] on Redis: those that lapse are keys with an expiry of the server's, the others fields of a hash.

use crate::connection::RelayRedis;
use crate::script::{NOTE_REPLACE, run};
use bytes::Bytes;
use tollwire_ledger::Timestamp;
use tollwire_redis::redis::{Cmd, FromRedisValue, cmd};
use tollwire_redis::reply::read;
use tollwire_relay::notes::{Key, Notes, Topic};
use tollwire_relay::store::{BoxFuture, StoreError};

/// Keys that are looked through at once.
const SCAN_COUNT: usize = 1_000;

/// Notes that all brokers of a Redis share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RedisNotes(RelayRedis);

impl RedisNotes {
    /// Notes over this connection.
    pub fn new(redis: RelayRedis) -> Self {
        Self(redis)
    }

    fn hash(&self, topic: Topic) -> String {
        self.0.key(&format!("notes:{}", topic.as_str()))
    }

    fn key(&self, (topic, name): Key<'_>) -> String {
        self.0.key(&format!("note:{}:{name}", topic.as_str()))
    }

    async fn ask<T: FromRedisValue>(&self, command: Cmd) -> Result<T, StoreError> {
        read(self.0.ask_one(command).await?, "note")
    }

    async fn scan(&self, topic: Topic) -> Result<Vec<(String, Bytes)>, StoreError> {
        let prefix = self.key((topic, ""));
        let (mut cursor, mut found) = (0_u64, Vec::new());
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(format!("{prefix}*")).arg("COUNT").arg(SCAN_COUNT);
            let (next, keys): (u64, Vec<String>) = self.ask(scan).await?;
            if !keys.is_empty() {
                let mut get = cmd("MGET");
                get.arg(&keys);
                let values: Vec<Option<Vec<u8>>> = self.ask(get).await?;
                let names = keys.iter().map(|key| key.strip_prefix(&prefix).unwrap_or(key).to_owned());
                found.extend(names.zip(values).filter_map(|(name, value)| Some((name, Bytes::from(value?)))));
            }
            cursor = next;
            if cursor == 0 {
                return Ok(found);
            }
        }
    }
}

impl Notes for RedisNotes {
    fn put<'a>(
        &'a self,
        key: Key<'a>,
        value: Bytes,
        until: Option<Timestamp>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut call;
        if key.0.lapses() {
            call = cmd("SET");
            call.arg(self.key(key)).arg(&*value);
            if let Some(until) = until {
                call.arg("PXAT").arg(until.millis());
            }
        } else {
            call = cmd("HSET");
            call.arg(self.hash(key.0)).arg(key.1).arg(&*value);
        }
        Box::pin(self.ask(call))
    }

    fn claim<'a>(
        &'a self,
        key: Key<'a>,
        value: Bytes,
        until: Option<Timestamp>,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        if !key.0.lapses() {
            let mut call = cmd("HSETNX");
            call.arg(self.hash(key.0)).arg(key.1).arg(&*value);
            return Box::pin(self.ask(call));
        }
        let mut call = cmd("SET");
        call.arg(self.key(key)).arg(&*value).arg("NX");
        if let Some(until) = until {
            call.arg("PXAT").arg(until.millis());
        }
        Box::pin(async move {
            let written: Option<String> = self.ask(call).await?;
            Ok(written.is_some())
        })
    }

    fn replace<'a>(
        &'a self,
        key: Key<'a>,
        was: Bytes,
        value: Bytes,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let (place, name) =
            if key.0.lapses() { (self.key(key), None) } else { (self.hash(key.0), Some(key.1)) };
        let mut call = run(&NOTE_REPLACE, &[place]);
        call.arg(&*was).arg(&*value).arg(name);
        Box::pin(self.ask(call))
    }

    fn get<'a>(&'a self, key: Key<'a>, _: Timestamp) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>> {
        let mut call;
        if key.0.lapses() {
            call = cmd("GET");
            call.arg(self.key(key));
        } else {
            call = cmd("HGET");
            call.arg(self.hash(key.0)).arg(key.1);
        }
        Box::pin(async move {
            let value: Option<Vec<u8>> = self.ask(call).await?;
            Ok(value.map(Bytes::from))
        })
    }

    fn sweep(&self, _: Timestamp) -> BoxFuture<'_, Result<(), StoreError>> {
        // The server does it.
        Box::pin(std::future::ready(Ok(())))
    }

    fn remove<'a>(&'a self, key: Key<'a>) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut call;
        if key.0.lapses() {
            call = cmd("DEL");
            call.arg(self.key(key));
        } else {
            call = cmd("HDEL");
            call.arg(self.hash(key.0)).arg(key.1);
        }
        Box::pin(async move {
            let _count: u64 = self.ask(call).await?;
            Ok(())
        })
    }

    fn list(&self, topic: Topic, _: Timestamp) -> BoxFuture<'_, Result<Vec<(String, Bytes)>, StoreError>> {
        Box::pin(async move {
            let mut found = if topic.lapses() {
                self.scan(topic).await?
            } else {
                let mut call = cmd("HGETALL");
                call.arg(self.hash(topic));
                let all: Vec<(String, Vec<u8>)> = self.ask(call).await?;
                all.into_iter().map(|(name, value)| (name, Bytes::from(value))).collect()
            };
            found.sort();
            Ok(found)
        })
    }
}
