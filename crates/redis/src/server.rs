//! What is asked of a Redis before money is trusted to it.

use crate::connection::{Connections, only};
use crate::redis::{FromRedisValue, Pipeline, cmd};
use crate::reply::read;
use std::time::Duration;
use tollwire_ledger::{Error, Timestamp};

/// The oldest major version that the scripts were tested with.
const VERSION_MIN: u64 = 7;

/// Whether rows may be trusted to the server.
pub(crate) async fn check(connections: &Connections, allow_volatile: bool) -> Result<(), Error> {
    let info: String = one(connections, only(cmd("INFO"))).await?;
    fit(&info, allow_volatile)
}

fn fit(info: &str, allow_volatile: bool) -> Result<(), Error> {
    let field = |name: &str| {
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix(':').map(str::to_owned);
        info.lines().find_map(value).unwrap_or_default()
    };
    let refused = |why: String| Err(Error::Unfit(why));
    let version = field("redis_version");
    let major = version.split('.').next().and_then(|major| major.parse::<u64>().ok());
    if major.is_none_or(|major| major < VERSION_MIN) {
        return refused(format!("Redis {version} is too old; {VERSION_MIN}.0 or newer is needed"));
    }
    if field("role") != "master" {
        return refused("this Redis is a replica; name the primary".to_owned());
    }
    if allow_volatile {
        return Ok(());
    }
    if field("aof_enabled") != "1" {
        return refused(
            "this Redis keeps no append-only file: a restart would lose paid balances; set `appendonly yes`, or \
             allow_volatile = true for development"
                .to_owned(),
        );
    }
    let policy = field("maxmemory_policy");
    if policy != "noeviction" {
        return refused(format!(
            "this Redis may evict balances (maxmemory-policy {policy}); set `maxmemory-policy noeviction`, or \
             allow_volatile = true for development"
        ));
    }
    Ok(())
}

/// The store's epoch, created if the store is new.
pub(crate) async fn epoch(
    connections: &Connections,
    key: &str,
    indexes: &[String],
    now: Option<Timestamp>,
) -> Result<String, Error> {
    let mut ask = Pipeline::new();
    ask.cmd("GET").arg(key);
    ask.cmd("EXISTS").arg(indexes);
    let (found, used): (Option<String>, u64) = two(connections, ask).await?;
    if let Some(epoch) = found {
        return Ok(epoch);
    }
    if used > 0 {
        return Err(Error::Unfit(
            "this Redis holds rows but its epoch is gone: it was only partly restored".to_owned(),
        ));
    }
    let now = match now {
        Some(now) => now,
        None => time(connections).await?,
    };
    let mut create = Pipeline::new();
    create.cmd("SET").arg(key).arg(format!("{}-{}", now.millis(), random()?)).arg("NX");
    create.cmd("GET").arg(key);
    // Of several nodes that start at once, one creates it, and all read the same.
    let (_, epoch): (Option<String>, String) = two(connections, create).await?;
    Ok(epoch)
}

async fn time(connections: &Connections) -> Result<Timestamp, Error> {
    let (secs, micros): (u64, u64) = one(connections, only(cmd("TIME"))).await?;
    Ok(Timestamp::from_millis(secs.saturating_mul(1_000).saturating_add(micros / 1_000)))
}

fn random() -> Result<String, Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::Unavailable(format!("no randomness: {error}")))?;
    Ok(u128::from_be_bytes(bytes).to_string())
}

async fn one<T: FromRedisValue>(connections: &Connections, ask: Pipeline) -> Result<T, Error> {
    let answers = connections.send(&ask, Duration::ZERO).await?;
    let [answer] = <[_; 1]>::try_from(answers).map_err(|_| short())?;
    read(answer, "answer")
}

async fn two<A, B>(connections: &Connections, ask: Pipeline) -> Result<(A, B), Error>
where
    A: FromRedisValue,
    B: FromRedisValue,
{
    let answers = connections.send(&ask, Duration::ZERO).await?;
    let [first, second] = <[_; 2]>::try_from(answers).map_err(|_| short())?;
    Ok((read(first, "answer")?, read(second, "answer")?))
}

fn short() -> Error {
    Error::Unavailable("Redis gave fewer answers than questions".to_owned())
}
