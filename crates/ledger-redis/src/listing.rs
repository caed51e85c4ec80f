//! The indexes. They hold at least what they must; listing leaves out, and in part removes, the rest.

use crate::keys::{payout_entry, refund_entry};
use crate::ledger::RedisLedger;
use crate::reply::{self, Fields, read};
use std::str::FromStr;
use tollwire_ledger::Error;
use tollwire_ledger::model::{
    Fate, Payment, Payout, PayoutFate, PayoutId, Provider, ProviderAccount, Refund, RefundFate, RefundId,
    Session, payer_key,
};
use tollwire_redis::redis::{Pipeline, Value};
use tollwire_x402::{PaymentId, SessionId, Usdc};

/// The most entries read in one round trip.
const PAGE_MAX: usize = 256;

/// Adds an entry, as the first command of a request.
pub(crate) fn add(index: &str, entry: &str) -> Pipeline {
    let mut pipeline = Pipeline::new();
    and(&mut pipeline, index, entry);
    pipeline
}

/// Adds an entry to another index, before the command that makes it true.
pub(crate) fn and(pipeline: &mut Pipeline, index: &str, entry: &str) {
    pipeline.cmd("ZADD").arg(index).arg(0).arg(entry);
}

/// Removes entries of an index whose rows (the key beside each) are settled.
///
/// On a cluster a row and its entry fail over by themselves, and a row whose last word no replica had is pending again:
/// only what the replicas have lets an entry go. If they do not confirm, it stays.
async fn remove(ledger: &RedisLedger, index: &str, settled: &[(String, String)]) -> Result<(), Error> {
    let mut gone: Vec<&str> = settled.iter().map(|(entry, _)| entry.as_str()).collect();
    if ledger.store.is_spread() && !settled.is_empty() {
        let mut ask = Pipeline::new();
        for (_, row) in settled {
            ask.cmd("HGET").arg(row).arg("fate");
        }
        let fates = match ledger.store.ask_replicated(&ask, ledger.replicas()).await {
            Err(Error::Unavailable(_)) => return Ok(()),
            fates => fates?,
        };
        let mut fates = fates.into_iter();
        let mut is_settled = |_: &&str| {
            let fate: Option<String> = read(fates.next().unwrap_or_default(), "fate").unwrap_or_default();
            fate.is_some_and(|fate| fate != "pending" && fate != "gathering")
        };
        gone.retain(|entry| is_settled(entry));
    }
    if gone.is_empty() {
        return Ok(());
    }
    let mut entries = Pipeline::new();
    entries.cmd("ZREM").arg(index).arg(&gone);
    ledger.ask_whole(&entries).await.map(drop)
}

/// Payments of a transaction, at most `limit`.
pub(crate) async fn payments_of(
    ledger: &RedisLedger,
    tx: &str,
    limit: usize,
) -> Result<Vec<(PaymentId, Payment)>, Error> {
    let index = ledger.keys.transaction(tx);
    let (mut found, mut after) = (Vec::new(), None::<PaymentId>);
    while found.len() < limit {
        let ids: Vec<PaymentId> = ids(ledger, &index, after.as_ref().map(PaymentId::as_str), limit).await?;
        let Some(last) = ids.last().cloned() else { break };
        let rows = payments(ledger, ids).await?;
        // An entry whose command was refused, or is still under way, is none.
        found.extend(rows.into_iter().filter(|(_, payment)| payment.names(tx)));
        after = Some(last);
    }
    found.truncate(limit);
    Ok(found)
}

/// Payments in doubt after `after`, at most `limit`.
pub(crate) async fn in_doubt(
    ledger: &RedisLedger,
    mut after: Option<PaymentId>,
    limit: usize,
) -> Result<Vec<(PaymentId, Payment)>, Error> {
    let index = ledger.keys.in_doubt();
    let (mut found, mut settled) = (Vec::new(), Vec::new());
    while found.len() < limit {
        let ids: Vec<PaymentId> = ids(ledger, &index, after.as_ref().map(PaymentId::as_str), limit).await?;
        let Some(last) = ids.last().cloned() else { break };
        for (id, payment) in payments(ledger, ids).await? {
            if payment.fate == Fate::Pending {
                found.push((id, payment));
            } else {
                // Its fate is known and never becomes pending again, so the entry may go. An entry without a payment
                // stays: somebody may be about to record it.
                settled.push((id.to_string(), ledger.keys.payment(&payment.intent.session, &id)));
            }
        }
        after = Some(last);
    }
    remove(ledger, &index, &settled).await?;
    found.truncate(limit);
    Ok(found)
}

