//! A server that is the same one as at the start, or none at all.

use crate::address::Address;
use crate::cluster::{Cluster, Epochs};
use crate::config::ServerConfig;
use crate::connection::{Connections, only};
use crate::redis::{Client, Cmd, Pipeline, RedisError, Value};
use crate::{reply, server, slot};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tollwire_ledger::core::MILLIS_MAX;
use tollwire_ledger::{Error, Timestamp};

/// A store on Redis, shared by any number of nodes.
pub struct Store {
    servers: Servers,
    address: Address,
    prefix: String,
    epoch_key: String,
    epoch: String,
    lost: AtomicBool,
}

/// Whom commands are sent to.
pub(crate) enum Servers {
    One(Box<Connections>),
    Many(Box<Cluster>),
}

/// Replicas that must have what was written before it counts.
#[derive(Debug, Clone, Copy)]
pub struct Replicas {
    /// How many, of each primary; 0 for none.
    pub count: u32,
    /// How long to wait for them.
    pub wait: Duration,
}

impl Servers {
    /// One answer for each command, whatever epoch there is.
    pub(crate) async fn send(&self, commands: &Pipeline) -> Result<Vec<Value>, Error> {
        match self {
            Self::One(server) => server.send(commands, Duration::ZERO).await,
            Self::Many(cluster) => cluster.send(commands, None).await,
        }
    }
}

impl Store {
    /// Connects and checks that the server is fit; of a cluster, every primary.
    ///
    /// The epoch lives at `<prefix>epoch`. `indexes` are keys that a store which was ever used has: an epoch that is
    /// missing beside one of them was lost. `scripts` loads the scripts, for a server that does not know them (new,
    /// restarted, or after `SCRIPT FLUSH`). A new epoch begins at `now`, by default the server's time.
    ///
    /// [`Error::Unfit`] says what to change; [`Error::Unavailable`] means it could not be asked.
    pub async fn connect(
        config: &ServerConfig,
        indexes: &[String],
        scripts: fn() -> Pipeline,
        now: Option<Timestamp>,
    ) -> Result<Self, Error> {
        let address = config.check()?;
        let prefix = config.key_prefix(&address);
        let epoch_key = format!("{prefix}epoch");
        address.prepare();
        let mut servers = if let Some(place) = address.cluster() {
            let cluster = Box::new(Cluster::new(place, config.clone(), scripts, &epoch_key));
            cluster.whole().await?;
            Servers::Many(cluster)
        } else {
            let server = Connections::new(address.clone(), config.connections, config.timeout, scripts)?;
            Servers::One(Box::new(server))
        };
        server::check(&servers, config.allow_volatile).await?;
        let (epoch, epochs) = if address.is_cluster() && !config.one_slot {
            spread(&servers, &prefix, &epoch_key, indexes, now).await?
        } else {
            let used = server::any(&servers, indexes).await?;
            let epoch = server::epoch(&servers, &epoch_key, used, now).await?;
            (epoch.clone(), one_slot(epoch, &epoch_key))
        };
        match &mut servers {
            Servers::One(server) => server.expect_epoch(epoch_key.clone(), epoch.clone()),
            Servers::Many(cluster) => cluster.expect(epochs),
        }
        if config.allow_volatile {
            tracing::warn!("this Redis may forget what was paid: allow_volatile is set");
        }
        Ok(Self { servers, address, prefix, epoch_key, epoch, lost: AtomicBool::new(false) })
    }

    /// Whether rows are in several places, so that commands of one request may reach them in another order, and what is
    /// said of one says nothing of the others.
    pub fn is_spread(&self) -> bool {
        matches!(self.servers, Servers::Many(_))
    }

    /// One round trip; an error of one command is the error of all. Once the store was found lost, nothing is asked of
    /// it any more.
    pub async fn ask(&self, commands: &Pipeline) -> Result<Vec<Value>, Error> {
        self.whole_so_far()?;
        self.told(self.servers.send(commands).await)
    }

