//! Kept connections: each carries many commands at once, and is replaced when it breaks.

use crate::address::Address;
use crate::joint::{Joint, Part, Reply};
use crate::server;
use deadpool_redis::redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, Pipeline, RedisError, ServerErrorKind,
    Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cmd,
};
use deadpool_redis::{Connection, Manager, Pool};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tollwire_ledger::Error;

/// How often a request is sent at most: again after a connection turned out to be broken or the scripts to be
/// missing. Every command is idempotent, so sending it twice is safe.
const ATTEMPTS_MAX: usize = 3;

/// Another server took its place while we were connected: whoever connects again finds that one.
const DEMOTED: &str = "this Redis is no longer the primary";

/// How many threads have sent something.
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Which of them this is. What one thread sends before it waits leaves in one write, if it leaves over one connection.
    static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed);
}

/// The connections of one node.
pub(crate) struct Connections {
    source: Source,
    lanes: Vec<Lane>,
    /// For requests that wait for replicas, so that the others do not wait behind them.
    waiting: Lane,
    timeout: Duration,
    scripts: fn() -> Pipeline,
    demand: Demand,
}

/// What a new connection must find before it is used.
enum Demand {
    Nothing,
    /// This key with this value.
    Epoch(String, String),
    /// A server of a cluster that keeps what it is told.
    Member {
        allow_volatile: bool,
    },
}

/// Where connections come from.
enum Source {
    /// One server's pool.
    Pool(Pool),
    /// Whichever server is the primary at that moment.
    Primary(Box<Address>),
    /// One server of a cluster.
    Member(Box<ConnectionInfo>),
}

/// A connection of one lane.
enum Held {
    Pooled(Connection),
    Own(MultiplexedConnection),
}

#[derive(Default)]
struct Lane {
    kept: Mutex<Kept>,
    joint: Joint,
}

#[derive(Default)]
struct Kept {
    connection: Option<Held>,
    /// Which connection this is, so that only the one that failed is thrown away.
    generation: u64,
}

enum Failure {
    /// Throw the connection away and try again.
    Broken(Error),
    /// The server does not know our scripts: load them and try again.
    NoScript,
    /// No use trying again now.
    Final(Error),
}

impl Connections {
    pub(crate) fn new(
        address: Address,
        lanes: usize,
        timeout: Duration,
        scripts: fn() -> Pipeline,
    ) -> Result<Self, Error> {
        address.prepare();
        let source = match address.server() {
            Some(server) => Source::Pool(pool(server, lanes)?),
            None => Source::Primary(Box::new(address)),
        };
        Ok(Self::of(source, lanes, timeout, scripts, Demand::Nothing))
    }

    /// To one server of a cluster. Every connection asks first whether rows may be trusted to it: [`Error::Unfit`].
    pub(crate) fn to_member(
        member: ConnectionInfo,
        lanes: usize,
        timeout: Duration,
        scripts: fn() -> Pipeline,
        allow_volatile: bool,
    ) -> Self {
        Self::of(Source::Member(Box::new(member)), lanes, timeout, scripts, Demand::Member { allow_volatile })
    }

    fn of(
        source: Source,
        lanes: usize,
        timeout: Duration,
        scripts: fn() -> Pipeline,
        demand: Demand,
    ) -> Self {
        let lanes = std::iter::repeat_with(Lane::default).take(lanes).collect();
        Self { source, lanes, waiting: Lane::default(), timeout, scripts, demand }
    }

    /// From now on a new connection is used only if it finds this epoch: the server behind it may have been restarted
    /// without its data.
    pub(crate) fn expect_epoch(&mut self, key: String, epoch: String) {
        self.demand = Demand::Epoch(key, epoch);
    }

