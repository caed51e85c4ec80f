//! A process that can be unplugged at any of its calls to ledger or chain, before or after the call took effect.

use serde_json::Value;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tollwire_ledger::command::Entry;
use tollwire_ledger::model::{
    Attempt, Landing, Outgoing, Payment, Payout, PayoutId, Provider, ProviderAccount, Refund, RefundId,
    Session, Stream,
};
use tollwire_ledger::spend::{Charge, Spent};
use tollwire_ledger::{Command, Error, Ledger, Outcome, PayoutCommand, PayoutOutcome, Timestamp, Watched};
use tollwire_settlement::chain::{BoxFuture, Delivery, Turn};
use tollwire_settlement::{Chain, ChainError, ChainInfo, Firmness, Identified, Observation, Refusal};
use tollwire_x402::v2::PaymentRequirements;
use tollwire_x402::{PaymentId, SessionId, StreamId, Usdc};

/// Counts calls, and cuts the process off at the chosen one.
pub struct Plug {
    left: AtomicI64,
    after: bool,
    made: AtomicI64,
    pulled: watch::Sender<bool>,
}

impl Plug {
    /// Cuts at call number `at` (from 0), before it has any effect, or after its effect and before its answer.
    pub fn at(at: i64, after: bool) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicI64::new(at),
            after,
            made: AtomicI64::new(0),
            pulled: watch::Sender::new(false),
        })
    }

    /// Never cuts.
    pub fn safe() -> Arc<Self> {
        Self::at(i64::MAX, false)
    }

    /// How many calls were made.
    pub fn calls(&self) -> i64 {
        self.made.load(Ordering::SeqCst)
    }

    /// Waits for the cut.
    pub async fn pulled(&self) {
        let _ = self.pulled.subscribe().wait_for(|pulled| *pulled).await;
    }

    async fn pass<T>(&self, call: impl Future<Output = T>) -> T {
        if *self.pulled.borrow() {
            return std::future::pending().await;
        }
        self.made.fetch_add(1, Ordering::SeqCst);
        if self.left.fetch_sub(1, Ordering::SeqCst) != 0 {
            return call.await;
        }
        if self.after {
            call.await;
        }
        self.pulled.send_replace(true);
        std::future::pending().await
    }
}

/// A ledger behind a plug.
pub struct PluggedLedger {
    pub plug: Arc<Plug>,
    pub inner: Arc<dyn Ledger>,
}

type Answer<'a, T> = BoxFuture<'a, Result<T, Error>>;

impl Ledger for PluggedLedger {
    fn apply(&self, command: Command) -> Answer<'_, Outcome> {
        Box::pin(self.plug.pass(async move { self.inner.apply(command).await }))
    }

    fn payment(&self, id: &PaymentId) -> Answer<'_, Option<Payment>> {
        let id = id.clone();
        Box::pin(self.plug.pass(async move { self.inner.payment(&id).await }))
    }

    fn session(&self, id: &SessionId) -> Answer<'_, Option<Session>> {
        let id = id.clone();
        Box::pin(self.plug.pass(async move { self.inner.session(&id).await }))
    }

    fn stream(&self, session: &SessionId, id: &StreamId) -> Answer<'_, Option<Stream>> {
        self.inner.stream(session, id)
    }

    fn journal(&self, session: &SessionId) -> Answer<'_, Vec<Entry>> {
        self.inner.journal(session)
    }

    fn payments_of(&self, tx: &str, limit: usize) -> Answer<'_, Vec<(PaymentId, Payment)>> {
        self.inner.payments_of(tx, limit)
    }

    fn in_doubt(&self, after: Option<&PaymentId>, limit: usize) -> Answer<'_, Vec<(PaymentId, Payment)>> {
        let after = after.cloned();
        Box::pin(self.plug.pass(async move { self.inner.in_doubt(after.as_ref(), limit).await }))
    }

    fn refund(&self, id: &RefundId) -> Answer<'_, Option<Refund>> {
        let id = id.clone();
        Box::pin(self.plug.pass(async move { self.inner.refund(&id).await }))
    }

    fn refunds_in_doubt(
        &self,
        after: Option<&RefundId>,
        limit: usize,
    ) -> Answer<'_, Vec<(RefundId, Refund)>> {
        let after = after.cloned();
        Box::pin(self.plug.pass(async move { self.inner.refunds_in_doubt(after.as_ref(), limit).await }))
    }

    fn pay_out(&self, command: PayoutCommand) -> Answer<'_, PayoutOutcome> {
        Box::pin(self.plug.pass(async move { self.inner.pay_out(command).await }))
    }

    fn provider(&self, account: &ProviderAccount) -> Answer<'_, Option<Provider>> {
        let account = account.clone();
        Box::pin(self.plug.pass(async move { self.inner.provider(&account).await }))
    }

    fn providers(
        &self,
        after: Option<&ProviderAccount>,
        limit: usize,
    ) -> Answer<'_, Vec<(ProviderAccount, Provider)>> {
        self.inner.providers(after, limit)
    }

    fn payout(&self, id: &PayoutId) -> Answer<'_, Option<Payout>> {
        let id = id.clone();
        Box::pin(self.plug.pass(async move { self.inner.payout(&id).await }))
    }

    fn payouts_in_doubt(
        &self,
        after: Option<&PayoutId>,
        limit: usize,
    ) -> Answer<'_, Vec<(PayoutId, Payout)>> {
        let after = after.cloned();
        Box::pin(self.plug.pass(async move { self.inner.payouts_in_doubt(after.as_ref(), limit).await }))
    }

    fn gathered(&self, account: &ProviderAccount, sessions: Vec<SessionId>) -> Answer<'_, Vec<Usdc>> {
        let account = account.clone();
        Box::pin(self.plug.pass(async move { self.inner.gathered(&account, sessions).await }))
    }

    fn sessions(&self, after: Option<&SessionId>, limit: usize) -> Answer<'_, Vec<(SessionId, Session)>> {
        self.inner.sessions(after, limit)
    }

    fn sessions_of(&self, payer: &str, limit: usize) -> Answer<'_, Vec<(SessionId, Session)>> {
        self.inner.sessions_of(payer, limit)
    }

    fn watch(&self, sessions: Vec<SessionId>) -> Answer<'_, Vec<Option<Watched>>> {
        self.inner.watch(sessions)
    }

    fn once(&self, key: &str, ttl: Duration) -> Answer<'_, bool> {
        self.inner.once(key, ttl)
    }

    fn spend(&self, purse: &str, id: &str, charges: Vec<Charge>, window: Duration) -> Answer<'_, Spent> {
        self.inner.spend(purse, id, charges, window)
    }

    fn lease(&self, name: &str, holder: &str, ttl: Duration) -> Answer<'_, bool> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        Box::pin(self.plug.pass(async move { self.inner.lease(&name, &holder, ttl).await }))
    }

    fn release(&self, name: &str, holder: &str) -> Answer<'_, ()> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        Box::pin(self.plug.pass(async move { self.inner.release(&name, &holder).await }))
    }

    fn born(&self) -> Answer<'_, Timestamp> {
        Box::pin(self.plug.pass(async move { self.inner.born().await }))
    }

    fn ready(&self) -> Answer<'_, ()> {
        self.inner.ready()
    }
}

