//! A ledger in memory, for development and tests: correct, and gone with the process.

use crate::command::Entry;
use crate::core::{self, PayoutSlot, Slot, lapse};
use crate::leases::Leases;
use crate::ledger::{BoxFuture, Watched};
use crate::model::{
    Fate, Payment, Payout, PayoutFate, PayoutId, Provider, ProviderAccount, Refund, RefundFate, RefundId,
    Session, Stream, payer_key, tx_key,
};
use crate::spend::{Charge, Purse, Spent};
use crate::{Clock, Command, Error, Ledger, Outcome, PayoutCommand, PayoutOutcome, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tollwire_x402::{PaymentId, SessionId, StreamId, Usdc};

/// The ledger core over maps behind one lock. Nothing is durable.
pub struct MemoryLedger {
    clock: Arc<dyn Clock>,
    born: Timestamp,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    payments: BTreeMap<PaymentId, Payment>,
    sessions: BTreeMap<SessionId, Session>,
    streams: BTreeMap<(SessionId, StreamId), Stream>,
    refunds: BTreeMap<RefundId, Refund>,
    providers: BTreeMap<ProviderAccount, Provider>,
    payouts: BTreeMap<PayoutId, Payout>,
    gathered: BTreeMap<(ProviderAccount, SessionId), Usdc>,
    /// Of the streams, those that are live: what reading a session shows.
    live: BTreeMap<SessionId, BTreeMap<StreamId, Timestamp>>,
    journals: BTreeMap<SessionId, Vec<Entry>>,
    /// Transactions and the payments they are for.
    transactions: BTreeMap<String, BTreeSet<PaymentId>>,
    once: BTreeMap<String, Timestamp>,
    purses: BTreeMap<String, Purse>,
    leases: Leases,
}

impl MemoryLedger {
    /// An empty ledger.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { born: clock.now(), clock, books: Mutex::default() }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLedger").finish_non_exhaustive()
    }
}

impl Books {
    fn apply(&mut self, command: &Command, now: Timestamp) -> Result<Outcome, Error> {
        let payment = command.payment().and_then(|id| self.payments.get(id)).cloned();
        let session = core::session_of(command, payment.as_ref()).clone();
        let stream =
            command.stream().and_then(|id| self.streams.get(&(session.clone(), id.clone()))).cloned();
        let live = self.open_streams(&session, now, core::counts_streams(command));
        let refund_id = command.refund().map(|number| RefundId { session: session.clone(), number });
        let refund = refund_id.as_ref().and_then(|id| self.refunds.get(id)).cloned();
        let slot = Slot { payment, session: self.sessions.get(&session).cloned(), stream, refund, live };
        let applied = core::apply(slot, command, now);
        if let Some(row) = &applied.changed.session {
            core::check_invariants(row).map_err(|broken| Error::Corrupt(format!("{session}: {broken}")))?;
        }
        if let (Some(id), Some(row)) = (command.payment(), applied.changed.payment) {
            self.payments.insert(id.clone(), row);
            if let Some(tx) = command.transaction() {
                self.transactions.entry(tx_key(tx)).or_default().insert(id.clone());
            }
        }
        if let (Some(id), Some(row)) = (command.stream(), applied.changed.stream) {
            let live = self.live.entry(session.clone()).or_default();
            live.retain(|other, until| other != id && *until > now);
            live.extend(row.live_until.map(|until| (id.clone(), until)));
            self.streams.insert((session.clone(), id.clone()), row);
        }
        if let (Some(id), Some(row)) = (refund_id, applied.changed.refund) {
            self.refunds.insert(id, row);
        }
        if let Some(row) = applied.changed.session {
            self.sessions.insert(session.clone(), row);
        }
        if !applied.entries.is_empty() {
            self.journals.entry(session).or_default().extend(applied.entries);
        }
        Ok(applied.outcome)
    }

