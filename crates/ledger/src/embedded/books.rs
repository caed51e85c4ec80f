//! One write transaction: the jobs of a batch that concern more than payments, sessions and streams, applied in order.

use super::failure::Failure;
use super::lazy::LazyTable;
use super::payouts::Payouts;
use super::purses::{Purses, Spending};
use super::refunds::Refunds;
use super::sheets::{self, Sheets, Written};
use super::tables::{LEASES, ONCE, ONCE_UNTIL, PRUNED_PER_CALL};
use super::writer::{Answer, Ask};
use crate::core::{self, Slot};
use crate::leases::Leases;
use crate::spend::Spent;
use crate::{Command, Outcome, PayoutCommand, PayoutOutcome, Timestamp, WORKING_LEASE_MAX, record};
use redb::{ReadableTable, WriteTransaction};
use std::time::Duration;

/// The tables of a write transaction, and what its jobs do to sessions and streams.
pub(super) struct Books<'txn> {
    sheets: Sheets<'txn>,
    once: LazyTable<'txn, &'static str, u64>,
    once_until: LazyTable<'txn, (u64, &'static str), ()>,
    leases: LazyTable<'txn, &'static str, (&'static str, u64)>,
    refunds: Refunds<'txn>,
    purses: Purses<'txn>,
    payouts: Payouts<'txn>,
    /// Leases of work under way: in memory, because whoever else could ask for one is in this process, and a crash ends them
    /// with their holders.
    working: &'txn mut Leases,
    /// What was written, and so what the transaction's end has to cost.
    written: Written,
}

impl<'txn> Books<'txn> {
    pub(super) fn of(txn: &'txn WriteTransaction, sheets: Sheets<'txn>, working: &'txn mut Leases) -> Self {
        Self {
            sheets,
            once: LazyTable::new(txn, ONCE),
            once_until: LazyTable::new(txn, ONCE_UNTIL),
            leases: LazyTable::new(txn, LEASES),
            refunds: Refunds::of(txn),
            purses: Purses::of(txn),
            payouts: Payouts::of(txn),
            working,
            written: Written::Nothing,
        }
    }

    /// What all that was written is worth; what changed of sessions and streams is left to be.
    pub(super) fn written(self) -> Written {
        self.sheets.written().max(self.written)
    }

    pub(super) fn run(&mut self, ask: &Ask, now: Timestamp) -> Result<Answer, Failure> {
        match ask {
            Ask::Apply(command) => self.apply(command, now).map(Answer::Outcome),
            Ask::PayOut(command) => self.pay_out(command, now).map(Answer::PaidOut),
            Ask::Once { key, ttl } => self.once(key, *ttl, now).map(Answer::Flag),
            Ask::Spend { purse, id, charges, window } => {
                let spending = Spending { purse, id, charges, window: *window };
                self.spend(&spending, now).map(Answer::Spent)
            }
            Ask::Lease { name, holder, ttl } => self.lease(name, holder, *ttl, now).map(Answer::Flag),
            Ask::Release { name, holder } => self.release(name, holder).map(Answer::Flag),
            Ask::Ready => Ok(Answer::Flag(true)),
        }
    }

    fn apply(&mut self, command: &Command, now: Timestamp) -> Result<Outcome, Failure> {
        if Sheets::suffice_for(command) {
            return self.sheets.apply(command, now);
        }
        let session = command.session();
        let refund = match command.refund() {
            Some(number) => self.refunds.load(session, number)?,
            None => None,
        };
        let slot = Slot { refund, ..self.sheets.slot(command, session, now)? };
        let applied = core::apply(slot, command, now);
        sheets::check(&applied, session)?;
        if let (Some(number), Some(row)) = (command.refund(), &applied.changed.refund) {
            // Before the first write, so that nothing but the database can fail half-way.
            let bytes = record::encode(row).map_err(Failure::Rows)?;
            self.refunds.save(session, number, row, &bytes)?;
            self.keep(Written::Durably);
        }
        // None of these commands names a stream.
        self.sheets.take(command, session, None, applied)
    }

    fn pay_out(&mut self, command: &PayoutCommand, now: Timestamp) -> Result<PayoutOutcome, Failure> {
        let (outcome, written) = self.payouts.apply(command, now)?;
        if written {
            self.keep(Written::Durably);
        }
        Ok(outcome)
    }

    fn keep(&mut self, what: Written) {
        self.written = self.written.max(what);
    }

    fn once(&mut self, key: &str, ttl: Duration, now: Timestamp) -> Result<bool, Failure> {
        self.prune(now)?;
        let used_until = self.once.open()?.get(key).map_err(Failure::store)?.map(|until| until.value());
        if used_until.is_some_and(|until| until > now.millis()) {
            return Ok(false);
        }
        if let Some(old) = used_until {
            self.once_until.open()?.remove((old, key)).map_err(Failure::store)?;
        }
        let until = now.after(ttl).millis();
        self.once.open()?.insert(key, until).map_err(Failure::store)?;
        self.once_until.open()?.insert((until, key), ()).map_err(Failure::store)?;
        self.keep(Written::Durably);
        Ok(true)
    }

    fn spend(&mut self, spending: &Spending<'_>, now: Timestamp) -> Result<Spent, Failure> {
        let spent = self.purses.spend(spending, now)?;
        if spent == Spent::Done {
            self.keep(Written::Durably);
        }
        Ok(spent)
    }

    fn prune(&mut self, now: Timestamp) -> Result<(), Failure> {
        let mut expired = Vec::new();
        for row in self
            .once_until
            .open()?
            .range(..(now.millis().saturating_add(1), ""))
            .map_err(Failure::store)?
            .take(PRUNED_PER_CALL)
        {
            let (key, _) = row.map_err(Failure::store)?;
            let (until, key) = key.value();
            expired.push((until, key.to_owned()));
        }
        for (until, key) in expired {
            self.once_until.open()?.remove((until, key.as_str())).map_err(Failure::store)?;
            self.once.open()?.remove(key.as_str()).map_err(Failure::store)?;
            self.keep(Written::Durably);
        }
        Ok(())
    }

    fn lease(&mut self, name: &str, holder: &str, ttl: Duration, now: Timestamp) -> Result<bool, Failure> {
        let kept = self.leases.open()?.get(name).map_err(Failure::store)?;
        let kept = kept.map(|row| (row.value().0.to_owned(), row.value().1));
        if kept.as_ref().is_some_and(|(other, until)| other != holder && *until > now.millis()) {
            return Ok(false);
        }
        let until = now.after(ttl);
        if !self.working.take(name, holder, until, now) {
            return Ok(false);
        }
        if ttl > WORKING_LEASE_MAX || kept.is_some() {
            self.leases.open()?.insert(name, (holder, until.millis())).map_err(Failure::store)?;
            self.keep(Written::Durably);
        }
        Ok(true)
    }

    fn release(&mut self, name: &str, holder: &str) -> Result<bool, Failure> {
        let working = self.working.release(name, holder);
        let kept =
            self.leases.open()?.get(name).map_err(Failure::store)?.is_some_and(|row| row.value().0 == holder);
        if kept {
            self.leases.open()?.remove(name).map_err(Failure::store)?;
            self.keep(Written::Durably);
        }
        Ok(working || kept)
    }
}
