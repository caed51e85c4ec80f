//! A server that is the same one as at the start, or none at all.

use crate::config::ServerConfig;
use crate::connection::Connections;
use crate::redis::{Pipeline, Value};
use crate::{reply, server};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tollwire_ledger::core::MILLIS_MAX;
use tollwire_ledger::{Error, Timestamp};

/// A store on a Redis server, shared by any number of nodes.
pub struct Store {
    connections: Connections,
    epoch_key: String,
    epoch: String,
    lost: AtomicBool,
}

impl Store {
    /// Connects and checks that the server is fit.
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
        let epoch_key = format!("{}epoch", config.prefix);
        let mut connections = Connections::new(address, config.connections, config.timeout, scripts)?;
        server::check(&connections, config.allow_volatile).await?;
        let epoch = server::epoch(&connections, &epoch_key, indexes, now).await?;
        connections.expect_epoch(epoch_key.clone(), epoch.clone());
        if config.allow_volatile {
            tracing::warn!("this Redis may forget what was paid: allow_volatile is set");
        }
        Ok(Self { connections, epoch_key, epoch, lost: AtomicBool::new(false) })
    }

    /// One round trip; an error of one command is the error of all. Once the store was found lost, nothing is asked of
    /// it any more.
    pub async fn ask(&self, commands: &Pipeline) -> Result<Vec<Value>, Error> {
        self.ask_within(commands, Duration::ZERO).await
    }

    /// The same for commands that themselves wait for replicas, for at most `extra`.
    pub async fn ask_within(&self, commands: &Pipeline, extra: Duration) -> Result<Vec<Value>, Error> {
        if self.lost.load(Ordering::Acquire) {
            return Err(Error::Lost);
        }
        let answers = self.connections.send(commands, extra).await;
        if answers.as_ref().is_err_and(|error| *error == Error::Lost) {
            self.lose();
        }
        answers.and_then(reply::none_refused)
    }

    /// One round trip that also reads the epoch: for what an emptied store would answer plausibly.
    pub async fn ask_whole(&self, commands: &Pipeline) -> Result<Vec<Value>, Error> {
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

    /// When the store of this epoch began. Of an epoch that does not say so: at the end of time, so that nothing counts
    /// as newer.
    pub fn born(&self) -> Timestamp {
        let millis = self.epoch.split_once('-').and_then(|(millis, _)| millis.parse().ok());
        Timestamp::from_millis(millis.unwrap_or(MILLIS_MAX))
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

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("epoch", &self.epoch_key).finish_non_exhaustive()
    }
}