/// Refunds that are pending, after `after`, at most `limit`.
pub(crate) async fn refunds_in_doubt(
    ledger: &RedisLedger,
    after: Option<&RefundId>,
    limit: usize,
) -> Result<Vec<(RefundId, Refund)>, Error> {
    let index = ledger.keys.refunds_in_doubt();
    let mut after = after.map(refund_entry);
    let (mut found, mut settled) = (Vec::new(), Vec::new());
    while found.len() < limit {
        let entries = page(ledger, &index, after.as_deref(), limit).await?;
        let Some(last) = entries.last().cloned() else { break };
        let ids: Vec<RefundId> = entries.iter().map(|entry| refund_id(entry)).collect::<Result<_, _>>()?;
        let mut ask = Pipeline::new();
        for id in &ids {
            ask.cmd("HGETALL").arg(ledger.keys.refund(&id.session, id.number));
        }
        for (id, row) in ids.into_iter().zip(ledger.ask_whole(&ask).await?) {
            match Fields::read(row)?.refund()? {
                Some(refund) if refund.fate == RefundFate::Pending => found.push((id, refund)),
                Some(_) => settled.push((refund_entry(&id), ledger.keys.refund(&id.session, id.number))),
                // Somebody may be about to order it.
                None => {}
            }
        }
        after = Some(last);
    }
    remove(ledger, &index, &settled).await?;
    found.truncate(limit);
    Ok(found)
}

fn refund_id(entry: &str) -> Result<RefundId, Error> {
    let unreadable = || Error::Corrupt(format!("{entry:?} is no refund"));
    let (session, number) = entry.split_once(' ').ok_or_else(unreadable)?;
    Ok(RefundId { session: reply::parse(session)?, number: number.parse().map_err(|_| unreadable())? })
}

/// Payouts that are sealed and pending, after `after`, at most `limit`.
pub(crate) async fn payouts_in_doubt(
    ledger: &RedisLedger,
    after: Option<&PayoutId>,
    limit: usize,
) -> Result<Vec<(PayoutId, Payout)>, Error> {
    let index = ledger.keys.payouts_in_doubt();
    let mut after = after.map(payout_entry);
    let (mut found, mut settled) = (Vec::new(), Vec::new());
    while found.len() < limit {
        let entries = page(ledger, &index, after.as_deref(), limit).await?;
        let Some(last) = entries.last().cloned() else { break };
        let ids: Vec<PayoutId> = entries.iter().map(|entry| payout_id(entry)).collect::<Result<_, _>>()?;
        let mut ask = Pipeline::new();
        for id in &ids {
            ask.cmd("HGETALL").arg(ledger.keys.payout(id));
        }
        for (id, row) in ids.into_iter().zip(ledger.ask_whole(&ask).await?) {
            match Fields::read(row)?.payout()? {
                Some(payout) if payout.fate == PayoutFate::Pending => found.push((id, payout)),
                Some(Payout { fate: PayoutFate::Paid(_), .. }) => {
                    settled.push((payout_entry(&id), ledger.keys.payout(&id)));
                }
                // Somebody may be about to seal it.
                _ => {}
            }
        }
        after = Some(last);
    }
    remove(ledger, &index, &settled).await?;
    found.truncate(limit);
    Ok(found)
}

fn payout_id(entry: &str) -> Result<PayoutId, Error> {
    let unreadable = || Error::Corrupt(format!("{entry:?} is no payout"));
    let (account, number) = entry.split_once(' ').ok_or_else(unreadable)?;
    Ok(PayoutId { account: reply::parse(account)?, number: number.parse().map_err(|_| unreadable())? })
}

/// Providers' accounts after `after`, at most `limit`.
pub(crate) async fn providers(
    ledger: &RedisLedger,
    after: Option<&ProviderAccount>,
    limit: usize,
) -> Result<Vec<(ProviderAccount, Provider)>, Error> {
    let index = ledger.keys.providers();
    let mut after = after.map(|account| account.as_str().to_owned());
    let mut found = Vec::new();
    while found.len() < limit {
        let accounts: Vec<ProviderAccount> = ids(ledger, &index, after.as_deref(), limit).await?;
        let Some(last) = accounts.last() else { break };
        after = Some(last.as_str().to_owned());
        let mut ask = Pipeline::new();
        for account in &accounts {
            ask.cmd("HGETALL").arg(ledger.keys.provider(account));
        }
        for (account, row) in accounts.into_iter().zip(ledger.ask_whole(&ask).await?) {
            found.extend(Fields::read(row)?.provider()?.map(|row| (account, row)));
        }
    }
    found.truncate(limit);
    Ok(found)
}

