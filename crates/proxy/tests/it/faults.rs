//! A ledger whose store fails on demand, before or after it has applied a command.

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

/// How the store fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Nothing is applied.
    Down,
    /// `Post` is applied, but its answer is lost.
    PostAnswersLost,
    /// `Post` is not applied.
    PostsFail,
    /// The store is another one.
    Lost,
}

pub(crate) struct FaultyLedger {
    pub(crate) inner: Arc<dyn Ledger>,
    fault: Mutex<Fault>,
}

impl FaultyLedger {
    pub(crate) fn new(inner: Arc<dyn Ledger>) -> Self {
        Self { inner, fault: Mutex::new(Fault::None) }
    }

    pub(crate) fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    fn is(&self, fault: Fault) -> bool {
        *self.fault.lock().unwrap() == fault
    }

    fn check(&self) -> Result<(), Error> {
        if self.is(Fault::Lost) {
            return Err(Error::Lost);
        }
        if self.is(Fault::Down) { Err(Error::Unavailable("down".into())) } else { Ok(()) }
    }
}

impl Ledger for FaultyLedger {
    fn apply(&self, command: Command) -> BoxFuture<'_, Result<Outcome, Error>> {
        Box::pin(async move {
            self.check()?;
            let post = matches!(command, Command::Post { .. });
            if post && self.is(Fault::PostsFail) {
                return Err(Error::Unavailable("post".into()));
            }
            let outcome = self.inner.apply(command).await?;
            if post && self.is(Fault::PostAnswersLost) {
                return Err(Error::Unavailable("answer".into()));
            }
            Ok(outcome)
        })
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
        match self.check() {
            Ok(()) => self.inner.watch(sessions),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
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
