//! The ledger's interface over connections, keys and scripts.

use crate::command::{Calls, goods_of};
use crate::config::RedisConfig;
use crate::connection::{Connections, only};
use crate::keys::{Keys, payout_entry, refund_entry};
use crate::listing;
use crate::reply::{self, Fields, read};
use crate::start;
use deadpool_redis::redis::{Cmd, Pipeline, Value};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tollwire_ledger::command::Entry;
use tollwire_ledger::core::UNITS_MAX;
use tollwire_ledger::model::{
    HandOver, Intent, Payment, Payout, PayoutId, Provider, ProviderAccount, Refund, RefundId, RefundOrder,
    Session, Stream,
};
use tollwire_ledger::spend::{Charge, Spent};
use tollwire_ledger::{
    BoxFuture, Clock, Command, Error, Ledger, Outcome, PayoutCommand, PayoutOutcome, SystemClock, Timestamp,
    Watched,
};
use tollwire_x402::{PaymentId, SessionId, StreamId, Usdc};

/// A [`Ledger`] on a Redis server, shared by any number of nodes.
pub struct RedisLedger {
    pub(crate) connections: Connections,
    pub(crate) keys: Keys,
    config: RedisConfig,
    epoch: String,
    lost: AtomicBool,
}

impl RedisLedger {
    /// Connects and checks that the server is fit to hold money.
    ///
    /// [`Error::Unfit`] says what to change; [`Error::Unavailable`] means it could not be asked.
    pub async fn connect(config: RedisConfig) -> Result<Self, Error> {
        config.check()?;
        let keys = Keys::new(&config.prefix);
        let mut connections = Connections::new(&config.url, config.connections, config.timeout)?;
        let epoch = start::open(&connections, &keys, &config).await?;
        connections.expect_epoch(keys.epoch(), epoch.clone());
        if config.allow_volatile {
            tracing::warn!("this Redis may forget what was paid: allow_volatile is set");
        }
        Ok(Self { connections, keys, config, epoch, lost: AtomicBool::new(false) })
    }

    /// The time scripts shall use: ours if a clock was given, else (empty) the server's.
    fn now(&self) -> String {
        self.config.clock.as_ref().map(|clock| clock.now().millis().to_string()).unwrap_or_default()
    }

    /// One round trip; an error of one command is the error of all. Once the store was found lost, nothing is asked of
    /// it any more.
    async fn ask(&self, commands: &Pipeline) -> Result<Vec<Value>, Error> {
        self.ask_within(commands, Duration::ZERO).await
    }

