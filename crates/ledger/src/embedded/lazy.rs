//! Tables that a write transaction opens when it first needs them: to open one and close it again costs as much as a
//! lookup, and a batch needs three or four of all there are.

use super::failure::Failure;
use redb::{Key, Table, TableDefinition, Value, WriteTransaction};

/// A table, open since it was first asked for.
pub(super) struct LazyTable<'txn, K: Key + 'static, V: Value + 'static> {
    txn: &'txn WriteTransaction,
    definition: TableDefinition<'static, K, V>,
    table: Option<Table<'txn, K, V>>,
}

impl<'txn, K: Key + 'static, V: Value + 'static> LazyTable<'txn, K, V> {
    pub(super) fn new(txn: &'txn WriteTransaction, definition: TableDefinition<'static, K, V>) -> Self {
        Self { txn, definition, table: None }
    }

    pub(super) fn open(&mut self) -> Result<&mut Table<'txn, K, V>, Failure> {
        let table = match self.table.take() {
            Some(table) => table,
            None => self.txn.open_table(self.definition).map_err(Failure::store)?,
        };
        Ok(self.table.insert(table))
    }
}
