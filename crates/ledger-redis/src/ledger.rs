//! The ledger's interface over connections, keys and scripts.

use crate::command::Calls;
use crate::config::RedisConfig;
use crate::keys::Keys;
use crate::listing;
use crate::reply::{self, Fields, first, last, read};
use crate::script;
use std::fmt;
use std::time::Duration;
use tollwire_ledger::command::Entry;
use tollwire_ledger::model::{
    Payment, Payout, PayoutId, Provider, ProviderAccount, Refund, RefundId, Session, Stream,
};
use tollwire_ledger::spend::{Charge, Spent};
use tollwire_ledger::{
    BoxFuture, Command, Error, Ledger, Outcome, PayoutCommand, PayoutOutcome, Timestamp, Watched,
};
use tollwire_redis::redis::{Cmd, Pipeline, Value};
use tollwire_redis::{Replicas, Store, only};
use tollwire_x402::{PaymentId, SessionId, StreamId, Usdc};

/// A [`Ledger`] on Redis, shared by any number of nodes.
pub struct RedisLedger {
    pub(crate) store: Store,
    pub(crate) keys: Keys,
    pub(crate) config: RedisConfig,
}

impl RedisLedger {
    /// Connects and checks that the server is fit to hold money.
    ///
    /// [`Error::Unfit`] says what to change; [`Error::Unavailable`] means it could not be asked.
    pub async fn connect(config: RedisConfig) -> Result<Self, Error> {
        config.check()?;
        let keys = Keys::new(&config.prefix);
        let indexes = [keys.sessions(), keys.in_doubt()];
        let now = config.clock.as_ref().map(|clock| clock.now());
        let store = Store::connect(&config.server(), &indexes, script::load_all, now).await?;
        Ok(Self { store, keys, config })
    }

    /// The time scripts shall use: ours if a clock was given, else (empty) the server's.
    pub(crate) fn now(&self) -> String {
        self.config.clock.as_ref().map(|clock| clock.now().millis().to_string()).unwrap_or_default()
    }

    pub(crate) async fn ask(&self, commands: &Pipeline) -> Result<Vec<Value>, Error> {
        self.store.ask(commands).await
    }

    pub(crate) async fn ask_whole(&self, commands: &Pipeline) -> Result<Vec<Value>, Error> {
        self.store.ask_whole(commands).await
    }

    /// Sends commands of which the last is a script call, then waits for the replicas that the configuration demands.
    pub(crate) async fn safely(&self, commands: Pipeline) -> Result<Outcome, Error> {
        reply::outcome(self.surely(commands).await?)
    }

    /// The same; the script's own answer.
    pub(crate) async fn surely(&self, commands: Pipeline) -> Result<Value, Error> {
        last(self.store.ask_surely(&commands, self.replicas()).await?)
    }

    /// Replicas that must have what a payment stands on.
    pub(crate) fn replicas(&self) -> Replicas {
        Replicas { count: self.config.wait_replicas, wait: self.config.wait_timeout }
    }

    /// Rows of sessions and the time they are read at.
    pub(crate) async fn session_rows(
        &self,
        ids: &[SessionId],
    ) -> Result<Vec<(SessionId, Option<Session>)>, Error> {
        // In a cluster, every primary has a time of its own, and its scripts go by that.
        let times = self.store.is_spread();
        let mut ask = Pipeline::new();
        for (place, id) in ids.iter().enumerate() {
            if times || place == 0 {
                ask.cmd("TIME");
            }
            ask.cmd("HGETALL").arg(self.keys.session(id));
            ask.cmd("ZRANGE").arg(self.keys.live(id)).arg(0).arg(-1).arg("WITHSCORES");
        }
        let mut answers = self.ask_whole(&ask).await?.into_iter();
        let mut now = Timestamp::default();
        let mut rows = Vec::with_capacity(ids.len());
        for (place, id) in ids.iter().enumerate() {
            if times || place == 0 {
                let (secs, micros): (u64, u64) = read(answers.next().unwrap_or_default(), "time")?;
                let server =
                    Timestamp::from_millis(secs.saturating_mul(1_000).saturating_add(micros / 1_000));
                now = self.config.clock.as_ref().map_or(server, |clock| clock.now());
            }
            let fields = Fields::read(answers.next().unwrap_or_default())?;
            let live = reply::live(answers.next().unwrap_or_default())?;
            rows.push((id.clone(), fields.session(live, now)?));
        }
        Ok(rows)
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
        Box::pin(std::future::ready(Ok(self.store.born())))
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { self.ask_whole(&Pipeline::new()).await.map(drop) })
    }
}