    /// One answer, by one round trip that other tasks of this thread share if they ask at this moment: the commands leave in
    /// one write, and each can be sent again.
    pub async fn ask_joined(&self, command: Cmd) -> Result<Value, Error> {
        let Servers::One(server) = &self.servers else {
            return reply::first(self.ask(&only(command)).await?);
        };
        self.whole_so_far()?;
        reply::first(self.told(server.send_joined(command).await.map(|answer| vec![answer]))?)
    }

    /// One round trip that also reads the epoch: for what an emptied store would answer plausibly. No commands: of every
    /// primary there is.
    pub async fn ask_whole(&self, commands: &Pipeline) -> Result<Vec<Value>, Error> {
        let Servers::Many(cluster) = &self.servers else { return self.ask_with_epoch(commands).await };
        if !commands.is_empty() {
            // Every answer comes with the epoch of its slot.
            return self.ask(commands).await;
        }
        self.whole_so_far()?;
        self.told(cluster.whole().await.map(|()| Vec::new()))
    }

    /// Whether the store is whole where this key is.
    pub async fn whole_at(&self, key: &str) -> Result<(), Error> {
        let mut ask = Pipeline::new();
        if self.is_spread() {
            ask.cmd("EXISTS").arg(key);
        }
        self.ask_whole(&ask).await.map(drop)
    }

    async fn ask_with_epoch(&self, commands: &Pipeline) -> Result<Vec<Value>, Error> {
        let mut with_epoch = Pipeline::with_capacity(commands.len().saturating_add(1));
        with_epoch.cmd("GET").arg(&self.epoch_key);
        for command in commands.cmd_iter() {
            with_epoch.add_command(command.clone());
        }
        let mut answers = self.ask(&with_epoch).await?.into_iter();
        let epoch: Option<String> = reply::read(answers.next().unwrap_or_default(), "epoch")?;
        if epoch.as_deref() != Some(self.epoch.as_str()) {
            return Err(self.lose());
        }
        Ok(answers.collect())
    }

    /// Sends commands, and answers when the replicas have what they wrote, in this request or before: every command must be
    /// one that can be sent again. On one server the commands run in their order.
    ///
    /// [`Error::Unavailable`] if too few confirm in time: then the commands may have run.
    pub async fn ask_replicated(&self, commands: &Pipeline, replicas: Replicas) -> Result<Vec<Value>, Error> {
        self.whole_so_far()?;
        if replicas.count == 0 {
            return self.ask(commands).await;
        }
        let server = match &self.servers {
            Servers::Many(cluster) => return self.told(cluster.send(commands, Some(&replicas)).await),
            Servers::One(server) => server,
        };
        let mut commands = commands.clone();
        // A write of our own, because WAIT covers only what its connection wrote: a repeated command writes nothing,
        // and the first try may have gone over another connection.
        commands.cmd("SET").arg(format!("{}mark", self.prefix)).arg("1");
        replicas.wait_in(&mut commands);
        let mut answers = self.told(server.send(&commands, replicas.wait).await)?;
        let reached = answers.pop().unwrap_or_default();
        drop(answers.pop());
        replicas.enough(reached)?;
        Ok(answers)
    }

    /// The same for a last command that counts on those before it: it runs after them wherever its keys are, and when
    /// the replicas have it they have those.
    pub async fn ask_surely(&self, commands: &Pipeline, replicas: Replicas) -> Result<Vec<Value>, Error> {
        if !self.is_spread() || commands.len() < 2 {
            return self.ask_replicated(commands, replicas).await;
        }
        let (mut before, mut last) = (Pipeline::new(), Pipeline::new());
        for (place, command) in commands.cmd_iter().enumerate() {
            let of = if place.saturating_add(1) == commands.len() { &mut last } else { &mut before };
            of.add_command(command.clone());
        }
        let mut answers = self.ask_replicated(&before, replicas).await?;
        answers.extend(self.ask_replicated(&last, replicas).await?);
        Ok(answers)
    }