    /// Sends commands in one round trip; one answer for each, errors of single commands included.
    ///
    /// `extra` is how long the commands themselves wait for replicas. Within `timeout` plus `extra`, or
    /// [`Error::Unavailable`]: then the commands may or may not have run.
    pub(crate) async fn send(&self, commands: &Pipeline, extra: Duration) -> Result<Vec<Value>, Error> {
        self.send_within(commands, !extra.is_zero(), self.timeout.saturating_add(extra)).await
    }

    /// The same within `limit`; `waits` if the commands themselves wait for replicas.
    pub(crate) async fn send_within(
        &self,
        commands: &Pipeline,
        waits: bool,
        limit: Duration,
    ) -> Result<Vec<Value>, Error> {
        let lane = if waits { &self.waiting } else { self.lane() };
        tokio::time::timeout(limit, self.attempts(lane, commands))
            .await
            .unwrap_or_else(|_| Err(lane.late(limit)))
    }

    /// Sends one command, together with those that other tasks of this thread ask for at this moment.
    pub(crate) async fn send_joined(&self, command: Cmd) -> Result<Value, Error> {
        let lane = self.lane();
        let asked = tokio::time::timeout(self.timeout, self.joined(lane, command)).await;
        asked.unwrap_or_else(|_| Err(lane.late(self.timeout)))
    }

    async fn joined(&self, lane: &Lane, mut command: Cmd) -> Result<Value, Error> {
        loop {
            match lane.joint.join(command) {
                Part::Leads(mut leader) => {
                    let answers = self.attempts(lane, leader.gathered().await).await;
                    return leader.answer(answers);
                }
                Part::Follows(reply) => match reply.await {
                    Ok(Reply::Answer(answer)) => return answer,
                    Ok(Reply::Again(again)) => command = again,
                    Err(_) => return Err(Error::Unavailable("Redis was not asked".to_owned())),
                },
            }
        }
    }

    /// The connection of this thread.
    fn lane(&self) -> &Lane {
        let turn = THREAD.with(|number| number.checked_rem(self.lanes.len()));
        turn.and_then(|turn| self.lanes.get(turn)).unwrap_or(&self.waiting)
    }

    async fn attempts(&self, lane: &Lane, commands: &Pipeline) -> Result<Vec<Value>, Error> {
        let mut last = Error::Unavailable("Redis was not asked".to_owned());
        for _ in 0..ATTEMPTS_MAX {
            let (mut connection, generation) = self.connection(lane).await?;
            match request(&mut connection, commands).await {
                Ok(answers) => return Ok(answers),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Broken(error)) => {
                    lane.drop_generation(generation).await;
                    last = error;
                }
                Err(Failure::NoScript) => {
                    last = Error::Unavailable("Redis forgets scripts as fast as they load".to_owned());
                    if let Err(Failure::Broken(error) | Failure::Final(error)) =
                        request(&mut connection, &(self.scripts)()).await
                    {
                        return Err(error);
                    }
                }
            }
        }
        Err(last)
    }

    async fn connection(&self, lane: &Lane) -> Result<(MultiplexedConnection, u64), Error> {
        let mut kept = lane.kept.lock().await;
        if let Some(connection) = &kept.connection {
            return Ok((connection.shared(), kept.generation));
        }
        let fresh = self.source.connect().await?;
        let mut shared = fresh.shared();
        self.demand.met(&mut shared).await?;
        kept.generation = kept.generation.wrapping_add(1);
        kept.connection = Some(fresh);
        Ok((shared, kept.generation))
    }
}

impl Demand {
    async fn met(&self, connection: &mut MultiplexedConnection) -> Result<(), Error> {
        let unanswered = |error: RedisError| Error::Unavailable(format!("Redis: {error}"));
        match self {
            Self::Nothing => Ok(()),
            Self::Epoch(key, epoch) => {
                let found: Option<String> =
                    cmd("GET").arg(key).query_async(connection).await.map_err(unanswered)?;
                if found.as_ref() == Some(epoch) { Ok(()) } else { Err(Error::Lost) }
            }
            Self::Member { allow_volatile } => {
                let info: String = cmd("INFO").query_async(connection).await.map_err(unanswered)?;
                server::fit_member(&info, *allow_volatile)
            }
        }
    }
}

