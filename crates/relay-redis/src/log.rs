//! [`Log`] on Redis Streams: an entry is an entry of a stream, with its number as its id.

use crate::connection::RelayRedis;
use crate::script::{LOG_APPEND, LOG_EXPIRED, LOG_MARK, LOG_READ, LOG_TAKE, run};
use bytes::Bytes;
use tollwire_ledger::Timestamp;
use tollwire_redis::redis::{Cmd, Value, cmd};
use tollwire_redis::reply::read;
use tollwire_relay::log::{Append, Appended, Caps, Depth, Entry, Log, Overflow, READ_COUNT_MAX};
use tollwire_relay::store::{BoxFuture, StoreError};

/// A log that all brokers of a Redis share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RedisLog(RelayRedis);

/// An entry as the scripts give it: number, until, mark, body.
type Row = (u64, u64, u64, Vec<u8>);

impl RedisLog {
    /// A log over this connection.
    pub fn new(redis: RelayRedis) -> Self {
        Self(redis)
    }

    fn entries(&self, stream: &str) -> String {
        self.0.key(&format!("log:{stream}"))
    }

    fn state(&self, stream: &str) -> String {
        self.0.key(&format!("log_state:{stream}"))
    }

    fn ends(&self) -> String {
        self.0.key("log_ends")
    }

    fn appending(&self, stream: &str, new: &Append, caps: Caps) -> Cmd {
        let mut keys = vec![self.entries(stream), self.state(stream), self.ends()];
        keys.extend(new.once.as_ref().map(|once| self.0.key(&format!("log_once:{stream}:{}", once.key))));
        let mut call = run(&LOG_APPEND, &keys);
        call.arg(stream).arg(&*new.body).arg(new.until.millis()).arg(caps.count).arg(caps.bytes);
        call.arg(match caps.overflow {
            Overflow::Refuse => "refuse",
            Overflow::ForgetOldest => "forget",
        });
        if let Some(once) = &new.once {
            call.arg(&once.memo).arg(once.until.millis());
        }
        call
    }
}

fn entry((seq, until, mark, body): Row) -> Entry {
    Entry { seq, until: Timestamp::from_millis(until), mark, body: body.into() }
}

/// The number of an entry, `None` for none.
fn number(answer: Value) -> Result<Option<u64>, StoreError> {
    let text: String = read(answer, "script answer")?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| StoreError::Corrupt("a number is not readable".to_owned()))
}

impl Log for RedisLog {
    fn append<'a>(
        &'a self,
        stream: &'a str,
        new: Append,
        caps: Caps,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Appended, StoreError>> {
        Box::pin(async move {
            let answer: Vec<String> =
                read(self.0.ask_one(self.appending(stream, &new, caps)).await?, "script answer")?;
            let words: Vec<&str> = answer.iter().map(String::as_str).collect();
            let unreadable = || StoreError::Corrupt("script answer is not readable".to_owned());
            match words[..] {
                ["full"] => Ok(Appended::Full),
                ["duplicate", memo] => Ok(Appended::Duplicate { memo: memo.to_owned() }),
                ["stored", seq] => seq.parse().map(Appended::Stored).map_err(|_| unreadable()),
                _ => Err(unreadable()),
            }
        })
    }

    fn read<'a>(
        &'a self,
        stream: &'a str,
        after: u64,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>, StoreError>> {
        let mut call = run(&LOG_READ, &[self.entries(stream), self.state(stream), self.ends()]);
        call.arg(stream).arg(after).arg(READ_COUNT_MAX).arg(bytes_max);
        Box::pin(async move {
            let rows: Vec<Row> = read(self.0.ask_one(call).await?, "entries")?;
            Ok(rows.into_iter().map(entry).collect())
        })
    }

    fn mark<'a>(
        &'a self,
        stream: &'a str,
        seq: u64,
        mark: u64,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let mut call = run(&LOG_MARK, &[self.state(stream), self.ends()]);
        call.arg(stream).arg(seq).arg(mark).arg(until.millis());
        Box::pin(async move { read(self.0.ask_one(call).await?, "script answer") })
    }

    fn acknowledge<'a>(&'a self, stream: &'a str, seq: u64) -> BoxFuture<'a, Result<bool, StoreError>> {
        let mut call = run(&LOG_TAKE, &[self.entries(stream), self.state(stream), self.ends()]);
        call.arg(stream).arg(seq);
        Box::pin(async move { Ok(number(self.0.ask_one(call).await?)?.is_some()) })
    }

    fn carry<'a>(
        &'a self,
        from: &'a str,
        seq: u64,
        to: &'a str,
        body: Bytes,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<Option<u64>, StoreError>> {
        let keys = [self.entries(from), self.state(from), self.ends(), self.entries(to), self.state(to)];
        let mut call = run(&LOG_TAKE, &keys);
        call.arg(from).arg(seq).arg(to).arg(&*body).arg(until.millis());
        Box::pin(async move { number(self.0.ask_one(call).await?) })
    }

    fn expired(&self, now: Timestamp, max: usize) -> BoxFuture<'_, Result<Vec<(String, Entry)>, StoreError>> {
        let mut call = run(&LOG_EXPIRED, &[self.ends()]);
        call.arg(now.millis()).arg(max).arg(self.entries("")).arg(self.state(""));
        Box::pin(async move {
            let rows: Vec<(String, Row)> = read(self.0.ask_one(call).await?, "entries")?;
            Ok(rows.into_iter().map(|(stream, row)| (stream, entry(row))).collect())
        })
    }

    fn depth<'a>(&'a self, stream: &'a str) -> BoxFuture<'a, Result<Depth, StoreError>> {
        let mut call = cmd("HMGET");
        call.arg(self.state(stream)).arg("count").arg("bytes");
        Box::pin(async move {
            let (count, bytes): (Option<u64>, Option<u64>) = read(self.0.ask_one(call).await?, "depth")?;
            Ok(Depth { count: count.unwrap_or_default(), bytes: bytes.unwrap_or_default() })
        })
    }
}