/// What was gathered in all from each of these sessions, by the account whose hash this is.
pub(crate) async fn gathered(
    ledger: &RedisLedger,
    key: &str,
    sessions: &[SessionId],
) -> Result<Vec<Usdc>, Error> {
    let mut found = Vec::with_capacity(sessions.len());
    for page in sessions.chunks(PAGE_MAX) {
        let mut ask = Pipeline::new();
        ask.cmd("HMGET").arg(key).arg(page.iter().map(SessionId::as_str).collect::<Vec<_>>());
        let atomic: Vec<Option<u64>> =
            read(ledger.ask_whole(&ask).await?.pop().unwrap_or_default(), "gathered")?;
        for atomic in atomic {
            let unreadable = || Error::Corrupt("what was gathered is not readable".to_owned());
            found.push(Usdc::from_atomic(atomic.unwrap_or_default()).ok_or_else(unreadable)?);
        }
    }
    Ok(found)
}

/// Sessions after `after`, at most `limit`.
pub(crate) async fn sessions(
    ledger: &RedisLedger,
    mut after: Option<SessionId>,
    limit: usize,
) -> Result<Vec<(SessionId, Session)>, Error> {
    let index = ledger.keys.sessions();
    let mut found = Vec::new();
    while found.len() < limit {
        let ids: Vec<SessionId> = ids(ledger, &index, after.as_ref().map(SessionId::as_str), limit).await?;
        let Some(last) = ids.last().cloned() else { break };
        let rows = ledger.session_rows(&ids).await?;
        found.extend(rows.into_iter().filter_map(|(id, session)| Some((id, session?))));
        after = Some(last);
    }
    found.truncate(limit);
    Ok(found)
}

/// Sessions a wallet paid for, newest first, at most `limit`.
pub(crate) async fn sessions_of(
    ledger: &RedisLedger,
    payer: &str,
    limit: usize,
) -> Result<Vec<(SessionId, Session)>, Error> {
    let (index, payer) = (ledger.keys.payer(payer), payer_key(payer));
    let (mut found, mut read_so_far) = (Vec::new(), 0_usize);
    while found.len() < limit {
        let mut ask = Pipeline::new();
        let last = read_so_far.saturating_add(PAGE_MAX).saturating_sub(1);
        ask.cmd("ZREVRANGE").arg(&index).arg(read_so_far).arg(last);
        let ids: Vec<String> = read(ledger.ask_whole(&ask).await?.pop().unwrap_or_default(), "index")?;
        let ids: Vec<SessionId> = ids.iter().map(|id| reply::parse(id)).collect::<Result<_, _>>()?;
        if ids.is_empty() {
            break;
        }
        read_so_far = read_so_far.saturating_add(ids.len());
        let rows = ledger.session_rows(&ids).await?;
        let paid = rows.into_iter().filter_map(|(id, session)| Some((id, session?)));
        found.extend(paid.filter(|(_, session)| payer_key(&session.payer) == payer));
    }
    found.sort_by(|a, b| (b.1.opened, &b.0).cmp(&(a.1.opened, &a.0)));
    found.truncate(limit);
    Ok(found)
}

async fn page(
    ledger: &RedisLedger,
    index: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<String>, Error> {
    let from = after.map_or_else(|| "-".to_owned(), |after| format!("({after}"));
    let mut ask = Pipeline::new();
    ask.cmd("ZRANGEBYLEX").arg(index).arg(from).arg("+").arg("LIMIT").arg(0).arg(limit.min(PAGE_MAX));
    read(ledger.ask_whole(&ask).await?.pop().unwrap_or_default(), "index")
}

/// The same, of an index of ids.
async fn ids<T: FromStr<Err = tollwire_x402::Error>>(
    ledger: &RedisLedger,
    index: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<T>, Error> {
    page(ledger, index, after, limit).await?.iter().map(|entry| reply::parse(entry)).collect()
}

async fn payments(ledger: &RedisLedger, ids: Vec<PaymentId>) -> Result<Vec<(PaymentId, Payment)>, Error> {
    let mut ask = Pipeline::new();
    for id in &ids {
        ask.cmd("GET").arg(ledger.keys.pointer(id));
    }
    let (mut rows, mut pointed) = (Pipeline::new(), Vec::new());
    for (id, pointer) in ids.into_iter().zip(ledger.ask_whole(&ask).await?) {
        if let Some(session) = read::<Option<String>>(pointer, "pointer")? {
            rows.cmd("HGETALL").arg(ledger.keys.payment(&reply::parse(&session)?, &id));
            pointed.push(id);
        }
    }
    let rows = ledger.ask_whole(&rows).await?;
    let payment = |(id, row): (PaymentId, Value)| Ok(Fields::read(row)?.payment()?.map(|row| (id, row)));
    pointed.into_iter().zip(rows).filter_map(|row| payment(row).transpose()).collect()
}
