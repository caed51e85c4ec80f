//! The tables of the store's file, and what opening it checks.

use super::failure::storage;
use super::{log, pour, table_log};
use crate::{Error, Timestamp};
use redb::{Database, ReadableTable, TableDefinition, WriteTransaction};
use std::path::Path;

pub(super) type Rows = TableDefinition<'static, &'static str, &'static [u8]>;

pub(super) const PAYMENTS: Rows = TableDefinition::new("payments");
pub(super) const SESSIONS: Rows = TableDefinition::new("sessions");
/// (session, stream) -> stream.
pub(super) const STREAMS: TableDefinition<'static, (&str, &str), &[u8]> = TableDefinition::new("streams");
/// (session, until when, stream) of streams that are live: what reading a session shows.
pub(super) const LIVE: TableDefinition<'static, (&str, u64, &str), ()> = TableDefinition::new("live");
/// (session, line number from 0) -> entry.
pub(super) const JOURNAL: TableDefinition<'static, (&str, u64), &[u8]> = TableDefinition::new("journal");
/// Payments whose fate is pending; exact, because it changes in the same transaction.
pub(super) const IN_DOUBT: TableDefinition<'static, &str, ()> = TableDefinition::new("in_doubt");
/// Single-use key -> until when it counts as used, in milliseconds since the epoch.
pub(super) const ONCE: TableDefinition<'static, &str, u64> = TableDefinition::new("once");
/// The same by time, for pruning.
pub(super) const ONCE_UNTIL: TableDefinition<'static, (u64, &str), ()> = TableDefinition::new("once_until");
/// Lease name -> (holder, until).
pub(super) const LEASES: TableDefinition<'static, &str, (&str, u64)> = TableDefinition::new("leases");
/// (session, number) -> refund.
pub(super) const REFUNDS: TableDefinition<'static, (&str, u32), &[u8]> = TableDefinition::new("refunds");
/// Refunds that are pending; exact, as [`IN_DOUBT`] is.
pub(super) const REFUNDS_IN_DOUBT: TableDefinition<'static, (&str, u32), ()> =
    TableDefinition::new("refunds_in_doubt");
/// (payer, when opened, session) of every session: what a wallet paid for.
pub(super) const PAYERS: TableDefinition<'static, (&str, u64, &str), ()> = TableDefinition::new("payers");
/// (transaction, payment) of every transaction that was made for a payment or moved its money.
pub(super) const TRANSACTIONS: TableDefinition<'static, (&str, &str), ()> =
    TableDefinition::new("transactions");
/// Purse -> (when its window began, when it ends).
pub(super) const PURSES: TableDefinition<'static, &str, (u64, u64)> = TableDefinition::new("purses");
/// (purse, when its window began, `n:` counter or `i:` spending) -> what the counter came to.
pub(super) const SPENT: TableDefinition<'static, (&str, u64, &str), u64> = TableDefinition::new("spent");
/// Provider's account -> provider.
pub(super) const PROVIDERS: Rows = TableDefinition::new("providers");
/// (account, number) -> payout.
pub(super) const PAYOUTS: TableDefinition<'static, (&str, u32), &[u8]> = TableDefinition::new("payouts");
/// Payouts that are sealed and pending; exact, as [`IN_DOUBT`] is.
pub(super) const PAYOUTS_IN_DOUBT: TableDefinition<'static, (&str, u32), ()> =
    TableDefinition::new("payouts_in_doubt");
/// (account, session) -> what was gathered from it in all, in atomic units.
pub(super) const GATHERED: TableDefinition<'static, (&str, &str), u64> = TableDefinition::new("gathered");
pub(super) const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");

/// Rows that are over, removed with every new one of their kind: at least two, so that the table shrinks.
pub(super) const PRUNED_PER_CALL: usize = 8;

const SCHEMA: &str = "schema";
const SCHEMA_VERSION: u64 = 7;
/// The schema whose log was a table of the same file; all else is the same.
const LOG_IN_A_TABLE: u64 = 6;
/// The last schema without a log.
const WITHOUT_LOG: u64 = 5;
const EPOCH: &str = "epoch";

/// The id of the file's log, and the last entry whose changes are in the tables.
const LOG_ID: &str = "log";
const LOG_POURED: &str = "log_poured";
/// As the last entry: the store needs nothing of the log.
const FINISHED: u64 = u64::MAX;

/// Checks that this build can read the file, makes a ledger of a new one, if it `may`, and moves what a crash left in its
/// log, which is at that path, into its tables. Tells when it was new.
pub(super) fn prepare(db: &Database, log: &Path, now: Timestamp, may: bool) -> Result<Timestamp, Error> {
    let txn = db.begin_write().map_err(storage)?;
    let (found, born) = schema(&txn, now)?;
    let changed = match found {
        Found::Nothing if may => {
            create_all(&txn)?;
            true
        }
        Found::Nothing => {
            txn.abort().map_err(storage)?;
            return Err(Error::Unfit("there is no ledger in it".to_owned()));
        }
        Found::WithoutLog => true,
        Found::LogInATable => {
            pour::pour(&txn, &table_log::take(&txn)?, now)?;
            true
        }
        Found::Ledger => false,
    };
    let (id, poured) = log_of(&txn)?;
    let left = id.filter(|_| poured != FINISHED);
    if let Some(id) = left {
        pour::pour(&txn, &log::read(log, id, poured)?, now)?;
        finish_log(&txn)?;
    } else {
        log::clear_away(log, id)?;
    }
    if changed || left.is_some() {
        txn.commit().map_err(storage)?;
        log::clear_away(log, id)?;
    } else {
        txn.abort().map_err(storage)?;
    }
    log::try_place(log)?;
    Ok(born)
}