    fn pay_out(&mut self, command: &PayoutCommand, now: Timestamp) -> PayoutOutcome {
        let id = command.payout();
        let from = command.session().map(|session| (id.account.clone(), session.clone()));
        let slot = PayoutSlot {
            provider: self.providers.get(&id.account).cloned(),
            payout: self.payouts.get(id).cloned(),
            gathered: from.as_ref().and_then(|from| self.gathered.get(from)).copied(),
        };
        let applied = core::pay_out(slot, command, now);
        if let Some(row) = applied.changed.provider {
            self.providers.insert(id.account.clone(), row);
        }
        if let Some(row) = applied.changed.payout {
            self.payouts.insert(id.clone(), row);
        }
        if let (Some(from), Some(gathered)) = (from, applied.changed.gathered) {
            self.gathered.insert(from, gathered);
        }
        applied.outcome
    }

    fn open_streams(&self, session: &SessionId, now: Timestamp, most: u32) -> u32 {
        let live = self.live.get(session).into_iter().flat_map(BTreeMap::values);
        (0..most).zip(live.filter(|until| **until > now)).fold(0, |count, _| count + 1)
    }

    fn shown(&self, id: &SessionId, row: &Session, now: Timestamp) -> Session {
        let live = self.live.get(id).cloned().unwrap_or_default();
        let mut session = Session { live, ..row.clone() };
        lapse(&mut session, now);
        session
    }
}

fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, Result<T, Error>> {
    Box::pin(std::future::ready(Ok(value)))
}

fn beyond<T>(after: Option<&T>) -> (Bound<&T>, Bound<&T>) {
    (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)
}

