//! How what changed moves into its tables: each row as it is then, and the indexes beside the rows.

use super::changes::{Changes, Mark, Sheet};
use super::failure::storage;
use super::tables::{
    IN_DOUBT, JOURNAL, LIVE, PAYERS, PAYMENTS, PRUNED_PER_CALL, SESSIONS, STREAMS, TRANSACTIONS,
};
use crate::model::{Fate, Payment, payer_key, tx_key};
use crate::{Error, Timestamp, record};
use redb::{ReadableTable, Table, WriteTransaction};
use std::collections::BTreeSet;
use tollwire_x402::SessionId;

type Live<'txn> = Table<'txn, (&'static str, u64, &'static str), ()>;

/// Moves what changed into the tables, in the caller's transaction. To do it once more changes nothing.
pub(super) fn pour(txn: &WriteTransaction, changes: &Changes, now: Timestamp) -> Result<(), Error> {
    pour_payments(txn, changes)?;
    let mut sessions = txn.open_table(SESSIONS).map_err(storage)?;
    let mut streams = txn.open_table(STREAMS).map_err(storage)?;
    let mut live = txn.open_table(LIVE).map_err(storage)?;
    let mut journal = txn.open_table(JOURNAL).map_err(storage)?;
    let mut payers = txn.open_table(PAYERS).map_err(storage)?;
    for (id, sheet) in changes.iter() {
        if let Some(row) = &sheet.session {
            let known = sessions.insert(id.as_str(), record::encode(row)?.as_slice()).map_err(storage)?;
            if known.is_none() {
                let key = (&*payer_key(&row.payer), row.opened.millis(), id.as_str());
                payers.insert(key, ()).map_err(storage)?;
            }
        }
        for (stream, row) in &sheet.streams {
            let key = (id.as_str(), stream.as_str());
            streams.insert(key, record::encode(row)?.as_slice()).map_err(storage)?;
        }
        for (line, entry) in &sheet.lines {
            journal.insert((id.as_str(), *line), record::encode(entry)?.as_slice()).map_err(storage)?;
        }
        mark(&mut live, id, sheet, now)?;
    }
    Ok(())
}

/// Payments, those of them that are in doubt, and their transactions: what is listed already is not written again.
fn pour_payments(txn: &WriteTransaction, changes: &Changes) -> Result<(), Error> {
    let mut payments = txn.open_table(PAYMENTS).map_err(storage)?;
    let mut in_doubt = txn.open_table(IN_DOUBT).map_err(storage)?;
    let mut transactions = txn.open_table(TRANSACTIONS).map_err(storage)?;
    for (id, row) in changes.payments() {
        let before = payments.insert(id.as_str(), record::encode(row)?.as_slice()).map_err(storage)?;
        let before: Option<Payment> =
            before.map(|bytes| record::decode(bytes.value(), "payment")).transpose()?;
        match (before.as_ref().is_some_and(is_in_doubt), is_in_doubt(row)) {
            (false, true) => {
                in_doubt.insert(id.as_str(), ()).map_err(storage)?;
            }
            (true, false) => {
                in_doubt.remove(id.as_str()).map_err(storage)?;
            }
            (true, true) | (false, false) => {}
        }
        let listed = before.as_ref().map(transactions_of).unwrap_or_default();
        for tx in transactions_of(row).difference(&listed) {
            transactions.insert((tx.as_str(), id.as_str()), ()).map_err(storage)?;
        }
    }
    Ok(())
}

pub(super) fn is_in_doubt(payment: &Payment) -> bool {
    payment.fate == Fate::Pending
}

/// The transactions that were made for it or moved its money.
fn transactions_of(payment: &Payment) -> BTreeSet<String> {
    let landed = match &payment.fate {
        Fate::Credited(landing) => Some(&landing.tx),
        Fate::Pending | Fate::Abandoned(_) => None,
    };
    payment.attempts.iter().map(|attempt| &attempt.tx).chain(landed).map(|tx| tx_key(tx)).collect()
}

/// Keeps the index of live streams, and clears away what is over of the sessions that are at work.
fn mark(live: &mut Live<'_>, session: &SessionId, sheet: &Sheet, now: Timestamp) -> Result<(), Error> {
    let mut added = 0_usize;
    for ((until, stream), mark) in &sheet.live {
        let key = (session.as_str(), *until, stream.as_str());
        match mark {
            Mark::Added => {
                live.insert(key, ()).map_err(storage)?;
                added = added.saturating_add(1);
            }
            Mark::Removed => {
                live.remove(key).map_err(storage)?;
            }
        }
    }
    if added == 0 {
        return Ok(());
    }
    let until_now = (session.as_str(), 0, "")..(session.as_str(), now.millis().saturating_add(1), "");
    let over = live.range(until_now).map_err(storage)?.take(added.saturating_mul(PRUNED_PER_CALL));
    let over: Vec<(u64, String)> = over
        .map(|row| row.map(|(key, _)| (key.value().1, key.value().2.to_owned())))
        .collect::<Result<_, _>>()
        .map_err(storage)?;
    for (until, stream) in over {
        live.remove((session.as_str(), until, stream.as_str())).map_err(storage)?;
    }
    Ok(())
}
