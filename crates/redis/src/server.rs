//! What is asked of a Redis before money is trusted to it.

use crate::connection::only;
use crate::redis::{FromRedisValue, Pipeline, cmd};
use crate::reply::read;
use crate::slot;
use crate::store::Servers;
use tollwire_ledger::{Error, Timestamp};

/// The oldest major version that the scripts were tested with.
const VERSION_MIN: u64 = 7;

/// How many slots are asked for their epoch in one request.
const SLOTS_AT_ONCE: usize = 1_024;

/// Whether rows may be trusted to the one server; those of a cluster are asked when they are connected to.
pub(crate) async fn check(servers: &Servers, allow_volatile: bool) -> Result<(), Error> {
    if matches!(servers, Servers::Many(_)) {
        return Ok(());
    }
    let info: String = one(servers, only(cmd("INFO"))).await?;
    fit(&info, allow_volatile)
}

/// Whether rows may be trusted to a server that stands alone.
fn fit(info: &str, allow_volatile: bool) -> Result<(), Error> {
    if field(info, "cluster_enabled") == "1" {
        return refused("this Redis is one of a cluster: name it by redis-cluster:// or rediss-cluster://");
    }
    if field(info, "role") != "master" {
        return refused("this Redis is a replica; name the primary");
    }
    keeps(info, allow_volatile)
}

/// Whether rows may be trusted to a server of a cluster, which may be the primary or become it.
pub(crate) fn fit_member(info: &str, allow_volatile: bool) -> Result<(), Error> {
    if field(info, "cluster_enabled") != "1" {
        return refused("this Redis is no cluster's: name it by redis:// or rediss://");
    }
    keeps(info, allow_volatile)
}

fn field<'a>(info: &'a str, name: &str) -> &'a str {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or_default()
}

fn refused(why: impl Into<String>) -> Result<(), Error> {
    Err(Error::Unfit(why.into()))
}

/// Whether a server is new enough and forgets nothing.
fn keeps(info: &str, allow_volatile: bool) -> Result<(), Error> {
    let version = field(info, "redis_version");
    let major = version.split('.').next().and_then(|major| major.parse::<u64>().ok());
    if major.is_none_or(|major| major < VERSION_MIN) {
        return refused(format!("Redis {version} is too old; {VERSION_MIN}.0 or newer is needed"));
    }
    if allow_volatile {
        return Ok(());
    }
    if field(info, "aof_enabled") != "1" {
        return refused(
            "this Redis keeps no append-only file: a restart would lose paid balances; set `appendonly yes`, or \
             allow_volatile = true for development",
        );
    }
    let policy = field(info, "maxmemory_policy");
    if policy != "noeviction" {
        return refused(format!(
            "this Redis may evict balances (maxmemory-policy {policy}); set `maxmemory-policy noeviction`, or \
             allow_volatile = true for development"
        ));
    }
    Ok(())
}

/// The store's epoch, created if the store is new; `used` says that it was used before.
pub(crate) async fn epoch(
    servers: &Servers,
    key: &str,
    used: bool,
    now: Option<Timestamp>,
) -> Result<String, Error> {
    if let Some(epoch) = one(servers, get(key)).await? {
        return Ok(epoch);
    }
    if used {
        return Err(Error::Unfit(
            "this Redis holds rows but its epoch is gone: it was only partly restored".to_owned(),
        ));
    }
    let now = match now {
        Some(now) => now,
        None => time(servers).await?,
    };
    let mut create = Pipeline::new();
    create.cmd("SET").arg(key).arg(format!("{}-{}", now.millis(), random()?)).arg("NX");
    create.cmd("GET").arg(key);
    // Of several nodes that start at once, one creates it, and all read the same.
    let (_, epoch): (Option<String>, String) = two(servers, create).await?;
    Ok(epoch)
}

/// Whether one of these keys exists.
pub(crate) async fn any(servers: &Servers, keys: &[String]) -> Result<bool, Error> {
    let mut ask = Pipeline::new();
    for key in keys {
        ask.cmd("EXISTS").arg(key);
    }
    for answer in servers.send(&ask).await? {
        if read::<u64>(answer, "answer")? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether some slot of a cluster has an epoch, whichever.
pub(crate) async fn any_slot(servers: &Servers, key: impl Fn(u16) -> String) -> Result<bool, Error> {
    let slots: Vec<u16> = (0..slot::SLOTS).collect();
    for some in slots.chunks(SLOTS_AT_ONCE) {
        let keys: Vec<String> = some.iter().map(|slot| key(*slot)).collect();
        if any(servers, &keys).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Gives every slot of a cluster the epoch, or, once all have had it (`done` exists), checks that they still have.
pub(crate) async fn epoch_everywhere(
    servers: &Servers,
    key: impl Fn(u16) -> String,
    done: &str,
    epoch: &str,
) -> Result<(), Error> {
    let old = any(servers, &[done.to_owned()]).await?;
    let slots: Vec<u16> = (0..slot::SLOTS).collect();
    for some in slots.chunks(SLOTS_AT_ONCE) {
        if !old {
            let mut give = Pipeline::new();
            for slot in some {
                give.cmd("SET").arg(key(*slot)).arg(epoch).arg("NX");
            }
            crate::reply::none_refused(servers.send(&give).await?)?;
        }
        let mut ask = Pipeline::new();
        for slot in some {
            ask.cmd("GET").arg(key(*slot));
        }
        for (slot, answer) in some.iter().zip(servers.send(&ask).await?) {
            let found: Option<String> = read(answer, "epoch")?;
            if found.as_deref() != Some(epoch) {
                return Err(Error::Unfit(format!(
                    "a primary of this Redis Cluster was emptied or exchanged: slot {slot} has not the epoch of the \
                     store"
                )));
            }
        }
    }
    if !old {
        let mut write = Pipeline::new();
        write.cmd("SET").arg(done).arg("1");
        crate::reply::none_refused(servers.send(&write).await?)?;
    }
    Ok(())
}

fn get(key: &str) -> Pipeline {
    let mut ask = Pipeline::new();
    ask.cmd("GET").arg(key);
    ask
}

async fn time(servers: &Servers) -> Result<Timestamp, Error> {
    let (secs, micros): (u64, u64) = one(servers, only(cmd("TIME"))).await?;
    Ok(Timestamp::from_millis(secs.saturating_mul(1_000).saturating_add(micros / 1_000)))
}

fn random() -> Result<String, Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::Unavailable(format!("no randomness: {error}")))?;
    Ok(u128::from_be_bytes(bytes).to_string())
}

async fn one<T: FromRedisValue>(servers: &Servers, ask: Pipeline) -> Result<T, Error> {
    let answers = servers.send(&ask).await?;
    let [answer] = <[_; 1]>::try_from(answers).map_err(|_| short())?;
    read(answer, "answer")
}

async fn two<A, B>(servers: &Servers, ask: Pipeline) -> Result<(A, B), Error>
where
    A: FromRedisValue,
    B: FromRedisValue,
{
    let answers = servers.send(&ask).await?;
    let [first, second] = <[_; 2]>::try_from(answers).map_err(|_| short())?;
    Ok((read(first, "answer")?, read(second, "answer")?))
}

fn short() -> Error {
    Error::Unavailable("Redis gave fewer answers than questions".to_owned())
}