impl Ledger for MemoryLedger {
    fn apply(&self, command: Command) -> BoxFuture<'_, Result<Outcome, Error>> {
        let outcome = self.books().apply(&command, self.clock.now());
        Box::pin(std::future::ready(outcome))
    }

    fn payment(&self, id: &PaymentId) -> BoxFuture<'_, Result<Option<Payment>, Error>> {
        ready(self.books().payments.get(id).cloned())
    }

    fn session(&self, id: &SessionId) -> BoxFuture<'_, Result<Option<Session>, Error>> {
        let (now, books) = (self.clock.now(), self.books());
        ready(books.sessions.get(id).map(|row| books.shown(id, row, now)))
    }

    fn stream(&self, session: &SessionId, id: &StreamId) -> BoxFuture<'_, Result<Option<Stream>, Error>> {
        ready(self.books().streams.get(&(session.clone(), id.clone())).cloned())
    }

    fn journal(&self, session: &SessionId) -> BoxFuture<'_, Result<Vec<Entry>, Error>> {
        ready(self.books().journals.get(session).cloned().unwrap_or_default())
    }

    fn payments_of(&self, tx: &str, limit: usize) -> BoxFuture<'_, Result<Vec<(PaymentId, Payment)>, Error>> {
        let books = self.books();
        let all = books.transactions.get(&tx_key(tx)).into_iter().flatten();
        let rows = all.filter_map(|id| Some((id.clone(), books.payments.get(id)?.clone())));
        // A reorganisation may have moved one to another transaction.
        let found = rows.filter(|(_, payment)| payment.names(tx));
        ready(found.take(limit).collect())
    }

    fn in_doubt(
        &self,
        after: Option<&PaymentId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(PaymentId, Payment)>, Error>> {
        let books = self.books();
        let pending = books.payments.range(beyond(after)).filter(|(_, row)| row.fate == Fate::Pending);
        ready(pending.take(limit).map(|(id, row)| (id.clone(), row.clone())).collect())
    }

    fn refund(&self, id: &RefundId) -> BoxFuture<'_, Result<Option<Refund>, Error>> {
        ready(self.books().refunds.get(id).cloned())
    }

    fn refunds_in_doubt(
        &self,
        after: Option<&RefundId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(RefundId, Refund)>, Error>> {
        let books = self.books();
        let pending = books.refunds.range(beyond(after)).filter(|(_, row)| row.fate == RefundFate::Pending);
        ready(pending.take(limit).map(|(id, row)| (id.clone(), row.clone())).collect())
    }

    fn pay_out(&self, command: PayoutCommand) -> BoxFuture<'_, Result<PayoutOutcome, Error>> {
        ready(self.books().pay_out(&command, self.clock.now()))
    }

    fn provider(&self, account: &ProviderAccount) -> BoxFuture<'_, Result<Option<Provider>, Error>> {
        ready(self.books().providers.get(account).cloned())
    }

    fn providers(
        &self,
        after: Option<&ProviderAccount>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(ProviderAccount, Provider)>, Error>> {
        let books = self.books();
        let rows = books.providers.range(beyond(after)).take(limit);
        ready(rows.map(|(account, row)| (account.clone(), row.clone())).collect())
    }

    fn payout(&self, id: &PayoutId) -> BoxFuture<'_, Result<Option<Payout>, Error>> {
        ready(self.books().payouts.get(id).cloned())
    }

    fn payouts_in_doubt(
        &self,
        after: Option<&PayoutId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(PayoutId, Payout)>, Error>> {
        let books = self.books();
        let pending = books.payouts.range(beyond(after)).filter(|(_, row)| row.fate == PayoutFate::Pending);
        ready(pending.take(limit).map(|(id, row)| (id.clone(), row.clone())).collect())
    }

    fn gathered(
        &self,
        account: &ProviderAccount,
        sessions: Vec<SessionId>,
    ) -> BoxFuture<'_, Result<Vec<Usdc>, Error>> {
        let books = self.books();
        let gathered = |session| books.gathered.get(&(account.clone(), session)).copied().unwrap_or_default();
        ready(sessions.into_iter().map(gathered).collect())
    }

    fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(SessionId, Session)>, Error>> {
        let (now, books) = (self.clock.now(), self.books());
        let rows = books.sessions.range(beyond(after)).take(limit);
        ready(rows.map(|(id, row)| (id.clone(), books.shown(id, row, now))).collect())
    }

    fn sessions_of(
        &self,
        payer: &str,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(SessionId, Session)>, Error>> {
        let (now, books, payer) = (self.clock.now(), self.books(), payer_key(payer));
        let mut found: Vec<_> =
            books.sessions.iter().filter(|(_, row)| payer_key(&row.payer) == payer).collect();
        found.sort_by(|a, b| (b.1.opened, b.0).cmp(&(a.1.opened, a.0)));
        ready(
            found.into_iter().take(limit).map(|(id, row)| (id.clone(), books.shown(id, row, now))).collect(),
        )
    }

    fn watch(&self, sessions: Vec<SessionId>) -> BoxFuture<'_, Result<Vec<Option<Watched>>, Error>> {
        let books = self.books();
        ready(sessions.iter().map(|id| books.sessions.get(id).map(Watched::from)).collect())
    }

    fn once(&self, key: &str, ttl: Duration) -> BoxFuture<'_, Result<bool, Error>> {
        let (now, mut books) = (self.clock.now(), self.books());
        books.once.retain(|_, until| *until > now);
        let fresh = !books.once.contains_key(key);
        if fresh {
            books.once.insert(key.to_owned(), now.after(ttl));
        }
        ready(fresh)
    }

    fn spend(
        &self,
        purse: &str,
        id: &str,
        charges: Vec<Charge>,
        window: Duration,
    ) -> BoxFuture<'_, Result<Spent, Error>> {
        let (now, mut books) = (self.clock.now(), self.books());
        let purse = books.purses.entry(purse.to_owned()).or_default();
        ready(purse.spend(id, &charges, window, now))
    }

    fn lease(&self, name: &str, holder: &str, ttl: Duration) -> BoxFuture<'_, Result<bool, Error>> {
        let (now, mut books) = (self.clock.now(), self.books());
        ready(books.leases.take(name, holder, now.after(ttl), now))
    }

    fn release(&self, name: &str, holder: &str) -> BoxFuture<'_, Result<(), Error>> {
        self.books().leases.release(name, holder);
        ready(())
    }

    fn born(&self) -> BoxFuture<'_, Result<Timestamp, Error>> {
        ready(self.born)
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), Error>> {
        ready(())
    }
}
