//! One write transaction: the jobs of a batch, applied in order.

use super::failure::Failure;
use super::lazy::LazyTable;
use super::payouts::Payouts;
use super::purses::{Purses, Spending};
use super::refunds::Refunds;
use super::tables::{
    IN_DOUBT, JOURNAL, LEASES, LIVE, ONCE, ONCE_UNTIL, PAYERS, PAYMENTS, SESSIONS, STREAMS, TRANSACTIONS,
};
use super::writer::{Answer, Ask};
use crate::command::Entry;
use crate::core::{self, Applied, Slot};
use crate::leases::Leases;
use crate::model::{Fate, Payment, Session, Stream, payer_key, tx_key};
use crate::spend::Spent;
use crate::{Command, Error, Outcome, PayoutCommand, PayoutOutcome, Timestamp, WORKING_LEASE_MAX, record};
use redb::{ReadableTable, WriteTransaction};
use serde::de::DeserializeOwned;
use std::time::Duration;
use tollwire_x402::{PaymentId, SessionId, StreamId};

/// Rows that are over, removed with every new one of their kind: at least two, so that the table shrinks.
pub(super) const PRUNED_PER_CALL: usize = 8;

/// The tables of a write transaction.
pub(super) struct Books<'txn> {
    payments: LazyTable<'txn, &'static str, &'static [u8]>,
    sessions: LazyTable<'txn, &'static str, &'static [u8]>,
    streams: LazyTable<'txn, (&'static str, &'static str), &'static [u8]>,
    live: LazyTable<'txn, (&'static str, u64, &'static str), ()>,
    journal: LazyTable<'txn, (&'static str, u64), &'static [u8]>,
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
    pub(super) written: Written,
}

/// How much a transaction has to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Written {
    /// Nothing: it is given up.
    Nothing,
    /// What a crash may forget, because that does what a lease's end would do: no sync of its own.
    Forgettable,
    /// What must be on the disk before anybody is answered.
    Durably,
}

/// Rows as bytes, made before the first write so that nothing but the database can fail half-way.
struct Encoded {
    payment: Option<Vec<u8>>,
    session: Option<Vec<u8>>,
    stream: Option<Vec<u8>>,
    refund: Option<Vec<u8>>,
    entries: Vec<Vec<u8>>,
}

