//! A ledger that is watched, and behaves as badly as it is told to.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use tollwire_ledger::command::Entry;
use tollwire_ledger::model::{
    Payment, Payout, PayoutId, Provider, ProviderAccount, Refund, RefundId, Session, Stream,
};
use tollwire_ledger::spend::{Charge, Spent};
use tollwire_ledger::{
    BoxFuture, Command, Error, Ledger, Outcome, PayoutCommand, PayoutOutcome, Timestamp, Watched,
};
use tollwire_x402::{PaymentId, SessionId, StreamId, Usdc};

/// A ledger that counts what it is asked, and can be out of reach.
pub struct Watching {
    inner: Arc<dyn Ledger>,
    asked: std::sync::atomic::AtomicU64,
    down: std::sync::atomic::AtomicBool,
    hanging: std::sync::atomic::AtomicBool,
    /// What a command takes; they are taken one after the other.
    takes: Mutex<Option<Duration>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// How long a command waits for its answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

impl Watching {
    pub fn new(inner: Arc<dyn Ledger>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            asked: 0.into(),
            down: false.into(),
            hanging: false.into(),
            takes: Mutex::default(),
            turn: Arc::default(),
        })
    }

    /// From now on commands are answered one after the other, each after so long; one that waits too long fails.
    pub fn set_slow(&self, each: Duration) {
        *self.takes.lock().unwrap() = Some(each);
    }

    /// Commands applied so far.
    pub fn asked(&self) -> u64 {
        self.asked.load(std::sync::atomic::Ordering::SeqCst)
    }

    pub fn set_down(&self, down: bool) {
        self.down.store(down, std::sync::atomic::Ordering::SeqCst);
    }

    /// Whether commands from now on are never answered.
    pub fn set_hanging(&self, hanging: bool) {
        self.hanging.store(hanging, std::sync::atomic::Ordering::SeqCst);
    }

    pub fn as_ledger(self: &Arc<Self>) -> Arc<dyn Ledger> {
        Arc::<Self>::clone(self)
    }
}

impl Ledger for Watching {
    fn apply(&self, command: Command) -> BoxFuture<'_, Result<Outcome, Error>> {
        self.asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        if self.down.load(std::sync::atomic::Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err(Error::Unavailable("cut off".into()))));
        }
        if self.hanging.load(std::sync::atomic::Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        if let Some(takes) = *self.takes.lock().unwrap() {
            let (turn, inner) = (Arc::clone(&self.turn), Arc::clone(&self.inner));
            // It is carried out even if nobody waits for it any more.
            let answer = tokio::spawn(async move {
                let _turn = turn.lock().await;
                tokio::time::sleep(takes).await;
                inner.apply(command).await
            });
            return Box::pin(async move {
                let late = || Error::Unavailable("no answer in time".into());
                tokio::time::timeout(ANSWER_WITHIN, answer).await.map_err(|_| late())?.unwrap()
            });
        }
        self.inner.apply(command)
    }

    fn payment(&self, id: &PaymentId) -> BoxFuture<'_, Result<Option<Payment>, Error>> {
        self.inner.payment(id)
    }

    fn session(&self, id: &SessionId) -> BoxFuture<'_, Result<Option<Session>, Error>> {
        self.inner.session(id)
    }

    fn stream(&self, session: &SessionId, id: &StreamId) -> BoxFuture<'_, Result<Option<Stream>, Error>> {
        self.inner.stream(session, id)
    }

    fn journal(&self, session: &SessionId) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        self.inner.journal(session)
    }

    fn payments_of(&self, tx: &str, limit: usize) -> BoxFuture<'_, Result<Vec<(PaymentId, Payment)>, Error>> {
        self.inner.payments_of(tx, limit)
    }

    fn in_doubt(
        &self,
        after: Option<&PaymentId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(PaymentId, Payment)>, Error>> {
        self.inner.in_doubt(after, limit)
    }

    fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(SessionId, Session)>, Error>> {
        self.inner.sessions(after, limit)
    }

    fn sessions_of(
        &self,
        payer: &str,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(SessionId, Session)>, Error>> {
        self.inner.sessions_of(payer, limit)
    }

    fn refund(&self, id: &RefundId) -> BoxFuture<'_, Result<Option<Refund>, Error>> {
        self.inner.refund(id)
    }

    fn refunds_in_doubt(
        &self,
        after: Option<&RefundId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(RefundId, Refund)>, Error>> {
        self.inner.refunds_in_doubt(after, limit)
    }

    fn pay_out(&self, command: PayoutCommand) -> BoxFuture<'_, Result<PayoutOutcome, Error>> {
        self.inner.pay_out(command)
    }

    fn provider(&self, account: &ProviderAccount) -> BoxFuture<'_, Result<Option<Provider>, Error>> {
        self.inner.provider(account)
    }

    fn providers(
        &self,
        after: Option<&ProviderAccount>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(ProviderAccount, Provider)>, Error>> {
        self.inner.providers(after, limit)
    }

    fn payout(&self, id: &PayoutId) -> BoxFuture<'_, Result<Option<Payout>, Error>> {
        self.inner.payout(id)
    }

    fn payouts_in_doubt(
        &self,
        after: Option<&PayoutId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(PayoutId, Payout)>, Error>> {
        self.inner.payouts_in_doubt(after, limit)
    }

    fn gathered(
        &self,
        account: &ProviderAccount,
        sessions: Vec<SessionId>,
    ) -> BoxFuture<'_, Result<Vec<Usdc>, Error>> {
        self.inner.gathered(account, sessions)
    }

    fn watch(&self, sessions: Vec<SessionId>) -> BoxFuture<'_, Result<Vec<Option<Watched>>, Error>> {
        self.inner.watch(sessions)
    }

    fn once(&self, key: &str, ttl: Duration) -> BoxFuture<'_, Result<bool, Error>> {
        self.inner.once(key, ttl)
    }

    fn spend(
        &self,
        purse: &str,
        id: &str,
        charges: Vec<Charge>,
        window: Duration,
    ) -> BoxFuture<'_, Result<Spent, Error>> {
        self.inner.spend(purse, id, charges, window)
    }

    fn lease(&self, name: &str, holder: &str, ttl: Duration) -> BoxFuture<'_, Result<bool, Error>> {
        self.inner.lease(name, holder, ttl)
    }

    fn release(&self, name: &str, holder: &str) -> BoxFuture<'_, Result<(), Error>> {
        self.inner.release(name, holder)
    }

    fn born(&self) -> BoxFuture<'_, Result<Timestamp, Error>> {
        self.inner.born()
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.inner.ready()
    }
}
