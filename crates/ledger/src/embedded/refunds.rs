//! The refunds' two tables: rows, and which of them are pending.

use super::failure::{Failure, storage};
use super::lazy::LazyTable;
use super::reader::parse;
use super::tables::{REFUNDS, REFUNDS_IN_DOUBT};
use crate::model::{Refund, RefundFate, RefundId};
use crate::{Error, record};
use redb::{ReadTransaction, ReadableTable, WriteTransaction};
use std::ops::Bound;
use tollwire_x402::SessionId;

/// Both tables of a write transaction.
pub(super) struct Refunds<'txn> {
    rows: LazyTable<'txn, (&'static str, u32), &'static [u8]>,
    in_doubt: LazyTable<'txn, (&'static str, u32), ()>,
}

impl<'txn> Refunds<'txn> {
    pub(super) fn of(txn: &'txn WriteTransaction) -> Self {
        Self { rows: LazyTable::new(txn, REFUNDS), in_doubt: LazyTable::new(txn, REFUNDS_IN_DOUBT) }
    }

    pub(super) fn load(&mut self, session: &SessionId, number: u32) -> Result<Option<Refund>, Failure> {
        let bytes = self.rows.open()?.get((session.as_str(), number)).map_err(Failure::store)?;
        bytes.map(|bytes| record::decode(bytes.value(), "refund").map_err(Failure::Rows)).transpose()
    }

    /// Writes a row, which `bytes` are, and keeps the index equal to it.
    pub(super) fn save(
        &mut self,
        session: &SessionId,
        number: u32,
        row: &Refund,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        let key = (session.as_str(), number);
        self.rows.open()?.insert(key, bytes).map_err(Failure::store)?;
        if row.fate == RefundFate::Pending {
            self.in_doubt.open()?.insert(key, ()).map_err(Failure::store)?;
        } else {
            self.in_doubt.open()?.remove(key).map_err(Failure::store)?;
        }
        Ok(())
    }
}

/// One refund, as last committed.
pub(super) fn read(txn: &ReadTransaction, id: &RefundId) -> Result<Option<Refund>, Error> {
    let rows = txn.open_table(REFUNDS).map_err(storage)?;
    let bytes = rows.get((id.session.as_str(), id.number)).map_err(storage)?;
    bytes.map(|bytes| record::decode(bytes.value(), "refund")).transpose()
}

/// Refunds that are pending, after `after`, at most `limit`.
pub(super) fn in_doubt(
    txn: &ReadTransaction,
    after: Option<&RefundId>,
    limit: usize,
) -> Result<Vec<(RefundId, Refund)>, Error> {
    let index = txn.open_table(REFUNDS_IN_DOUBT).map_err(storage)?;
    let after = after.map_or(Bound::Unbounded, |id| Bound::Excluded((id.session.as_str(), id.number)));
    let keys = index.range::<(&str, u32)>((after, Bound::Unbounded)).map_err(storage)?;
    keys.take(limit)
        .map(|key| {
            let key = key.map_err(storage)?.0;
            let (session, number) = key.value();
            let id = RefundId { session: parse(session)?, number };
            let missing = || Error::Corrupt(format!("refund {id} is in doubt but not recorded"));
            let refund = read(txn, &id)?.ok_or_else(missing)?;
            Ok((id, refund))
        })
        .collect()
}
