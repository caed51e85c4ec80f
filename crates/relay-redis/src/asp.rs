//! [`Sessions`] on Redis: a hash for the head, a stream for the messages, with their numbers as their ids.

use crate::bus::SESSIONS;
use crate::connection::RelayRedis;
use crate::script::{ASP_APPEND, ASP_CREATE, ASP_READ, run, run_with_room};
use bytes::Bytes;
use tollwire_asp::{Hash, SessionId};
use tollwire_ledger::Timestamp;
use tollwire_redis::redis::{Cmd, Value, cmd};
use tollwire_redis::reply::read;
use tollwire_relay::asp::store::{Append, Head, PAGE_MAX, Sessions, Stored};
use tollwire_relay::store::{BoxFuture, StoreError};

/// Bytes of a key, of what stands beside it, and of an append without its keys and messages, roughly.
const KEY_BYTES: usize = 384;
const REST_BYTES: usize = 512;

/// Keys that are looked through at once.
const SCAN_COUNT: usize = 1_000;

/// Sessions that all brokers of a Redis share. Cheap to clone. An append is one script and one round trip, which appends of
/// other sessions share, and tells the other brokers by itself, if there are any: hear them by
/// [`RedisBus::of_sessions`](crate::RedisBus::of_sessions).
#[derive(Debug, Clone)]
pub struct RedisSessions(RelayRedis);

impl RedisSessions {
    /// Sessions over this connection.
    pub fn new(redis: RelayRedis) -> Self {
        Self(redis)
    }

    /// A key of a session; all of them are in one slot.
    fn key(&self, session: &SessionId, what: &str) -> String {
        self.0.key_of(["asp:{", session.as_str(), "}:", what])
    }

    /// The names of all sessions, newest first: every key of the database is looked at.
    async fn names(&self) -> Result<Vec<SessionId>, StoreError> {
        let (before, after) = (self.0.key("asp:{"), "}:head");
        let (mut cursor, mut found) = (0_u64, Vec::new());
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(format!("{before}*{after}")).arg("COUNT").arg(SCAN_COUNT);
            let (next, keys): (u64, Vec<String>) = read(self.0.ask_one(scan).await?, "keys")?;
            let name =
                |key: &String| key.strip_prefix(&before)?.strip_suffix(after)?.parse::<SessionId>().ok();
            found.extend(keys.iter().filter_map(name));
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        // They sort by time; a scan may give one twice.
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.dedup();
        Ok(found)
    }

    fn appending(&self, session: &SessionId, append: &Append) -> Cmd {
        let onces = || {
            let all = append.messages.iter().enumerate();
            all.filter_map(|(place, message)| Some((place, message.once.as_ref()?)))
        };
        let mut keys = vec![self.key(session, "head"), self.key(session, "messages")];
        keys.extend(
            onces().map(|(_, once)| self.0.key_of(["asp:{", session.as_str(), "}:once:", &once.key])),
        );
        let bodies = append.messages.iter().map(|message| message.body.len());
        let bytes = bodies.fold(append.content.len(), usize::saturating_add);
        let rest = keys.len().saturating_mul(KEY_BYTES).saturating_add(REST_BYTES);
        let arguments = append.messages.len().saturating_mul(4).saturating_add(10);
        let mut call = run_with_room(&ASP_APPEND, &keys, (arguments, bytes.saturating_add(rest)));
        call.arg(append.after.0).arg(&append.after.1).arg(&append.hash).arg(&*append.content);
        call.arg(append.keep).arg(append.until.millis());
        call.arg(self.0.key_of([SESSIONS, "nodes"])).arg(self.0.ears().only().as_deref().unwrap_or_default());
        call.arg(session.as_str()).arg(append.messages.len());
        for message in &append.messages {
            call.arg(&*message.body);
        }
        for (place, once) in onces() {
            call.arg(place).arg(&once.memo).arg(once.until.millis());
        }
        call
    }
}

/// Whether messages were stored. The head was the one they were made for: its hash covers all before it, and so the store is whole.
const fn is_stored(answer: &Value) -> bool {
    matches!(answer, Value::Int(1))
}

fn stored(answer: Value) -> Result<Stored, StoreError> {
    match answer {
        stored if is_stored(&stored) => return Ok(Stored::Done),
        Value::Int(0) => return Ok(Stored::Unknown),
        _ => {}
    }
    let mut rest = read::<Vec<Value>>(answer, "script answer")?.into_iter();
    let word: String = read(rest.next().unwrap_or_default(), "script answer")?;
    let mut next = || rest.next().unwrap_or_default();
    match word.as_str() {
        "duplicates" => rest.map(|one| read(one, "memo")).collect::<Result<_, _>>().map(Stored::Duplicates),
        "moved" => Ok(Stored::Moved(Head {
            seq: read(next(), "number")?,
            hash: read(next(), "hash")?,
            first: read(next(), "number")?,
            content: read::<Vec<u8>>(next(), "head")?.into(),
        })),
        _ => Err(StoreError::Corrupt("script answer is not readable".to_owned())),
    }
}

impl Sessions for RedisSessions {
    fn create<'a>(
        &'a self,
        session: &'a SessionId,
        content: Bytes,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let mut call = run(&ASP_CREATE, &[self.key(session, "head")]);
        call.arg(Hash::GENESIS.to_string()).arg(&*content).arg(until.millis());
        Box::pin(async move { read(self.0.ask_one(call).await?, "script answer") })
    }

    fn head<'a>(
        &'a self,
        session: &'a SessionId,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Head>, StoreError>> {
        type Row = (Option<u64>, Option<String>, Option<u64>, Option<Vec<u8>>);
        let mut call = cmd("HMGET");
        call.arg(self.key(session, "head")).arg("seq").arg("hash").arg("first").arg("content");
        Box::pin(async move {
            let (seq, hash, first, content): Row = read(self.0.ask_one(call).await?, "head")?;
            let all = seq.zip(hash).zip(first.zip(content));
            Ok(all.map(|((seq, hash), (first, content))| Head { seq, hash, first, content: content.into() }))
        })
    }

    fn newest(
        &self,
        count: usize,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<(SessionId, Head)>, StoreError>> {
        Box::pin(async move {
            let mut found = Vec::new();
            for session in self.names().await? {
                if found.len() >= count {
                    break;
                }
                // It may have ended since its name was read.
                if let Some(head) = self.head(&session, now).await? {
                    found.push((session, head));
                }
            }
            Ok(found)
        })
    }

    fn append<'a>(
        &'a self,
        session: &'a SessionId,
        append: Append,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Stored, StoreError>> {
        Box::pin(
            async move { stored(self.0.ask_telling(self.appending(session, &append), is_stored).await?) },
        )
    }

    fn read<'a>(
        &'a self,
        session: &'a SessionId,
        after: u64,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Vec<(u64, Bytes)>, StoreError>> {
        let mut call = run(&ASP_READ, &[self.key(session, "messages")]);
        call.arg(after).arg(PAGE_MAX).arg(bytes_max);
        Box::pin(async move {
            let rows: Vec<(u64, Vec<u8>)> = read(self.0.ask_one(call).await?, "messages")?;
            Ok(rows.into_iter().map(|(seq, body)| (seq, body.into())).collect())
        })
    }

    fn sweep(&self, _: Timestamp) -> BoxFuture<'_, Result<(), StoreError>> {
        // Redis forgets by itself.
        Box::pin(std::future::ready(Ok(())))
    }
}