    /// What makes connections of one's own to the primary that a key is at now, and whether it is there still.
    pub async fn client(&self, key: &str) -> Result<(Client, Seat), Error> {
        let unreachable = |error: RedisError| Error::Unavailable(format!("cannot connect to Redis: {error}"));
        if let Servers::Many(cluster) = &self.servers {
            let (place, info) = cluster.owner(key).await?;
            let client = Client::open(info).map_err(unreachable)?;
            return Ok((client, Seat(Some(place.to_string()))));
        }
        Ok((self.address.primary().await.map_err(unreachable)?, Seat(None)))
    }

    /// Whether a key is still where it was. Of one server, and as long as nobody in a cluster can say: yes.
    pub async fn is_still(&self, seat: &Seat, key: &str) -> bool {
        let (Servers::Many(cluster), Some(place)) = (&self.servers, &seat.0) else { return true };
        cluster.owner(key).await.map_or(true, |(now, _)| now.to_string() == *place)
    }

    /// When the store of this epoch began. Of an epoch that does not say so: at the end of time, so that nothing counts
    /// as newer.
    pub fn born(&self) -> Timestamp {
        let millis = self.epoch.split_once('-').and_then(|(millis, _)| millis.parse().ok());
        Timestamp::from_millis(millis.unwrap_or(MILLIS_MAX))
    }

    fn whole_so_far(&self) -> Result<(), Error> {
        if self.lost.load(Ordering::Acquire) { Err(Error::Lost) } else { Ok(()) }
    }

    fn told(&self, answers: Result<Vec<Value>, Error>) -> Result<Vec<Value>, Error> {
        if answers.as_ref().is_err_and(|error| *error == Error::Lost) {
            self.lose();
        }
        answers.and_then(reply::none_refused)
    }

    fn lose(&self) -> Error {
        if !self.lost.swap(true, Ordering::AcqRel) {
            tracing::error!(
                "the Redis store lost its epoch: it was emptied or exchanged; refusing everything"
            );
        }
        Error::Lost
    }
}

/// Which primary a key was at.
#[derive(Debug, Clone)]
pub struct Seat(Option<String>);

impl Replicas {
    pub(crate) fn wait_in(&self, commands: &mut Pipeline) {
        let wait = u64::try_from(self.wait.as_millis()).unwrap_or(u64::MAX);
        commands.cmd("WAIT").arg(self.count).arg(wait);
    }

    pub(crate) fn enough(&self, reached: Value) -> Result<(), Error> {
        let reached: u64 = reply::read(reached, "WAIT")?;
        if reached < u64::from(self.count) {
            return Err(Error::Unavailable(format!("{reached} of {} replicas answered in time", self.count)));
        }
        Ok(())
    }
}

/// All rows are in the epoch's own slot.
fn one_slot(epoch: String, key: &str) -> Epochs {
    let (home, key) = (slot::of(key.as_bytes()), key.to_owned());
    Epochs { epoch, key: Box::new(move |slot| (slot == home).then(|| key.clone())) }
}

/// The epoch of a store whose rows are in all slots: each of them has it, so that a primary without its rows is noticed.
async fn spread(
    servers: &Servers,
    prefix: &str,
    epoch_key: &str,
    indexes: &[String],
    now: Option<Timestamp>,
) -> Result<(String, Epochs), Error> {
    let of_slot = {
        let prefix = prefix.to_owned();
        move |slot: u16| format!("{prefix}epoch:{{{}}}", slot::tag(slot))
    };
    // Beside the epoch, so that whoever loses the one loses the other.
    let done = format!("{prefix}whole:{{{}}}", slot::tag(slot::of(epoch_key.as_bytes())));
    // Another node may write the first epoch while we look for traces of an older one: it writes that first.
    let used = server::any(servers, indexes).await? || server::any_slot(servers, &of_slot).await?;
    let epoch = server::epoch(servers, epoch_key, used, now).await?;
    server::epoch_everywhere(servers, &of_slot, &done, &epoch).await?;
    Ok((epoch.clone(), Epochs { epoch, key: Box::new(move |slot| Some(of_slot(slot))) }))
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("epoch", &self.epoch_key).finish_non_exhaustive()
    }
}