    async fn ask_within(&self, commands: &Pipeline, extra: Duration) -> Result<Vec<Value>, Error> {
        if self.lost.load(Ordering::Acquire) {
            return Err(Error::Lost);
        }
        let answers = self.connections.send(commands, extra).await;
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

    /// One round trip that also reads the epoch: for what an emptied store would answer plausibly.
    pub(crate) async fn ask_whole(&self, commands: &Pipeline) -> Result<Vec<Value>, Error> {
        let mut with_epoch = Pipeline::with_capacity(commands.len().saturating_add(1));
        with_epoch.cmd("GET").arg(self.keys.epoch());
        for command in commands.cmd_iter() {
            with_epoch.add_command(command.clone());
        }
        let mut answers = self.ask(&with_epoch).await?.into_iter();
        let epoch: Option<String> = read(answers.next().unwrap_or_default(), "epoch")?;
        if epoch.as_deref() != Some(self.epoch.as_str()) {
            return Err(self.lose());
        }
        Ok(answers.collect())
    }

    async fn transition(&self, command: &Command) -> Result<Outcome, Error> {
        let now = self.now();
        let calls = Calls { keys: &self.keys, now: &now };
        let outcome = match command {
            Command::Record { payment, intent } => self.record(payment, intent, &calls).await?,
            Command::Credit { payment, session, landing } => {
                // Before the session exists: the index holds at least what it must.
                let mut listed = listing::add(&self.keys.sessions(), session.as_str());
                listing::and(&mut listed, &self.keys.transaction(&landing.tx), payment.as_str());
                listed.add_command(calls.transition(command)?);
                self.safely(listed).await?
            }
            Command::Refund { session, refund } => self.refund_order(session, refund, &calls).await?,
            Command::HandOver { session, due } => self.hand_over(session, due, &calls).await?,
            Command::Attach { payment, attempt, .. } => {
                let mut listed = listing::add(&self.keys.transaction(&attempt.tx), payment.as_str());
                listed.add_command(calls.transition(command)?);
                self.safely(listed).await?
            }
            Command::Thaw { payment, landing, .. } => {
                let mut listed = listing::add(&self.keys.transaction(&landing.tx), payment.as_str());
                listed.add_command(calls.transition(command)?);
                self.safely(listed).await?
            }
            Command::Freeze { .. } | Command::AttachRefund { .. } | Command::SettleRefund { .. } => {
                self.safely(only(calls.transition(command)?)).await?
            }
            _ => reply::outcome(first(self.ask(&only(calls.transition(command)?)).await?)?)?,
        };
        if outcome == Outcome::Unknown {
            self.ask_whole(&Pipeline::new()).await?;
        }
        Ok(outcome)
    }

    /// The pointer first: it decides which session the payment belongs to, whichever node records it. A purchase that
    /// the script would refuse must not set one.
    async fn record(&self, id: &PaymentId, intent: &Intent, calls: &Calls<'_>) -> Result<Outcome, Error> {
        let mut ask = Pipeline::new();
        ask.cmd("GET").arg(self.keys.pointer(id));
        ask.cmd("HMGET").arg(self.keys.session(&intent.session)).arg("goods").arg("closed");
        let mut answers = self.ask_whole(&ask).await?.into_iter();
        let pointer: Option<String> = read(answers.next().unwrap_or_default(), "pointer")?;
        let (goods, closed): (Option<String>, Option<u64>) =
            read(answers.next().unwrap_or_default(), "session")?;
        let session = if let Some(session) = pointer {
            reply::parse(&session)?
        } else if intent.top_up && closed == Some(1) {
            return Ok(Outcome::Closed);
        } else if intent.plain || goods.map_or(!intent.top_up, |sold| sold == goods_of(intent)) {
            if !(1..=UNITS_MAX).contains(&intent.units) {
                return Ok(Outcome::Conflict);
            }
            self.point(id, &intent.session).await?
        } else {
            return Ok(Outcome::Conflict);
        };
        let mut listed = listing::add(&self.keys.in_doubt(), id.as_str());
        if !intent.plain {
            let now = self.config.clock.as_ref().map_or_else(|| SystemClock.now(), |clock| clock.now());
            let payer = self.keys.payer(&intent.payer);
            listed.cmd("ZADD").arg(payer).arg("NX").arg(now.millis()).arg(session.as_str());
        }
        listed.add_command(calls.record(id, intent, &session)?);
        self.safely(listed).await
    }

    /// Who paid for a session never changes, so it is compared here, where it can be read.
    async fn refund_order(
        &self,
        session: &SessionId,
        order: &RefundOrder,
        calls: &Calls<'_>,
    ) -> Result<Outcome, Error> {
        let mut ask = Pipeline::new();
        ask.cmd("HGET").arg(self.keys.session(session)).arg("head");
        let head: Option<Vec<u8>> = read(first(self.ask_whole(&ask).await?)?, "session")?;
        let to_payer = match head {
            Some(head) => Fields::paid_by(&head, order.network, &order.to)?,
            None => false,
        };
        // Before the refund exists: the index holds at least what it must.
        let id = RefundId { session: session.clone(), number: order.number };
        let mut listed = listing::add(&self.keys.refunds_in_doubt(), &refund_entry(&id));
        listed.add_command(calls.refund(session, order, to_payer)?);
        self.safely(listed).await
    }

    /// Whose a session's dues are never changes, so it is compared here, where it can be read.
    async fn hand_over(
        &self,
        session: &SessionId,
        due: &HandOver,
        calls: &Calls<'_>,
    ) -> Result<Outcome, Error> {
        let mut ask = Pipeline::new();
        ask.cmd("HGET").arg(self.keys.session(session)).arg("head");
        let head: Option<Vec<u8>> = read(first(self.ask_whole(&ask).await?)?, "session")?;
        let to_provider = match head {
            Some(head) => Fields::earned_by(&head, due.network, &due.provider)?,
            None => false,
        };
        self.safely(only(calls.hand_over(session, due, to_provider))).await
    }

    async fn account_command(&self, command: &PayoutCommand) -> Result<PayoutOutcome, Error> {
        let (now, id) = (self.now(), command.payout());
        // An emptied store would begin the account anew.
        self.ask_whole(&Pipeline::new()).await?;
        // Before the row exists: the indexes hold at least what they must.
        let mut commands = match command {
            PayoutCommand::Gather { .. } => listing::add(&self.keys.providers(), id.account.as_str()),
            PayoutCommand::Seal { .. } => listing::add(&self.keys.payouts_in_doubt(), &payout_entry(id)),
            PayoutCommand::Attach { .. } | PayoutCommand::Settle { .. } => Pipeline::new(),
        };
        commands.add_command(Calls { keys: &self.keys, now: &now }.pay_out(command)?);
        reply::payout_outcome(self.surely(commands).await?)
    }

    async fn pointer(&self, id: &PaymentId) -> Result<Option<SessionId>, Error> {
        let mut ask = Pipeline::new();
        ask.cmd("GET").arg(self.keys.pointer(id));
        let found: Option<String> = read(first(self.ask_whole(&ask).await?)?, "pointer")?;
        found.as_deref().map(reply::parse).transpose()
    }

    async fn point(&self, id: &PaymentId, session: &SessionId) -> Result<SessionId, Error> {
        let mut ask = Pipeline::new();
        ask.cmd("SET").arg(self.keys.pointer(id)).arg(session.as_str()).arg("NX");
        ask.cmd("GET").arg(self.keys.pointer(id));
        let decided: String = read(last(self.ask(&ask).await?)?, "pointer")?;
        reply::parse(&decided)
    }

    /// Sends commands of which the last is a script call, then waits for the replicas that the configuration demands.
    async fn safely(&self, commands: Pipeline) -> Result<Outcome, Error> {
        reply::outcome(self.surely(commands).await?)
    }

    /// The same; the script's own answer.
    async fn surely(&self, mut commands: Pipeline) -> Result<Value, Error> {
        let replicas = self.config.wait_replicas;
        if replicas == 0 {
            return last(self.ask(&commands).await?);
        }
        let wait = self.config.wait_timeout;
        // A write of our own, because WAIT covers only what its connection wrote: a repeated command writes nothing,
        // and the first try may have gone over another connection.
        commands.cmd("SET").arg(self.keys.mark()).arg("1");
        commands.cmd("WAIT").arg(replicas).arg(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        let mut answers = self.ask_within(&commands, wait).await?;
        let reached: u64 = read(answers.pop().unwrap_or_default(), "WAIT")?;
        drop(answers.pop());
        let answer = last(answers)?;
        if reached < u64::from(replicas) {
            return Err(Error::Unavailable(format!("{reached} of {replicas} replicas answered in time")));
        }
        Ok(answer)
    }

    /// Rows of sessions and the time they are read at.
    pub(crate) async fn session_rows(
        &self,
        ids: &[SessionId],
    ) -> Result<Vec<(SessionId, Option<Session>)>, Error> {
        let mut ask = Pipeline::new();
        ask.cmd("TIME");
        for id in ids {
            ask.cmd("HGETALL").arg(self.keys.session(id));
            ask.cmd("ZRANGE").arg(self.keys.live(id)).arg(0).arg(-1).arg("WITHSCORES");
        }
        let mut answers = self.ask_whole(&ask).await?.into_iter();
        let (secs, micros): (u64, u64) = read(answers.next().unwrap_or_default(), "time")?;
        let server = Timestamp::from_millis(secs.saturating_mul(1_000).saturating_add(micros / 1_000));
        let now = self.config.clock.as_ref().map_or(server, |clock| clock.now());
        let mut row = |id: &SessionId| {
            let fields = Fields::read(answers.next().unwrap_or_default())?;
            let live = reply::live(answers.next().unwrap_or_default())?;
            Ok((id.clone(), fields.session(live, now)?))
        };
        ids.iter().map(&mut row).collect()
    }

    async fn payment_row(&self, id: &PaymentId) -> Result<Option<Payment>, Error> {
        let Some(session) = self.pointer(id).await? else { return Ok(None) };
        let mut ask = Pipeline::new();
        ask.cmd("HGETALL").arg(self.keys.payment(&session, id));
        Fields::read(first(self.ask_whole(&ask).await?)?)?.payment()
    }

    async fn watched(&self, sessions: &[SessionId]) -> Result<Vec<Option<Watched>>, Error> {
        let mut ask = Pipeline::new();
        for id in sessions {
            ask.cmd("HMGET").arg(self.keys.session(id)).arg(&reply::WATCHED);
        }
        self.ask_whole(&ask).await?.into_iter().map(reply::watched).collect()
    }

    /// A script that answers yes or no, if the store is whole.
    async fn flag(&self, call: Cmd) -> Result<bool, Error> {
        let answer: u64 = read(first(self.ask_whole(&only(call)).await?)?, "script answer")?;
        Ok(answer == 1)
    }
}

fn first(answers: Vec<Value>) -> Result<Value, Error> {
    answers.into_iter().next().ok_or_else(silent)
}

fn last(mut answers: Vec<Value>) -> Result<Value, Error> {
    answers.pop().ok_or_else(silent)
}

fn silent() -> Error {
    Error::Unavailable("Redis gave no answer".to_owned())
}

impl fmt::Debug for RedisLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLedger").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Ledger for RedisLedger {
    fn apply(&self, command: Command) -> BoxFuture<'_, Result<Outcome, Error>> {
        Box::pin(async move { self.transition(&command).await })
    }

