//! What readers see: the state as last answered for.

use super::changes::{Changes, Sheet};
use super::failure::storage;
use super::pour::is_in_doubt;
use super::recent::Recent;
use super::tables::{IN_DOUBT, JOURNAL, LIVE, PAYERS, PAYMENTS, Rows, SESSIONS, STREAMS, TRANSACTIONS};
use super::{payouts, refunds};
use crate::command::Entry;
use crate::core::lapse;
use crate::ledger::Watched;
use crate::model::{
    Payment, Payout, PayoutId, Provider, ProviderAccount, Refund, RefundId, Session, Stream, payer_key,
    tx_key,
};
use crate::{Error, Timestamp, record};
use redb::{Database, ReadTransaction, ReadableDatabase};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, Deref};
use std::str::FromStr;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use tollwire_x402::{PaymentId, SessionId, StreamId, Usdc};

/// One consistent view: the file, and over it what changed of payments, sessions and streams since their tables were last
/// written.
pub(super) struct Reader<'a> {
    recent: Seen<'a>,
    txn: ReadTransaction,
}

/// What is recent, for whoever reads it.
enum Seen<'a> {
    /// It stays as it is while this is held: for a look at a few rows.
    Held(RwLockReadGuard<'a, Recent>),
    /// As it was.
    Copied(Recent),
}

