//! A ledger whose writer is another thread, in virtual time: each of its commands is over before time goes on.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;
use tollwire_ledger::command::Entry;
use tollwire_ledger::model::{
    Payment, Payout, PayoutId, Provider, ProviderAccount, Refund, RefundId, Session, Stream,
};
use tollwire_ledger::spend::{Charge, Spent};
use tollwire_ledger::{
    BoxFuture, Clock, Command, Error, Ledger, Outcome, PayoutCommand, PayoutOutcome, Timestamp, Watched,
};
use tollwire_x402::{PaymentId, SessionId, StreamId, Usdc};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// Waits for every answer on the spot.
pub struct Synchronous {
    pub ledger: Arc<dyn Ledger>,
    /// What the ledger's own threads are to see of the time is looked up here.
    pub clock: Arc<dyn Clock>,
}

impl Synchronous {
    fn ledger(&self) -> &dyn Ledger {
        self.clock.now();
        self.ledger.as_ref()
    }
}

type Answer<'a, T> = BoxFuture<'a, Result<T, Error>>;

fn now<'a, T: Send + 'a>(answer: Answer<'_, T>) -> Answer<'a, T> {
    Box::pin(std::future::ready(block_on(answer)))
}

impl Ledger for Synchronous {
    fn apply(&self, command: Command) -> Answer<'_, Outcome> {
        now(self.ledger().apply(command))
    }

    fn payment(&self, id: &PaymentId) -> Answer<'_, Option<Payment>> {
        now(self.ledger().payment(id))
    }

    fn session(&self, id: &SessionId) -> Answer<'_, Option<Session>> {
        now(self.ledger().session(id))
    }

    fn stream(&self, session: &SessionId, id: &StreamId) -> Answer<'_, Option<Stream>> {
        now(self.ledger().stream(session, id))
    }

    fn journal(&self, session: &SessionId) -> Answer<'_, Vec<Entry>> {
        now(self.ledger().journal(session))
    }

    fn payments_of(&self, tx: &str, limit: usize) -> Answer<'_, Vec<(PaymentId, Payment)>> {
        now(self.ledger().payments_of(tx, limit))
    }

    fn in_doubt(&self, after: Option<&PaymentId>, limit: usize) -> Answer<'_, Vec<(PaymentId, Payment)>> {
        now(self.ledger().in_doubt(after, limit))
    }

    fn refund(&self, id: &RefundId) -> Answer<'_, Option<Refund>> {
        now(self.ledger().refund(id))
    }

    fn refunds_in_doubt(
        &self,
        after: Option<&RefundId>,
        limit: usize,
    ) -> Answer<'_, Vec<(RefundId, Refund)>> {
        now(self.ledger().refunds_in_doubt(after, limit))
    }

    fn pay_out(&self, command: PayoutCommand) -> Answer<'_, PayoutOutcome> {
        now(self.ledger().pay_out(command))
    }

    fn provider(&self, account: &ProviderAccount) -> Answer<'_, Option<Provider>> {
        now(self.ledger().provider(account))
    }

    fn providers(
        &self,
        after: Option<&ProviderAccount>,
        limit: usize,
    ) -> Answer<'_, Vec<(ProviderAccount, Provider)>> {
        now(self.ledger().providers(after, limit))
    }

    fn payout(&self, id: &PayoutId) -> Answer<'_, Option<Payout>> {
        now(self.ledger().payout(id))
    }

    fn payouts_in_doubt(
        &self,
        after: Option<&PayoutId>,
        limit: usize,
    ) -> Answer<'_, Vec<(PayoutId, Payout)>> {
        now(self.ledger().payouts_in_doubt(after, limit))
    }

    fn gathered(&self, account: &ProviderAccount, sessions: Vec<SessionId>) -> Answer<'_, Vec<Usdc>> {
        now(self.ledger().gathered(account, sessions))
    }

    fn sessions(&self, after: Option<&SessionId>, limit: usize) -> Answer<'_, Vec<(SessionId, Session)>> {
        now(self.ledger().sessions(after, limit))
    }

    fn sessions_of(&self, payer: &str, limit: usize) -> Answer<'_, Vec<(SessionId, Session)>> {
        now(self.ledger().sessions_of(payer, limit))
    }

    fn watch(&self, sessions: Vec<SessionId>) -> Answer<'_, Vec<Option<Watched>>> {
        now(self.ledger().watch(sessions))
    }

    fn once(&self, key: &str, ttl: Duration) -> Answer<'_, bool> {
        now(self.ledger().once(key, ttl))
    }

    fn spend(&self, purse: &str, id: &str, charges: Vec<Charge>, window: Duration) -> Answer<'_, Spent> {
        now(self.ledger().spend(purse, id, charges, window))
    }

    fn lease(&self, name: &str, holder: &str, ttl: Duration) -> Answer<'_, bool> {
        now(self.ledger().lease(name, holder, ttl))
    }

    fn release(&self, name: &str, holder: &str) -> Answer<'_, ()> {
        now(self.ledger().release(name, holder))
    }

    fn born(&self) -> Answer<'_, Timestamp> {
        now(self.ledger().born())
    }

    fn ready(&self) -> Answer<'_, ()> {
        now(self.ledger().ready())
    }
}