/// The store has a log with this id from here on.
pub(super) fn begin_log(txn: &WriteTransaction, id: u64) -> Result<(), Error> {
    let mut meta = txn.open_table(META).map_err(storage)?;
    meta.insert(LOG_ID, id).map_err(storage)?;
    meta.insert(LOG_POURED, 0).map_err(storage)?;
    Ok(())
}

/// The tables have the changes of the log's entries up to this one.
pub(super) fn poured(txn: &WriteTransaction, last: u64) -> Result<(), Error> {
    txn.open_table(META).map_err(storage)?.insert(LOG_POURED, last).map_err(storage)?;
    Ok(())
}

/// The store needs nothing of its log any more.
pub(super) fn finish_log(txn: &WriteTransaction) -> Result<(), Error> {
    poured(txn, FINISHED)
}

/// The store has no log: what a copy is.
pub(super) fn forget_log(txn: &WriteTransaction) -> Result<(), Error> {
    let mut meta = txn.open_table(META).map_err(storage)?;
    meta.remove(LOG_ID).map_err(storage)?;
    meta.remove(LOG_POURED).map_err(storage)?;
    Ok(())
}

fn log_of(txn: &WriteTransaction) -> Result<(Option<u64>, u64), Error> {
    let meta = txn.open_table(META).map_err(storage)?;
    let number = |key| Ok(meta.get(key).map_err(storage)?.map(|number| number.value()));
    Ok((number(LOG_ID)?, number(LOG_POURED)?.unwrap_or_default()))
}

/// What is in a file.
enum Found {
    Nothing,
    WithoutLog,
    LogInATable,
    Ledger,
}

/// What is in the file, and since when; it carries our version and its epoch from here on.
fn schema(txn: &WriteTransaction, now: Timestamp) -> Result<(Found, Timestamp), Error> {
    let mut meta = txn.open_table(META).map_err(storage)?;
    let found = meta.get(SCHEMA).map_err(storage)?.map(|version| version.value());
    match found {
        Some(version @ (SCHEMA_VERSION | LOG_IN_A_TABLE | WITHOUT_LOG)) => {
            let epoch = meta.get(EPOCH).map_err(storage)?.map(|epoch| epoch.value());
            let epoch = epoch.ok_or_else(|| Error::Corrupt("the file's epoch is missing".to_owned()))?;
            let found = match version {
                WITHOUT_LOG => Found::WithoutLog,
                LOG_IN_A_TABLE => Found::LogInATable,
                _ => Found::Ledger,
            };
            meta.insert(SCHEMA, SCHEMA_VERSION).map_err(storage)?;
            Ok((found, Timestamp::from_millis(epoch)))
        }
        Some(other) => Err(Error::Unfit(format!(
            "the file has schema {other}, this build reads {SCHEMA_VERSION}; use the build that wrote it"
        ))),
        None => {
            meta.insert(SCHEMA, SCHEMA_VERSION).map_err(storage)?;
            meta.insert(EPOCH, now.millis()).map_err(storage)?;
            Ok((Found::Nothing, now))
        }
    }
}

fn create_all(txn: &WriteTransaction) -> Result<(), Error> {
    txn.open_table(PAYMENTS).map_err(storage)?;
    txn.open_table(SESSIONS).map_err(storage)?;
    txn.open_table(STREAMS).map_err(storage)?;
    txn.open_table(LIVE).map_err(storage)?;
    txn.open_table(JOURNAL).map_err(storage)?;
    txn.open_table(IN_DOUBT).map_err(storage)?;
    txn.open_table(ONCE).map_err(storage)?;
    txn.open_table(ONCE_UNTIL).map_err(storage)?;
    txn.open_table(LEASES).map_err(storage)?;
    txn.open_table(PAYERS).map_err(storage)?;
    txn.open_table(REFUNDS).map_err(storage)?;
    txn.open_table(REFUNDS_IN_DOUBT).map_err(storage)?;
    txn.open_table(TRANSACTIONS).map_err(storage)?;
    txn.open_table(PURSES).map_err(storage)?;
    txn.open_table(SPENT).map_err(storage)?;
    txn.open_table(PROVIDERS).map_err(storage)?;
    txn.open_table(PAYOUTS).map_err(storage)?;
    txn.open_table(PAYOUTS_IN_DOUBT).map_err(storage)?;
    txn.open_table(GATHERED).map_err(storage)?;
    Ok(())
}
