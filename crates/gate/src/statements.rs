//! Payouts and books as JSON, for the operator: the admin API's words, and the command line's. Amounts are atomic units,
//! as text.

use crate::rfc3339;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tollwire_exact::evm::Address;
use tollwire_ledger::model::{Payout, PayoutFate, PayoutId, ProviderAccount};
use tollwire_settlement::books::{Account, Entry, TrialBalance};
use tollwire_settlement::{Cover, Round, SettleError};
use tollwire_x402::Network;

/// A payout.
pub fn payout(id: &PayoutId, payout: &Payout) -> Value {
    let (state, landing) = match &payout.fate {
        PayoutFate::Gathering => ("gathering", None),
        PayoutFate::Pending => ("pending", None),
        PayoutFate::Paid(landing) => ("paid", Some(landing)),
    };
    let last = payout.attempts.last().map(|attempt| attempt.tx.as_str());
    json!({
        "account": account(&id.account),
        "number": id.number,
        "network": id.account.network(),
        "to": address(&payout.order.to),
        "state": state,
        "gathered": payout.gathered,
        "parts": payout.parts,
        "gas_withheld": payout.gas,
        "amount": payout.amount(),
        "opened": rfc3339::millis(payout.opened),
        "sealed": payout.sealed.map(rfc3339::millis),
        "transaction": landing.map(|landing| landing.tx.as_str()).or(last),
        "block": landing.map(|landing| landing.block),
        "gas": landing.map(|landing| landing.gas),
    })
}

/// An account as people compare it: the books know it by its lower-case name, which has no checksum.
fn account(account: &ProviderAccount) -> String {
    format!("{}:{}", account.network(), address(account.wallet()))
}

/// An address of an EVM chain with its checksum (EIP-55); others as they are.
fn address(wallet: &str) -> String {
    wallet.parse::<Address>().map_or_else(|_| wallet.to_owned(), |address| address.to_string())
}

/// Several of them.
pub fn payouts(rows: &[(PayoutId, Payout)]) -> Vec<Value> {
    rows.iter().map(|(id, row)| payout(id, row)).collect()
}

/// What a round of payouts came to.
pub fn round(round: &Round) -> Value {
    let short = |cover: &Cover| json!({ "network": cover.network, "custody": cover.custody, "owed": cover.owed.to_string() });
    let failed = round.failed.iter().map(|(network, why)| json!({ "network": network, "reason": why }));
    json!({
        "sealed": payouts(&round.sealed),
        "gathering": payouts(&round.gathering),
        "short": round.short.iter().map(short).collect::<Vec<_>>(),
        "failed": failed.collect::<Vec<_>>(),
    })
}

/// What chains say of the deposit wallets, as the settler asks them.
pub type Covers = Vec<(Network, Result<Cover, SettleError>)>;

/// The books of every chain, beside what the chains say.
pub fn balance(books: &BTreeMap<Network, TrialBalance>, covers: &Covers) -> Value {
    let mut chains = Map::new();
    for (network, balance) in books {
        let cover = covers.iter().find(|(other, _)| other == network);
        let cover = cover.and_then(|(_, cover)| cover.as_ref().ok());
        chains.insert(network.to_string(), chain(balance, cover));
    }
    json!({ "zero": books.values().all(TrialBalance::is_zero), "chains": chains })
}

fn chain(balance: &TrialBalance, cover: Option<&Cover>) -> Value {
    let entry = |entry: &Entry| {
        json!({
            "account": entry.account.as_str(),
            "debit": entry.debit.to_string(),
            "credit": entry.credit.to_string(),
            "balance": entry.balance().to_string(),
            "stated": entry.stated.map(|stated| stated.to_string()),
        })
    };
    let surplus = cover.map(|cover| {
        i128::from(cover.custody.atomic()).saturating_sub(i128::try_from(cover.owed).unwrap_or(i128::MAX))
    });
    json!({
        "zero": balance.is_zero(),
        "difference": balance.difference().to_string(),
        "unexplained": balance.unexplained().to_string(),
        "contradictory": balance.contradictory,
        "custody": balance.balance(Account::Custody).to_string(),
        "custody_on_chain": cover.map(|cover| cover.custody),
        "owed": cover.map(|cover| cover.owed.to_string()),
        "surplus": surplus.map(|surplus| surplus.to_string()),
        "accounts": balance.entries.iter().map(entry).collect::<Vec<_>>(),
    })
}