impl Source {
    async fn connect(&self) -> Result<Held, Error> {
        let unreachable =
            |error: &dyn std::fmt::Display| Error::Unavailable(format!("cannot connect to Redis: {error}"));
        match self {
            Self::Pool(pool) => pool.get().await.map(Held::Pooled).map_err(|error| unreachable(&error)),
            Self::Primary(address) => {
                let client = address.primary().await.map_err(|error| unreachable(&error))?;
                let connection = client.get_multiplexed_async_connection_with_config(&patient()).await;
                connection.map(Held::Own).map_err(|error| unreachable(&error))
            }
            Self::Member(info) => {
                let client = Client::open((**info).clone()).map_err(|error| unreachable(&error))?;
                let connection = client.get_multiplexed_async_connection_with_config(&patient()).await;
                connection.map(Held::Own).map_err(|error| unreachable(&error))
            }
        }
    }
}

impl Held {
    fn shared(&self) -> MultiplexedConnection {
        match self {
            Self::Pooled(connection) => (**connection).clone(),
            Self::Own(connection) => connection.clone(),
        }
    }
}

/// Time-outs are ours: one per request, whatever it needs.
fn patient() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None)
}

fn pool(server: &ConnectionInfo, lanes: usize) -> Result<Pool, Error> {
    let manager = Manager::new_with_config(server.clone(), patient())
        .map_err(|error| Error::Unfit(format!("the Redis address is not usable: {}", error.category())))?;
    Pool::builder(manager)
        .max_size(lanes.saturating_add(1))
        .build()
        .map_err(|error| Error::Unfit(format!("cannot make a connection pool: {error}")))
}

impl Lane {
    async fn drop_generation(&self, generation: u64) {
        let mut kept = self.kept.lock().await;
        if kept.generation == generation {
            discard(&mut kept);
        }
    }

    /// Throws the connection away: what is still to come on it would arrive late for everybody.
    fn late(&self, limit: Duration) -> Error {
        // Somebody else may be connecting; then there is nothing to throw away.
        if let Ok(mut kept) = self.kept.try_lock() {
            discard(&mut kept);
        }
        Error::Unavailable(format!("Redis did not answer within {} ms", limit.as_millis()))
    }
}

/// Takes the connection out of the pool for good: a broken one must not be handed out again.
fn discard(kept: &mut Kept) {
    if let Some(Held::Pooled(connection)) = kept.connection.take() {
        drop(Connection::take(connection));
    }
}

async fn request(connection: &mut MultiplexedConnection, commands: &Pipeline) -> Result<Vec<Value>, Failure> {
    let answers =
        connection.req_packed_commands(commands, 0, commands.len()).await.map_err(|error| failed(&error))?;
    let told = |wanted: ServerErrorKind| {
        answers
            .iter()
            .any(|answer| matches!(answer, Value::ServerError(error) if error.kind() == Some(wanted)))
    };
    if told(ServerErrorKind::NoScript) {
        Err(Failure::NoScript)
    } else if told(ServerErrorKind::ReadOnly) {
        Err(Failure::Broken(Error::Unavailable(DEMOTED.to_owned())))
    } else {
        Ok(answers)
    }
}

fn failed(error: &RedisError) -> Failure {
    let kind = error.kind();
    let error = Error::Unavailable(format!("Redis: {error}"));
    match kind {
        ErrorKind::Server(ServerErrorKind::NoScript) => Failure::NoScript,
        ErrorKind::Server(ServerErrorKind::ReadOnly) => Failure::Broken(error),
        ErrorKind::Server(_) | ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig => {
            Failure::Final(error)
        }
        _ => Failure::Broken(error),
    }
}

/// A request of one command.
pub fn only(command: Cmd) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(1);
    pipeline.add_command(command);
    pipeline
}
