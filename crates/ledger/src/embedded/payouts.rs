//! The four tables of providers' accounts.

use super::failure::{Failure, storage};
use super::lazy::LazyTable;
use super::reader::parse;
use super::tables::{GATHERED, PAYOUTS, PAYOUTS_IN_DOUBT, PROVIDERS};
use crate::core::{self, PayoutSlot};
use crate::model::{Payout, PayoutFate, PayoutId, Provider, ProviderAccount};
use crate::{Error, PayoutCommand, PayoutOutcome, Timestamp, record};
use redb::{ReadTransaction, ReadableTable, WriteTransaction};
use std::ops::Bound;
use tollwire_x402::{SessionId, Usdc};

/// All of them, in a write transaction.
pub(super) struct Payouts<'txn> {
    providers: LazyTable<'txn, &'static str, &'static [u8]>,
    rows: LazyTable<'txn, (&'static str, u32), &'static [u8]>,
    in_doubt: LazyTable<'txn, (&'static str, u32), ()>,
    gathered: LazyTable<'txn, (&'static str, &'static str), u64>,
}

impl<'txn> Payouts<'txn> {
    pub(super) fn of(txn: &'txn WriteTransaction) -> Self {
        Self {
            providers: LazyTable::new(txn, PROVIDERS),
            rows: LazyTable::new(txn, PAYOUTS),
            in_doubt: LazyTable::new(txn, PAYOUTS_IN_DOUBT),
            gathered: LazyTable::new(txn, GATHERED),
        }
    }

    /// The answer, and whether anything was written.
    pub(super) fn apply(
        &mut self,
        command: &PayoutCommand,
        now: Timestamp,
    ) -> Result<(PayoutOutcome, bool), Failure> {
        let id = command.payout();
        let slot = self.load(id, command.session())?;
        let applied = core::pay_out(slot, command, now);
        let provider = applied.changed.provider.as_ref().map(record::encode).transpose();
        let payout = applied.changed.payout.as_ref().map(record::encode).transpose();
        let (provider, payout) = (provider.map_err(Failure::Rows)?, payout.map_err(Failure::Rows)?);
        let key = (id.account.as_str(), id.number);
        if let Some(bytes) = &provider {
            self.providers.open()?.insert(id.account.as_str(), bytes.as_slice()).map_err(Failure::store)?;
        }
        if let (Some(bytes), Some(row)) = (&payout, &applied.changed.payout) {
            self.rows.open()?.insert(key, bytes.as_slice()).map_err(Failure::store)?;
            if row.fate == PayoutFate::Pending {
                self.in_doubt.open()?.insert(key, ()).map_err(Failure::store)?;
            } else {
                self.in_doubt.open()?.remove(key).map_err(Failure::store)?;
            }
        }
        if let (Some(session), Some(gathered)) = (command.session(), applied.changed.gathered) {
            let key = (id.account.as_str(), session.as_str());
            self.gathered.open()?.insert(key, gathered.atomic()).map_err(Failure::store)?;
        }
        Ok((applied.outcome, applied.changed != PayoutSlot::default()))
    }

    fn load(&mut self, id: &PayoutId, session: Option<&SessionId>) -> Result<PayoutSlot, Failure> {
        let account = id.account.as_str();
        let provider = self.providers.open()?.get(account).map_err(Failure::store)?;
        let payout = self.rows.open()?.get((account, id.number)).map_err(Failure::store)?;
        let gathered = match session {
            Some(session) => {
                let found = self.gathered.open()?.get((account, session.as_str())).map_err(Failure::store)?;
                found.map(|atomic| amount(atomic.value()).map_err(Failure::Rows)).transpose()?
            }
            None => None,
        };
        Ok(PayoutSlot {
            provider: provider
                .map(|bytes| record::decode(bytes.value(), "provider").map_err(Failure::Rows))
                .transpose()?,
            payout: payout
                .map(|bytes| record::decode(bytes.value(), "payout").map_err(Failure::Rows))
                .transpose()?,
            gathered,
        })
    }
}

fn amount(atomic: u64) -> Result<Usdc, Error> {
    Usdc::from_atomic(atomic).ok_or_else(|| Error::Corrupt("what was gathered is not readable".to_owned()))
}

/// One account, as last committed.
pub(super) fn provider(txn: &ReadTransaction, account: &ProviderAccount) -> Result<Option<Provider>, Error> {
    let rows = txn.open_table(PROVIDERS).map_err(storage)?;
    let bytes = rows.get(account.as_str()).map_err(storage)?;
    bytes.map(|bytes| record::decode(bytes.value(), "provider")).transpose()
}

/// Accounts after `after`, at most `limit`.
pub(super) fn providers(
    txn: &ReadTransaction,
    after: Option<&ProviderAccount>,
    limit: usize,
) -> Result<Vec<(ProviderAccount, Provider)>, Error> {
    let rows = txn.open_table(PROVIDERS).map_err(storage)?;
    let after = after.map_or(Bound::Unbounded, |account| Bound::Excluded(account.as_str()));
    let found = rows.range::<&str>((after, Bound::Unbounded)).map_err(storage)?;
    found
        .take(limit)
        .map(|row| {
            let (account, bytes) = row.map_err(storage)?;
            Ok((parse(account.value())?, record::decode(bytes.value(), "provider")?))
        })
        .collect()
}

/// One payout, as last committed.
pub(super) fn read(txn: &ReadTransaction, id: &PayoutId) -> Result<Option<Payout>, Error> {
    let rows = txn.open_table(PAYOUTS).map_err(storage)?;
    let bytes = rows.get((id.account.as_str(), id.number)).map_err(storage)?;
    bytes.map(|bytes| record::decode(bytes.value(), "payout")).transpose()
}

/// Payouts that are sealed and pending, after `after`, at most `limit`.
pub(super) fn in_doubt(
    txn: &ReadTransaction,
    after: Option<&PayoutId>,
    limit: usize,
) -> Result<Vec<(PayoutId, Payout)>, Error> {
    let index = txn.open_table(PAYOUTS_IN_DOUBT).map_err(storage)?;
    let after = after.map_or(Bound::Unbounded, |id| Bound::Excluded((id.account.as_str(), id.number)));
    let keys = index.range::<(&str, u32)>((after, Bound::Unbounded)).map_err(storage)?;
    keys.take(limit)
        .map(|key| {
            let key = key.map_err(storage)?.0;
            let (account, number) = key.value();
            let id = PayoutId { account: parse(account)?, number };
            let missing = || Error::Corrupt(format!("payout {id} is in doubt but not recorded"));
            let payout = read(txn, &id)?.ok_or_else(missing)?;
            Ok((id, payout))
        })
        .collect()
}

/// What was gathered from each of these sessions.
pub(super) fn gathered(
    txn: &ReadTransaction,
    account: &ProviderAccount,
    sessions: &[SessionId],
) -> Result<Vec<Usdc>, Error> {
    let rows = txn.open_table(GATHERED).map_err(storage)?;
    let of = |session: &SessionId| {
        let found = rows.get((account.as_str(), session.as_str())).map_err(storage)?;
        found.map_or(Ok(Usdc::ZERO), |atomic| amount(atomic.value()))
    };
    sessions.iter().map(of).collect()
}
