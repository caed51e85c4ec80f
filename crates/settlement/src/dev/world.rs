//! The dev chain's state: balances, used authorizations, blocks, receipts.

use super::outgoing::Account;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;
use tollwire_x402::Usdc;

/// One movement of play money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// The transaction that made it.
    pub tx: String,
    /// Its block.
    pub block: u64,
    /// Payer, in lower case.
    pub from: String,
    /// Payee, in lower case.
    pub to: String,
    /// How much.
    pub amount: Usdc,
    /// The authorization's nonce, `0x` and 64 hexadecimal digits; of an outgoing transfer, which has none, its account nonce.
    pub nonce: String,
}

/// What a dev transaction says: a signed authorization, carried by somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Carried {
    /// Who carries it and pays the gas.
    pub(super) sender: String,
    /// Which of the sender's transactions for this payment it is.
    pub(super) serial: usize,
    /// The scheme's payload, as signed.
    pub(super) payload: serde_json::Value,
}

/// An authorization whose signature is the payer's, in the form the state compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authorized {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) amount: Usdc,
    pub(super) valid_after: u64,
    pub(super) valid_before: u64,
    pub(super) nonce: String,
}

/// What became of an authorization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Use {
    /// It moved money. Until `seen` nobody can see that.
    Moved { transfer: Transfer, seen: Instant },
    /// Its payer cancelled it.
    Cancelled,
}

#[derive(Debug)]
pub(super) struct World {
    play_money: Usdc,
    /// Accounts that have moved, by address in lower case; all others own `play_money`.
    balances: BTreeMap<String, Usdc>,
    used: BTreeMap<(String, String), Use>,
    /// Mined transactions, in either outcome.
    mined: BTreeSet<String>,
    /// Transactions that no block will take.
    void: BTreeSet<String>,
    transfers: Vec<Transfer>,
    /// When each block was made, from block 1 on, in seconds since the epoch.
    blocks: Vec<u64>,
    /// The deposit wallet's own transactions.
    pub(super) account: Account,
}

impl World {
    /// An empty chain. `poor` accounts start with nothing.
    pub(super) fn new(play_money: Usdc, poor: impl IntoIterator<Item = String>) -> Self {
        let balances = poor.into_iter().map(|account| (account.to_ascii_lowercase(), Usdc::ZERO)).collect();
        Self {
            play_money,
            balances,
            used: BTreeMap::new(),
            mined: BTreeSet::new(),
            void: BTreeSet::new(),
            transfers: Vec::new(),
            blocks: Vec::new(),
            account: Account::default(),
        }
    }

    pub(super) fn balance(&self, account: &str) -> Usdc {
        self.balances.get(&account.to_ascii_lowercase()).copied().unwrap_or(self.play_money)
    }

    pub(super) fn set_balance(&mut self, account: &str, balance: Usdc) {
        self.balances.insert(account.to_ascii_lowercase(), balance);
    }

    pub(super) fn used(&self, from: &str, nonce: &str) -> Option<&Use> {
        self.used.get(&(from.to_ascii_lowercase(), nonce.to_ascii_lowercase()))
    }

    pub(super) fn is_mined(&self, tx: &str) -> bool {
        self.mined.contains(tx)
    }

    pub(super) fn transfers(&self) -> &[Transfer] {
        &self.transfers
    }

    pub(super) fn height(&self) -> u64 {
        u64::try_from(self.blocks.len()).unwrap_or(u64::MAX)
    }

    /// When a block was made.
    pub(super) fn block_time(&self, block: u64) -> Option<u64> {
        self.blocks.get(usize::try_from(block.checked_sub(1)?).ok()?).copied()
    }

    /// Takes care that no block will ever hold this transaction.
    pub(super) fn make_void(&mut self, tx: &str) {
        self.void.insert(tx.to_owned());
    }

    /// A block that holds this transaction alone; its number.
    pub(super) fn new_block(&mut self, tx: &str, now: u64) -> u64 {
        self.mined.insert(tx.to_owned());
        self.blocks.push(now);
        self.height()
    }

    /// Adds a movement of money whose balances are set.
    pub(super) fn record(&mut self, transfer: Transfer) {
        self.transfers.push(transfer);
    }

    /// Takes back what the transaction of a payment moved, as if it had never been mined; its block stays, without it.
    pub(super) fn take_back(&mut self, tx: &str) -> bool {
        let moved = self.used.iter().find_map(|(key, used)| match used {
            Use::Moved { transfer, .. } if transfer.tx == tx => Some((key.clone(), transfer.clone())),
            Use::Moved { .. } | Use::Cancelled => None,
        });
        let Some((key, transfer)) = moved else { return false };
        if transfer.from != transfer.to {
            let back = self.balance(&transfer.from).checked_add(transfer.amount);
            let left = self.balance(&transfer.to).checked_sub(transfer.amount);
            let (Some(back), Some(left)) = (back, left) else { return false };
            self.balances.insert(transfer.from, back);
            self.balances.insert(transfer.to, left);
        }
        self.used.remove(&key);
        self.mined.remove(tx);
        self.transfers.retain(|transfer| transfer.tx != tx);
        true
    }

    /// The payer gives up an authorization that was not used yet.
    pub(super) fn cancel(&mut self, from: &str, nonce: &str, now: u64) {
        self.blocks.push(now);
        let key = (from.to_ascii_lowercase(), nonce.to_ascii_lowercase());
        self.used.entry(key).or_insert(Use::Cancelled);
    }

    /// Mines a transaction in a block of its own, as the token contract would execute it: one that may not move
    /// money is mined all the same, and reverts. Repeating one that is known changes nothing.
    pub(super) fn mine(&mut self, tx: &str, authorized: Option<&Authorized>, now: u64, seen: Instant) {
        if self.void.contains(tx) || !self.mined.insert(tx.to_owned()) {
            return;
        }
        self.blocks.push(now);
        if let Some(authorized) = authorized
            && let Some((payer, payee)) = self.moved(authorized, now)
        {
            self.balances.insert(authorized.from.clone(), payer);
            self.balances.insert(authorized.to.clone(), payee);
            let transfer = Transfer {
                tx: tx.to_owned(),
                block: self.height(),
                from: authorized.from.clone(),
                to: authorized.to.clone(),
                amount: authorized.amount,
                nonce: authorized.nonce.clone(),
            };
            self.transfers.push(transfer.clone());
            let key = (authorized.from.clone(), authorized.nonce.clone());
            self.used.insert(key, Use::Moved { transfer, seen });
        }
    }

    /// Both balances after the transfer, or `None` if the contract would revert: out of time, used, or too poor.
    /// The real contract wants `validAfter < now`; here time stands still within a second, so equality passes.
    fn moved(&self, authorized: &Authorized, now: u64) -> Option<(Usdc, Usdc)> {
        let in_time = authorized.valid_after <= now && now < authorized.valid_before;
        if !in_time || self.used(&authorized.from, &authorized.nonce).is_some() {
            return None;
        }
        let payer = self.balance(&authorized.from).checked_sub(authorized.amount)?;
        if authorized.from == authorized.to {
            return Some((self.balance(&authorized.from), self.balance(&authorized.to)));
        }
        Some((payer, self.balance(&authorized.to).checked_add(authorized.amount)?))
    }
}

/// A transaction's hash.
pub(super) fn hash(raw: &[u8]) -> String {
    format!("0x{}", hex::encode(Sha256::digest(raw)))
}