impl<'txn> Books<'txn> {
    pub(super) fn of(txn: &'txn WriteTransaction, working: &'txn mut Leases) -> Self {
        Self {
            payments: LazyTable::new(txn, PAYMENTS),
            sessions: LazyTable::new(txn, SESSIONS),
            streams: LazyTable::new(txn, STREAMS),
            live: LazyTable::new(txn, LIVE),
            journal: LazyTable::new(txn, JOURNAL),
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
        let payment: Option<Payment> = match command.payment() {
            Some(id) => load(self.payments.open()?, id.as_str(), "payment")?,
            None => None,
        };
        let session = core::session_of(command, payment.as_ref()).clone();
        let stream: Option<Stream> = match command.stream() {
            Some(id) => load(self.streams.open()?, (session.as_str(), id.as_str()), "stream")?,
            None => None,
        };
        let refund = match command.refund() {
            Some(number) => self.refunds.load(&session, number)?,
            None => None,
        };
        let was_live = stream.as_ref().and_then(|stream| stream.live_until);
        let row: Option<Session> = load(self.sessions.open()?, session.as_str(), "session")?;
        let known = row.is_some();
        let live = self.open_streams(&session, now, core::counts_streams(command))?;
        let applied = core::apply(Slot { payment, session: row, stream, refund, live }, command, now);
        let encoded = encode(&applied, &session).map_err(Failure::Rows)?;
        self.write(command, &session, &applied, &encoded)?;
        if let (false, Some(row)) = (known, &applied.changed.session) {
            let key = (&*payer_key(&row.payer), row.opened.millis(), session.as_str());
            self.payers.open()?.insert(key, ()).map_err(Failure::store)?;
        }
        if let (Some(id), Some(stream)) = (command.stream(), &applied.changed.stream) {
            self.index_live(&session, id, was_live, stream.live_until, now)?;
        }
        Ok(applied.outcome)
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
        applied: &Applied,
        encoded: &Encoded,
    ) -> Result<(), Failure> {
        if let (Some(id), Some(bytes)) = (command.payment(), &encoded.payment) {
            self.payments.open()?.insert(id.as_str(), bytes.as_slice()).map_err(Failure::store)?;
            let pending = applied.changed.payment.as_ref().is_some_and(|row| row.fate == Fate::Pending);
            self.index(id, pending)?;
            if let Some(tx) = command.transaction() {
                let key = tx_key(tx);
                self.transactions.open()?.insert((key.as_str(), id.as_str()), ()).map_err(Failure::store)?;
            }
            self.keep(Written::Durably);
        }
        if let (Some(id), Some(bytes)) = (command.stream(), &encoded.stream) {
            self.write_stream(session, id, bytes)?;
            self.keep(worth(command));
        }
        if let (Some(number), Some(bytes), Some(row)) =
            (command.refund(), &encoded.refund, &applied.changed.refund)
        {
            self.refunds.save(session, number, row, bytes)?;
            self.keep(Written::Durably);
        }
        if let Some(bytes) = &encoded.session {
            self.sessions.open()?.insert(session.as_str(), bytes.as_slice()).map_err(Failure::store)?;
            self.keep(worth(command));
        }
        for bytes in &encoded.entries {
            self.append(session, bytes)?;
        }
        Ok(())
    }

    fn keep(&mut self, what: Written) {
        self.written = self.written.max(what);
    }

    fn open_streams(&mut self, session: &SessionId, now: Timestamp, most: u32) -> Result<u32, Failure> {
        if most == 0 {
            return Ok(0);
        }
        let open = (session.as_str(), now.millis().saturating_add(1), "")..(session.as_str(), u64::MAX, "");
        let open = self.live.open()?.range(open).map_err(Failure::store)?;
        Ok((0..most).zip(open).fold(0, |count, _| count + 1))
    }

    fn index(&mut self, id: &PaymentId, pending: bool) -> Result<(), Failure> {
        if pending {
            self.in_doubt.open()?.insert(id.as_str(), ()).map_err(Failure::store)?;
        } else {
            self.in_doubt.open()?.remove(id.as_str()).map_err(Failure::store)?;
        }
        Ok(())
    }

    fn write_stream(&mut self, session: &SessionId, id: &StreamId, bytes: &[u8]) -> Result<(), Failure> {
        self.streams.open()?.insert((session.as_str(), id.as_str()), bytes).map_err(Failure::store)?;
        Ok(())
    }

    fn index_live(
        &mut self,
        session: &SessionId,
        id: &StreamId,
        old: Option<Timestamp>,
        new: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), Failure> {
        if old == new {
            return Ok(());
        }
        if let Some(old) = old {
            self.live
                .open()?
                .remove((session.as_str(), old.millis(), id.as_str()))
                .map_err(Failure::store)?;
        }
        let Some(new) = new else { return Ok(()) };
        let mut over = Vec::new();
        let until_now = (session.as_str(), 0, "")..(session.as_str(), now.millis().saturating_add(1), "");
        for row in self.live.open()?.range(until_now).map_err(Failure::store)?.take(PRUNED_PER_CALL) {
            let (key, _) = row.map_err(Failure::store)?;
            let (_, until, stream) = key.value();
            over.push((until, stream.to_owned()));
        }
        for (until, stream) in over {
            self.live.open()?.remove((session.as_str(), until, stream.as_str())).map_err(Failure::store)?;
        }
        self.live
            .open()?
            .insert((session.as_str(), new.millis(), id.as_str()), ())
            .map_err(Failure::store)?;
        Ok(())
    }

    fn append(&mut self, session: &SessionId, bytes: &[u8]) -> Result<(), Failure> {
        let lines = (session.as_str(), 0)..=(session.as_str(), u64::MAX);
        let last = {
            let mut lines = self.journal.open()?.range(lines).map_err(Failure::store)?;
            lines.next_back().transpose().map_err(Failure::store)?.map(|(key, _)| key.value().1)
        };
        let next = last.map_or(0, |line| line.saturating_add(1));
        self.journal.open()?.insert((session.as_str(), next), bytes).map_err(Failure::store)?;
        self.keep(Written::Durably);
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

/// What a command's rows are worth when it writes no line of the journal.
///
/// A hold is for what is served later; a captured unit is served only after its own command. To forget a hold, its
/// return, or the end of a stream whose use is captured, is what the lapse of the hold would come to.
fn worth(command: &Command) -> Written {
    match command {
        Command::Hold { .. } | Command::Void { .. } | Command::End { .. } => Written::Forgettable,
        _ => Written::Durably,
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

/// Checks what the core made and turns it into bytes.
fn encode(applied: &Applied, session: &SessionId) -> Result<Encoded, Error> {
    if let Some(row) = &applied.changed.session {
        core::check_invariants(row)
            .map_err(|broken| Error::Corrupt(format!("session {session}: {broken}")))?;
    }
    Ok(Encoded {
        payment: applied.changed.payment.as_ref().map(record::encode).transpose()?,
        session: applied.changed.session.as_ref().map(record::encode).transpose()?,
        stream: applied.changed.stream.as_ref().map(record::encode).transpose()?,
        refund: applied.changed.refund.as_ref().map(record::encode).transpose()?,
        entries: applied.entries.iter().map(record::encode::<Entry>).collect::<Result<_, _>>()?,
    })
}