impl Deref for Seen<'_> {
    type Target = Recent;

    fn deref(&self) -> &Recent {
        match self {
            Self::Held(recent) => recent,
            Self::Copied(recent) => recent,
        }
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(db: &Database, recent: &'a RwLock<Recent>) -> Result<Self, Error> {
        // First of all what is not in the tables: once it is there, it is taken from here.
        let recent = recent.read().unwrap_or_else(PoisonError::into_inner);
        Ok(Self { txn: db.begin_read().map_err(storage)?, recent: Seen::Held(recent) })
    }

    /// The same, for a read that takes its time.
    pub(super) fn at_leisure(db: &Database, recent: &'a RwLock<Recent>) -> Result<Self, Error> {
        let Self { recent, txn } = Self::new(db, recent)?;
        Ok(Self { recent: Seen::Copied(recent.clone()), txn })
    }

    fn row<T: DeserializeOwned>(&self, rows: Rows, key: &str, what: &str) -> Result<Option<T>, Error> {
        let table = self.txn.open_table(rows).map_err(storage)?;
        let bytes = table.get(key).map_err(storage)?;
        bytes.map(|bytes| record::decode(bytes.value(), what)).transpose()
    }

    pub(super) fn payment(&self, id: &PaymentId) -> Result<Option<Payment>, Error> {
        match self.recent.payment(id) {
            Some(payment) => Ok(Some(payment.clone())),
            None => self.row(PAYMENTS, id.as_str(), "payment"),
        }
    }

    /// Whether what is seen of this payment could be forgotten, though it must not.
    pub(super) fn is_unkept(&self, payment: &PaymentId) -> bool {
        self.recent.is_unkept(payment)
    }

    pub(super) fn session(&self, id: &SessionId, now: Timestamp) -> Result<Option<Session>, Error> {
        self.stored(id)?.map(|session| self.shown(id, session, now)).transpose()
    }

    fn recent_session(&self, id: &SessionId) -> Option<&Session> {
        self.recent.over(id).find_map(|sheet| sheet.session.as_deref())
    }

    /// A session without its live streams.
    fn stored(&self, id: &SessionId) -> Result<Option<Session>, Error> {
        match self.recent_session(id).cloned() {
            Some(session) => Ok(Some(session)),
            None => self.row(SESSIONS, id.as_str(), "session"),
        }
    }

    /// A session with its live streams, as it stands at `now`.
    fn shown(&self, id: &SessionId, mut session: Session, now: Timestamp) -> Result<Session, Error> {
        let table = self.txn.open_table(LIVE).map_err(storage)?;
        let lives = (id.as_str(), now.millis(), "")..(id.as_str(), u64::MAX, "");
        for row in table.range(lives).map_err(storage)? {
            let (key, _) = row.map_err(storage)?;
            let (_, until, stream) = key.value();
            session.live.insert(parse(stream)?, Timestamp::from_millis(until));
        }
        let over: Vec<&Sheet> = self.recent.over(id).collect();
        for sheet in over.into_iter().rev() {
            sheet.show(&mut session.live, now);
        }
        lapse(&mut session, now);
        Ok(session)
    }

    pub(super) fn stream(&self, session: &SessionId, id: &StreamId) -> Result<Option<Stream>, Error> {
        if let Some(row) = self.recent.over(session).find_map(|sheet| sheet.streams.get(id)) {
            return Ok(Some(row.clone()));
        }
        let table = self.txn.open_table(STREAMS).map_err(storage)?;
        let bytes = table.get((session.as_str(), id.as_str())).map_err(storage)?;
        bytes.map(|bytes| record::decode(bytes.value(), "stream")).transpose()
    }

    pub(super) fn journal(&self, session: &SessionId) -> Result<Vec<Entry>, Error> {
        let table = self.txn.open_table(JOURNAL).map_err(storage)?;
        let lines = (session.as_str(), 0)..=(session.as_str(), u64::MAX);
        let lines = table.range(lines).map_err(storage)?;
        let written = lines.map(|line| {
            let (key, bytes) = line.map_err(storage)?;
            Ok((key.value().1, record::decode(bytes.value(), "journal line")?))
        });
        let mut journal: BTreeMap<u64, Entry> = written.collect::<Result<_, Error>>()?;
        // For a moment, a line that moves into its table is there and here.
        for sheet in self.recent.over(session) {
            journal.extend(sheet.lines.iter().map(|(number, entry)| (*number, entry.clone())));
        }
        Ok(journal.into_values().collect())
    }

    pub(super) fn payments_of(&self, tx: &str, limit: usize) -> Result<Vec<(PaymentId, Payment)>, Error> {
        let table = self.txn.open_table(TRANSACTIONS).map_err(storage)?;
        let name = tx_key(tx);
        let all = (name.as_str(), "")..=(name.as_str(), "\u{10FFFF}");
        let mut found: BTreeMap<PaymentId, Payment> = BTreeMap::new();
        for key in table.range(all).map_err(storage)? {
            if found.len() >= limit {
                break;
            }
            let id: PaymentId = parse(key.map_err(storage)?.0.value().1)?;
            let missing = || Error::Corrupt(format!("payment {id} has a transaction but is not recorded"));
            let payment = self.payment(&id)?.ok_or_else(missing)?;
            // A reorganisation may have moved it to another transaction.
            if payment.names(tx) {
                found.insert(id, payment);
            }
        }
        let recent = self.recent_payments(None).filter(|(_, payment)| payment.names(tx));
        found.extend(recent.take(limit).map(|(id, payment)| (id.clone(), payment.clone())));
        Ok(found.into_iter().take(limit).collect())
    }

    /// Payments as they are over those in the tables, in the order of their identities, those after `after`.
    fn recent_payments(&self, after: Option<&PaymentId>) -> impl Iterator<Item = (&PaymentId, &Payment)> {
        let mut latest = BTreeMap::new();
        for layer in self.recent.latest_first().into_iter().rev() {
            latest.extend(layer.payments_after(after));
        }
        latest.into_iter()
    }

    pub(super) fn in_doubt(
        &self,
        after: Option<&PaymentId>,
        limit: usize,
    ) -> Result<Vec<(PaymentId, Payment)>, Error> {
        let table = self.txn.open_table(IN_DOUBT).map_err(storage)?;
        let mut found = BTreeMap::new();
        for key in table.range::<&str>(beyond(after.map(PaymentId::as_str))).map_err(storage)? {
            if found.len() >= limit {
                break;
            }
            let id: PaymentId = parse(key.map_err(storage)?.0.value())?;
            let missing = || Error::Corrupt(format!("payment {id} is in doubt but not recorded"));
            let payment = self.payment(&id)?.ok_or_else(missing)?;
            if is_in_doubt(&payment) {
                found.insert(id, payment);
            }
        }
        let recent = self.recent_payments(after).filter(|(_, payment)| is_in_doubt(payment));
        found.extend(recent.take(limit).map(|(id, payment)| (id.clone(), payment.clone())));
        Ok(found.into_iter().take(limit).collect())
    }

    pub(super) fn refund(&self, id: &RefundId) -> Result<Option<Refund>, Error> {
        refunds::read(&self.txn, id)
    }

    pub(super) fn refunds_in_doubt(
        &self,
        after: Option<&RefundId>,
        limit: usize,
    ) -> Result<Vec<(RefundId, Refund)>, Error> {
        refunds::in_doubt(&self.txn, after, limit)
    }

    pub(super) fn provider(&self, account: &ProviderAccount) -> Result<Option<Provider>, Error> {
        payouts::provider(&self.txn, account)
    }

    pub(super) fn providers(
        &self,
        after: Option<&ProviderAccount>,
        limit: usize,
    ) -> Result<Vec<(ProviderAccount, Provider)>, Error> {
        payouts::providers(&self.txn, after, limit)
    }

    pub(super) fn payout(&self, id: &PayoutId) -> Result<Option<Payout>, Error> {
        payouts::read(&self.txn, id)
    }

    pub(super) fn payouts_in_doubt(
        &self,
        after: Option<&PayoutId>,
        limit: usize,
    ) -> Result<Vec<(PayoutId, Payout)>, Error> {
        payouts::in_doubt(&self.txn, after, limit)
    }

    pub(super) fn gathered(
        &self,
        account: &ProviderAccount,
        sessions: &[SessionId],
    ) -> Result<Vec<Usdc>, Error> {
        payouts::gathered(&self.txn, account, sessions)
    }

    pub(super) fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<(SessionId, Session)>, Error> {
        let table = self.txn.open_table(SESSIONS).map_err(storage)?;
        let rows = table.range::<&str>(beyond(after.map(SessionId::as_str))).map_err(storage)?;
        let mut found = BTreeMap::new();
        for row in rows.take(limit) {
            let (id, bytes) = row.map_err(storage)?;
            found.insert(parse(id.value())?, Some(record::decode(bytes.value(), "session")?));
        }
        // Some of them are in no table yet.
        let recent = self.recent_sessions().filter(|(id, _)| after.is_none_or(|after| *id > after));
        found.extend(recent.map(|(id, _)| (id.clone(), None)));
        found
            .into_iter()
            .take(limit)
            .map(|(id, session)| {
                let session = self.recent_session(&id).cloned().or(session);
                let missing = || Error::Corrupt(format!("session {id} is listed but not stored"));
                let session = self.shown(&id, session.ok_or_else(missing)?, now)?;
                Ok((id, session))
            })
            .collect()
    }

    /// Sessions that lie over those in the tables. One may come more than once.
    fn recent_sessions(&self) -> impl Iterator<Item = (&SessionId, &Session)> {
        let sheets = self.recent.latest_first().into_iter().flat_map(Changes::iter);
        sheets.filter_map(|(id, sheet)| sheet.session.as_deref().map(|row| (id, row)))
    }

    pub(super) fn sessions_of(
        &self,
        payer: &str,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<(SessionId, Session)>, Error> {
        let table = self.txn.open_table(PAYERS).map_err(storage)?;
        let payer = payer_key(payer);
        let all = (payer.as_str(), 0, "")..=(payer.as_str(), u64::MAX, "\u{10FFFF}");
        let newest_first = table.range(all).map_err(storage)?.rev().take(limit);
        let mut found = BTreeSet::new();
        for row in newest_first {
            let (key, _) = row.map_err(storage)?;
            let (_, opened, id) = key.value();
            found.insert((opened, parse::<SessionId>(id)?));
        }
        // Some of them are in no table yet.
        let recent = self.recent_sessions().filter(|(_, row)| payer_key(&row.payer) == payer);
        found.extend(recent.map(|(id, row)| (row.opened.millis(), id.clone())));
        found
            .into_iter()
            .rev()
            .take(limit)
            .map(|(_, id)| {
                let missing = || Error::Corrupt(format!("session {id} is listed but not stored"));
                let session = self.session(&id, now)?.ok_or_else(missing)?;
                Ok((id, session))
            })
            .collect()
    }

    pub(super) fn watch(&self, sessions: &[SessionId]) -> Result<Vec<Option<Watched>>, Error> {
        let watched = |id: &SessionId| match self.recent_session(id) {
            Some(row) => Ok(Some(Watched::from(row))),
            None => Ok(self.row::<Session>(SESSIONS, id.as_str(), "session")?.as_ref().map(Watched::from)),
        };
        sessions.iter().map(watched).collect()
    }
}

fn beyond(after: Option<&str>) -> (Bound<&str>, Bound<&str>) {
    (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)
}

pub(super) fn parse<T: FromStr<Err = tollwire_x402::Error>>(key: &str) -> Result<T, Error> {
    key.parse().map_err(|error| Error::Corrupt(format!("key {key:?}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::super::{pour, tables};
    use super::*;
    use crate::command::EntryKind;
    use redb::Builder;
    use redb::backends::InMemoryBackend;

    #[test]
    fn a_line_on_its_way_into_the_table_is_shown_once() {
        let now = Timestamp::from_millis(9);
        let db = Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        tables::prepare(&db, &folder.path().join("log"), now, true).unwrap();
        let session: SessionId = "7d444840-9dc0-4acd-b245-5ffdce74fad2".parse().unwrap();
        let line = |units| Entry { at: now, kind: EntryKind::Capture, units, stream: None, payment: None };
        let mut changes = Changes::default();
        changes.sheet(&session).lines.extend([(0, line(1)), (1, line(2))]);
        let recent = RwLock::<Recent>::default();
        let journal = || Reader::new(&db, &recent).unwrap().journal(&session).unwrap();
        recent.write().unwrap().layers().0.merge(changes.clone());
        assert_eq!(journal(), [line(1), line(2)]);
        let txn = db.begin_write().unwrap();
        pour::pour(&txn, &changes, now).unwrap();
        txn.commit().unwrap();
        assert_eq!(journal(), [line(1), line(2)], "here and there");
        recent.write().unwrap().poured_all();
        assert_eq!(journal(), [line(1), line(2)]);
    }
}
