//! Purses in the file: the rule of [`crate::spend`] over two tables.

use super::failure::Failure;
use super::lazy::LazyTable;
use super::tables::{PRUNED_PER_CALL, PURSES, SPENT};
use crate::Timestamp;
use crate::spend::{Charge, Spent, end_of};
use redb::{ReadableTable, WriteTransaction};
use std::time::Duration;

/// The open tables of purses.
pub(super) struct Purses<'txn> {
    purses: LazyTable<'txn, &'static str, (u64, u64)>,
    spent: LazyTable<'txn, (&'static str, u64, &'static str), u64>,
}

/// A spending as it was asked for.
pub(super) struct Spending<'a> {
    pub(super) purse: &'a str,
    pub(super) id: &'a str,
    pub(super) charges: &'a [Charge],
    pub(super) window: Duration,
}

impl<'txn> Purses<'txn> {
    pub(super) fn of(txn: &'txn WriteTransaction) -> Self {
        Self { purses: LazyTable::new(txn, PURSES), spent: LazyTable::new(txn, SPENT) }
    }

    pub(super) fn spend(&mut self, spending: &Spending<'_>, now: Timestamp) -> Result<Spent, Failure> {
        let Spending { purse, id, charges, window } = *spending;
        let open = self.purses.open()?.get(purse).map_err(Failure::store)?.map(|row| row.value());
        let open = open.filter(|(_, until)| *until > now.millis());
        let (began, until) = open.unwrap_or_else(|| (now.millis(), end_of(window, now).millis()));
        let id = format!("i:{id}");
        if open.is_some() && self.row(purse, began, &id)?.is_some() {
            return Ok(Spent::Replayed);
        }
        let mut sums = Vec::with_capacity(charges.len());
        for (charge, position) in charges.iter().zip(0..) {
            let counter = format!("n:{}", charge.counter);
            let spent = if open.is_some() { self.row(purse, began, &counter)? } else { None };
            let Some(sum) = charge.on(spent.unwrap_or_default()) else {
                let again_in = Timestamp::from_millis(until).since(now);
                return Ok(Spent::Short { charge: position, again_in });
            };
            sums.push((counter, sum));
        }
        self.prune(purse, began)?;
        if open.is_none() {
            self.purses.open()?.insert(purse, (began, until)).map_err(Failure::store)?;
        }
        for (counter, sum) in &sums {
            self.spent.open()?.insert((purse, began, counter.as_str()), sum).map_err(Failure::store)?;
        }
        self.spent.open()?.insert((purse, began, id.as_str()), 0).map_err(Failure::store)?;
        Ok(Spent::Done)
    }

    fn row(&mut self, purse: &str, began: u64, name: &str) -> Result<Option<u64>, Failure> {
        Ok(self.spent.open()?.get((purse, began, name)).map_err(Failure::store)?.map(|row| row.value()))
    }

    /// Removes a few rows of windows that are over.
    fn prune(&mut self, purse: &str, began: u64) -> Result<(), Failure> {
        let mut over = Vec::new();
        let before = (purse, 0, "")..(purse, began, "");
        for row in self.spent.open()?.range(before).map_err(Failure::store)?.take(PRUNED_PER_CALL) {
            let (key, _) = row.map_err(Failure::store)?;
            let (_, began, name) = key.value();
            over.push((began, name.to_owned()));
        }
        for (began, name) in over {
            self.spent.open()?.remove((purse, began, name.as_str())).map_err(Failure::store)?;
        }
        Ok(())
    }
}