    fn payment(&self, id: &PaymentId) -> BoxFuture<'_, Result<Option<Payment>, Error>> {
        let id = id.clone();
        Box::pin(async move { self.payment_row(&id).await })
    }

    fn session(&self, id: &SessionId) -> BoxFuture<'_, Result<Option<Session>, Error>> {
        let ids = [id.clone()];
        Box::pin(async move { Ok(self.session_rows(&ids).await?.pop().and_then(|(_, session)| session)) })
    }

    fn stream(&self, session: &SessionId, id: &StreamId) -> BoxFuture<'_, Result<Option<Stream>, Error>> {
        let mut ask = Pipeline::new();
        ask.cmd("HGET").arg(self.keys.streams(session)).arg(id.as_str());
        Box::pin(async move {
            let text: Option<String> = read(first(self.ask_whole(&ask).await?)?, "stream")?;
            text.as_deref().map(reply::stream).transpose()
        })
    }

    fn journal(&self, session: &SessionId) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        let mut ask = Pipeline::new();
        ask.cmd("LRANGE").arg(self.keys.journal(session)).arg(0).arg(-1);
        Box::pin(async move {
            let lines: Vec<String> = read(first(self.ask_whole(&ask).await?)?, "journal")?;
            lines.iter().map(|line| reply::entry(line)).collect()
        })
    }

    fn payments_of(&self, tx: &str, limit: usize) -> BoxFuture<'_, Result<Vec<(PaymentId, Payment)>, Error>> {
        let tx = tx.to_owned();
        Box::pin(async move { listing::payments_of(self, &tx, limit).await })
    }

    fn in_doubt(
        &self,
        after: Option<&PaymentId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(PaymentId, Payment)>, Error>> {
        let after = after.cloned();
        Box::pin(async move { listing::in_doubt(self, after, limit).await })
    }

    fn refund(&self, id: &RefundId) -> BoxFuture<'_, Result<Option<Refund>, Error>> {
        let mut ask = Pipeline::new();
        ask.cmd("HGETALL").arg(self.keys.refund(&id.session, id.number));
        Box::pin(async move { Fields::read(first(self.ask_whole(&ask).await?)?)?.refund() })
    }

    fn refunds_in_doubt(
        &self,
        after: Option<&RefundId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(RefundId, Refund)>, Error>> {
        let after = after.cloned();
        Box::pin(async move { listing::refunds_in_doubt(self, after.as_ref(), limit).await })
    }

    fn pay_out(&self, command: PayoutCommand) -> BoxFuture<'_, Result<PayoutOutcome, Error>> {
        Box::pin(async move { self.account_command(&command).await })
    }

    fn provider(&self, account: &ProviderAccount) -> BoxFuture<'_, Result<Option<Provider>, Error>> {
        let mut ask = Pipeline::new();
        ask.cmd("HGETALL").arg(self.keys.provider(account));
        Box::pin(async move { Fields::read(first(self.ask_whole(&ask).await?)?)?.provider() })
    }

    fn providers(
        &self,
        after: Option<&ProviderAccount>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(ProviderAccount, Provider)>, Error>> {
        let after = after.cloned();
        Box::pin(async move { listing::providers(self, after.as_ref(), limit).await })
    }

    fn payout(&self, id: &PayoutId) -> BoxFuture<'_, Result<Option<Payout>, Error>> {
        let mut ask = Pipeline::new();
        ask.cmd("HGETALL").arg(self.keys.payout(id));
        Box::pin(async move { Fields::read(first(self.ask_whole(&ask).await?)?)?.payout() })
    }

    fn payouts_in_doubt(
        &self,
        after: Option<&PayoutId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(PayoutId, Payout)>, Error>> {
        let after = after.cloned();
        Box::pin(async move { listing::payouts_in_doubt(self, after.as_ref(), limit).await })
    }

    fn gathered(
        &self,
        account: &ProviderAccount,
        sessions: Vec<SessionId>,
    ) -> BoxFuture<'_, Result<Vec<Usdc>, Error>> {
        let key = self.keys.gathered(account);
        Box::pin(async move { listing::gathered(self, &key, &sessions).await })
    }

    fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(SessionId, Session)>, Error>> {
        let after = after.cloned();
        Box::pin(async move { listing::sessions(self, after, limit).await })
    }

    fn sessions_of(
        &self,
        payer: &str,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(SessionId, Session)>, Error>> {
        let payer = payer.to_owned();
        Box::pin(async move { listing::sessions_of(self, &payer, limit).await })
    }

    fn watch(&self, sessions: Vec<SessionId>) -> BoxFuture<'_, Result<Vec<Option<Watched>>, Error>> {
        Box::pin(async move { self.watched(&sessions).await })
    }

    fn once(&self, key: &str, ttl: Duration) -> BoxFuture<'_, Result<bool, Error>> {
        let now = self.now();
        let call = Calls { keys: &self.keys, now: &now }.once(key, ttl);
        Box::pin(self.flag(call))
    }

    fn spend(
        &self,
        purse: &str,
        id: &str,
        charges: Vec<Charge>,
        window: Duration,
    ) -> BoxFuture<'_, Result<Spent, Error>> {
        let now = self.now();
        let call = Calls { keys: &self.keys, now: &now }.spend(purse, id, &charges, window);
        Box::pin(async move { reply::spent(first(self.ask_whole(&only(call)).await?)?) })
    }

    fn lease(&self, name: &str, holder: &str, ttl: Duration) -> BoxFuture<'_, Result<bool, Error>> {
        let now = self.now();
        let call = Calls { keys: &self.keys, now: &now }.lease(name, holder, ttl);
        Box::pin(self.flag(call))
    }

    fn release(&self, name: &str, holder: &str) -> BoxFuture<'_, Result<(), Error>> {
        let now = self.now();
        let call = Calls { keys: &self.keys, now: &now }.release(name, holder);
        Box::pin(async move { self.flag(call).await.map(drop) })
    }

    fn born(&self) -> BoxFuture<'_, Result<Timestamp, Error>> {
        Box::pin(std::future::ready(Ok(start::born(&self.epoch))))
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { self.ask_whole(&Pipeline::new()).await.map(drop) })
    }
}
