//! One write transaction: the jobs of a batch that concern more than sessions and streams, applied in order.

use super::failure::Failure;
use super::lazy::LazyTable;
use super::payouts::Payouts;
use super::purses::{Purses, Spending};
use super::refunds::Refunds;
use super::sheets::{self, Sheets, Written};
use super::tables::{IN_DOUBT, LEASES, ONCE, ONCE_UNTIL, PAYERS, PAYMENTS, PRUNED_PER_CALL, TRANSACTIONS};
use super::writer::{Answer, Ask};
use crate::core::{self, Applied, Slot};
use crate::leases::Leases;
use crate::model::{Fate, Payment, payer_key, tx_key};
use crate::spend::Spent;
use crate::{Command, Error, Outcome, PayoutCommand, PayoutOutcome, Timestamp, WORKING_LEASE_MAX, record};
use redb::{ReadableTable, WriteTransaction};
use serde::de::DeserializeOwned;
use std::time::Duration;
use tollwire_x402::{PaymentId, SessionId};

/// The tables of a write transaction, and what its jobs do to sessions and streams.
pub(super) struct Books<'txn> {
    sheets: Sheets<'txn>,
    payments: LazyTable<'txn, &'static str, &'static [u8]>,
    in_doubt: LazyTable<'txn, &'static str, ()>,
    once: LazyTable<'txn, &'static str, u64>,
    once_until: LazyTable<'txn, (u64, &'static str), ()>,
    leases: LazyTable<'txn, &'static str, (&'static str, u64)>,
    payers: LazyTable<'txn, (&'static str, u64, &'static str), ()>,
    transactions: LazyTable<'txn, (&'static str, &'static str), ()>,
    refunds: Refunds<'txn>,
    purses: Purses<'txn>,
    payouts: Payouts<'txn>,
    /// Leases of work under way: in memory, because whoever else could ask for one is in this process, and a crash ends them
    /// with their holders.
    working: &'txn mut Leases,
    /// What was written, and so what the transaction's end has to cost.
    written: Written,
}

/// Rows as bytes, made before the first write so that nothing but the database can fail half-way.
struct Encoded {
    payment: Option<Vec<u8>>,
    refund: Option<Vec<u8>>,
}

/// Where a payment is listed before a command: what is there already is not written again.
struct Indexed {
    in_doubt: bool,
    /// Under the command's transaction.
    by_transaction: bool,
}

impl Indexed {
    fn of(payment: Option<&Payment>, command: &Command) -> Self {
        let pending = |payment: &Payment| payment.fate == Fate::Pending;
        let made_for = |payment: &Payment, tx: &str| {
            payment.attempts.iter().any(|attempt| tx_key(&attempt.tx) == tx_key(tx))
        };
        Self {
            in_doubt: payment.is_some_and(pending),
            by_transaction: payment
                .zip(command.transaction())
                .is_some_and(|(payment, tx)| made_for(payment, tx)),
        }
    }
}

impl<'txn> Books<'txn> {
    pub(super) fn of(txn: &'txn WriteTransaction, sheets: Sheets<'txn>, working: &'txn mut Leases) -> Self {
        Self {
            sheets,
            payments: LazyTable::new(txn, PAYMENTS),
            in_doubt: LazyTable::new(txn, IN_DOUBT),
            once: LazyTable::new(txn, ONCE),
            once_until: LazyTable::new(txn, ONCE_UNTIL),
            leases: LazyTable::new(txn, LEASES),
            payers: LazyTable::new(txn, PAYERS),
            transactions: LazyTable::new(txn, TRANSACTIONS),
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
        let payment: Option<Payment> = match command.payment() {
            Some(id) => load(self.payments.open()?, id.as_str(), "payment")?,
            None => None,
        };
        let session = core::session_of(command, payment.as_ref()).clone();
        let refund = match command.refund() {
            Some(number) => self.refunds.load(&session, number)?,
            None => None,
        };
        let indexed = Indexed::of(payment.as_ref(), command);
        let slot = Slot { payment, refund, ..self.sheets.slot(command, &session, now)? };
        let was_live = slot.stream.as_ref().and_then(|stream| stream.live_until);
        let known = slot.session.is_some();
        let applied = core::apply(slot, command, now);
        sheets::check(&applied, &session)?;
        self.write(command, &session, &indexed, &applied)?;
        if let (false, Some(row)) = (known, &applied.changed.session) {
            let key = (&*payer_key(&row.payer), row.opened.millis(), session.as_str());
            self.payers.open()?.insert(key, ()).map_err(Failure::store)?;
        }
        self.sheets.take(command, &session, was_live, applied)
    }

    fn pay_out(&mut self, command: &PayoutCommand, now: Timestamp) -> Result<PayoutOutcome, Failure> {
        let (outcome, written) = self.payouts.apply(command, now)?;
        if written {
            self.keep(Written::Durably);
        }
        Ok(outcome)
    }

    fn write(
        &mut self,
        command: &Command,
        session: &SessionId,
        indexed: &Indexed,
        applied: &Applied,
    ) -> Result<(), Failure> {
        let encoded = encode(applied)?;
        if let (Some(id), Some(bytes)) = (command.payment(), &encoded.payment) {
            self.payments.open()?.insert(id.as_str(), bytes.as_slice()).map_err(Failure::store)?;
            let pending = applied.changed.payment.as_ref().is_some_and(|row| row.fate == Fate::Pending);
            if pending != indexed.in_doubt {
                self.index(id, pending)?;
            }
            if let Some(tx) = command.transaction().filter(|_| !indexed.by_transaction) {
                let key = tx_key(tx);
                self.transactions.open()?.insert((key.as_str(), id.as_str()), ()).map_err(Failure::store)?;
            }
            // A payment that is only recorded has moved nothing yet: what lets a transaction out makes the record durable, too.
            let recorded = matches!(command, Command::Record { .. });
            self.keep(if recorded { Written::Forgettable } else { Written::Durably });
        }
        if let (Some(number), Some(bytes), Some(row)) =
            (command.refund(), &encoded.refund, &applied.changed.refund)
        {
            self.refunds.save(session, number, row, bytes)?;
            self.keep(Written::Durably);
        }
        Ok(())
    }

    fn keep(&mut self, what: Written) {
        self.written = self.written.max(what);
    }

    fn index(&mut self, id: &PaymentId, pending: bool) -> Result<(), Failure> {
        if pending {
            self.in_doubt.open()?.insert(id.as_str(), ()).map_err(Failure::store)?;
        } else {
            self.in_doubt.open()?.remove(id.as_str()).map_err(Failure::store)?;
        }
        Ok(())
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

fn load<K: redb::Key + 'static, T: DeserializeOwned>(
    table: &impl ReadableTable<K, &'static [u8]>,
    key: K::SelfType<'_>,
    what: &str,
) -> Result<Option<T>, Failure> {
    let Some(bytes) = table.get(key).map_err(Failure::store)? else { return Ok(None) };
    record::decode(bytes.value(), what).map(Some).map_err(Failure::Rows)
}

fn encode(applied: &Applied) -> Result<Encoded, Failure> {
    let bytes = || -> Result<Encoded, Error> {
        Ok(Encoded {
            payment: applied.changed.payment.as_ref().map(record::encode).transpose()?,
            refund: applied.changed.refund.as_ref().map(record::encode).transpose()?,
        })
    };
    bytes().map_err(Failure::Rows)
}