/// A chain behind a plug.
pub struct PluggedChain {
    pub plug: Arc<Plug>,
    pub inner: Arc<dyn Chain>,
    /// How long every verification waits before it looks.
    pub lag: Duration,
}

impl Chain for PluggedChain {
    fn info(&self) -> &ChainInfo {
        self.inner.info()
    }

    fn signers(&self) -> Vec<String> {
        self.inner.signers()
    }

    fn identify(&self, requirements: &PaymentRequirements, payload: &Value) -> Result<Identified, Refusal> {
        // A pure function, and the dearest of an unoptimised build: asked once for each payment is enough.
        static KNOWN: Mutex<BTreeMap<String, Result<Identified, Refusal>>> = Mutex::new(BTreeMap::new());
        let mut known = KNOWN.lock().unwrap();
        let key = format!("{requirements:?} {payload}");
        known.entry(key).or_insert_with(|| self.inner.identify(requirements, payload)).clone()
    }

    fn verify<'a>(
        &'a self,
        requirements: &'a PaymentRequirements,
        payload: &'a Value,
        now: u64,
    ) -> BoxFuture<'a, Result<Result<Identified, Refusal>, ChainError>> {
        Box::pin(self.plug.pass(async move {
            tokio::time::sleep(self.lag).await;
            self.inner.verify(requirements, payload, now).await
        }))
    }

    fn turn(&self) -> BoxFuture<'_, Result<Box<dyn Turn>, ChainError>> {
        Box::pin(self.plug.pass(self.inner.turn()))
    }

    fn prepare<'a>(
        &'a self,
        payment: &'a Payment,
        turn: &'a dyn Turn,
    ) -> BoxFuture<'a, Result<Attempt, ChainError>> {
        Box::pin(self.plug.pass(self.inner.prepare(payment, turn)))
    }

    fn broadcast<'a>(&'a self, attempt: &'a Attempt) -> BoxFuture<'a, Result<(), ChainError>> {
        Box::pin(self.plug.pass(self.inner.broadcast(attempt)))
    }

    fn observe<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, Result<Observation, ChainError>> {
        Box::pin(self.plug.pass(self.inner.observe(payment)))
    }

    fn outgoing_gas<'a>(&'a self, to: &'a str) -> BoxFuture<'a, Result<Usdc, ChainError>> {
        Box::pin(self.plug.pass(self.inner.outgoing_gas(to)))
    }

    fn prepare_outgoing<'a>(
        &'a self,
        outgoing: &'a Outgoing,
        turn: &'a dyn Turn,
    ) -> BoxFuture<'a, Result<Attempt, ChainError>> {
        Box::pin(self.plug.pass(self.inner.prepare_outgoing(outgoing, turn)))
    }

    fn observe_outgoing<'a>(&'a self, outgoing: &'a Outgoing) -> BoxFuture<'a, Result<Delivery, ChainError>> {
        Box::pin(self.plug.pass(self.inner.observe_outgoing(outgoing)))
    }

    fn custody(&self) -> BoxFuture<'_, Result<Usdc, ChainError>> {
        Box::pin(self.plug.pass(self.inner.custody()))
    }

    fn firmness<'a>(
        &'a self,
        payment: &'a Payment,
        landing: &'a Landing,
    ) -> BoxFuture<'a, Result<Firmness, ChainError>> {
        Box::pin(self.plug.pass(self.inner.firmness(payment, landing)))
    }

    fn final_block(&self) -> BoxFuture<'_, Result<Option<u64>, ChainError>> {
        Box::pin(self.plug.pass(self.inner.final_block()))
    }

    fn block_time<'a>(&'a self, landing: &'a Landing) -> BoxFuture<'a, Result<Option<u64>, ChainError>> {
        Box::pin(self.plug.pass(self.inner.block_time(landing)))
    }
}
