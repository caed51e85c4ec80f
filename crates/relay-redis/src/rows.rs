//! [`Rows`] on Redis.

use crate::connection::RelayRedis;
use crate::script::{CHANGE, run};
use tollwire_ledger::Timestamp;
use tollwire_redis::redis::{Cmd, Value, cmd};
use tollwire_redis::reply::read;
use tollwire_relay::store::{BoxFuture, Change, Changed, Row, Rows, StoreError};

/// Rows that all brokers of a Redis share.
#[derive(Debug, Clone)]
pub struct RedisRows(RelayRedis);

impl RedisRows {
    /// Rows over this connection.
    pub fn new(redis: RelayRedis) -> Self {
        Self(redis)
    }

    fn row_key(&self, key: &str) -> String {
        self.0.key(&format!("row:{key}"))
    }

    fn changing(&self, change: &Change) -> Cmd {
        let mut keys = vec![self.row_key(&change.key), self.0.key("due")];
        keys.extend(change.alias.as_ref().map(|alias| self.0.key(&format!("alias:{alias}"))));
        let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        let mut call = run(&CHANGE, &keys);
        call.arg(&change.key).arg(number(change.from));
        call.arg(number(change.to.as_ref().map(|row| row.version)));
        call.arg(change.to.as_ref().map(|row| row.content.as_slice()).unwrap_or_default());
        call.arg(change.keep_until.millis()).arg(number(change.due.map(Timestamp::millis)));
        call
    }
}

impl Rows for RedisRows {
    fn row(&self, key: &str) -> BoxFuture<'_, Result<Option<Row>, StoreError>> {
        let mut ask = cmd("HMGET");
        ask.arg(self.row_key(key)).arg("v").arg("c");
        Box::pin(async move {
            let (version, content): (Option<u64>, Option<Vec<u8>>) = read(self.0.ask_one(ask).await?, "row")?;
            Ok(version.zip(content).map(|(version, content)| Row { version, content }))
        })
    }

    fn change(&self, change: Change) -> BoxFuture<'_, Result<Changed, StoreError>> {
        Box::pin(
            async move { changed(read(self.0.ask_one(self.changing(&change)).await?, "script answer")?) },
        )
    }

    fn due(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        let mut ask = cmd("ZRANGEBYSCORE");
        ask.arg(self.0.key("due")).arg("-inf").arg(now.millis()).arg("LIMIT").arg(0).arg(limit);
        Box::pin(async move { read(self.0.ask_one(ask).await?, "index") })
    }
}

fn changed(answer: Vec<Value>) -> Result<Changed, StoreError> {
    let unreadable = || StoreError::Corrupt("script answer is not readable".to_owned());
    let mut answer = answer.into_iter();
    let word: String = read(answer.next().unwrap_or_default(), "script answer")?;
    match (word.as_str(), answer.next(), answer.next()) {
        ("done", None, None) => Ok(Changed::Done),
        ("taken", None, None) => Ok(Changed::Taken),
        ("moved", None, None) => Ok(Changed::Moved(None)),
        ("moved", Some(version), Some(content)) => {
            let row = Row { version: read(version, "version")?, content: read(content, "row")? };
            Ok(Changed::Moved(Some(row)))
        }
        _ => Err(unreadable()),
    }
}
