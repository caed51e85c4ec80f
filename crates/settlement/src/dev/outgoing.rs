//! Paying out on the dev chain: plain transfers from the deposit wallet, which has account nonces as on a real chain.
//! Each nonce goes to one transaction, and a plain transfer made under two nonces moves money twice.

use super::DevChain;
use super::faults::BroadcastFault;
use super::world::{self, Transfer, World};
use crate::ChainError;
use crate::chain::{Delivery, Turn};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tokio::time::Instant;
use tollwire_ledger::model::{Attempt, Landing, Outgoing};
use tollwire_x402::Usdc;

/// What such a transaction says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Paying {
    from: String,
    to: String,
    amount: Usdc,
    account_nonce: u64,
    /// Which of the transactions for this transfer it is.
    serial: usize,
}

/// The deposit wallet's nonces, each with what took it.
#[derive(Debug, Default)]
pub(super) struct Account(BTreeMap<u64, Taken>);

#[derive(Debug)]
struct Taken {
    tx: String,
    /// The block it moved money in, and since when anybody can see that; `None` if it reverted or moved nothing of ours.
    moved: Option<(u64, Instant)>,
}

impl Account {
    /// The nonce after all that are taken.
    fn next(&self) -> u64 {
        self.0.last_key_value().map_or(0, |(nonce, _)| nonce.saturating_add(1))
    }

    fn take(&mut self, nonce: u64, tx: &str, moved: Option<(u64, Instant)>) {
        self.0.entry(nonce).or_insert_with(|| Taken { tx: tx.to_owned(), moved });
    }
}

impl DevChain {
    /// Somebody else sends a transaction from the deposit wallet; it moves no money.
    pub fn take_wallet_nonce(&self) {
        let mut world = self.world();
        let next = world.account.next();
        world.account.take(next, "elsewhere", None);
    }

    pub(super) fn read_paying(attempt: &Attempt) -> Option<Paying> {
        serde_json::from_slice(&attempt.raw).ok()
    }

    pub(super) fn pay(&self, attempt: &Attempt, paying: &Paying) -> Result<(), ChainError> {
        let lost = |what: &str| Err(ChainError::Unavailable(format!("scripted fault: {what}")));
        let (mut seen, nonce) = (Instant::now(), paying.account_nonce);
        let superseded = || Err(ChainError::Superseded(format!("account nonce {nonce} is taken")));
        match self.faults.broadcast() {
            None => {}
            Some(BroadcastFault::ReplyLost) => {
                self.world().pay(&attempt.tx, paying, self.clock.now().secs(), seen);
                return lost("the reply was lost");
            }
            Some(BroadcastFault::Dropped) => return Ok(()),
            Some(BroadcastFault::Unsent) => return lost("not sent"),
            Some(BroadcastFault::Void) => {
                self.world().account.take(nonce, "elsewhere", None);
                return Ok(());
            }
            // Nobody can steal or cancel a transfer of our own; its nonce is all that can be lost.
            Some(BroadcastFault::Superseded | BroadcastFault::Stolen | BroadcastFault::Cancelled) => {
                self.world().account.take(nonce, "elsewhere", None);
                return superseded();
            }
            Some(BroadcastFault::ReceiptAfter(delay)) => seen += delay,
        }
        let mut world = self.world();
        world.pay(&attempt.tx, paying, self.clock.now().secs(), seen);
        let ours = world.account.0.get(&nonce).is_some_and(|taken| taken.tx == attempt.tx);
        if ours { Ok(()) } else { superseded() }
    }

    pub(super) fn prepare_transfer(&self, order: &Outgoing, _turn: &dyn Turn) -> Result<Attempt, ChainError> {
        if !order.from.eq_ignore_ascii_case(&self.info.deposit_wallet) {
            let why = format!("{} is not the deposit wallet any more", order.from);
            return Err(ChainError::CannotPay(why));
        }
        let world = self.world();
        let account_nonce = match Self::standing(&world, order)? {
            Standing::Landed(..) => return Err(ChainError::Refused("it has landed".into())),
            Standing::Open(nonce) => nonce,
            Standing::Clear => world.account.next(),
        };
        if world.balance(&order.from) < order.amount {
            return Err(ChainError::Refused("the deposit wallet holds less than that".into()));
        }
        let paying = Paying {
            from: order.from.to_ascii_lowercase(),
            to: order.to.to_ascii_lowercase(),
            amount: order.amount,
            account_nonce,
            serial: order.attempts.len(),
        };
        let raw = serde_json::to_vec(&paying).unwrap_or_default();
        Ok(Attempt {
            tx: world::hash(&raw),
            raw,
            signer: self.info.deposit_wallet.clone(),
            nonce: Some(account_nonce),
            at: self.clock.now(),
        })
    }

    pub(super) fn look_for_transfer(&self, outgoing: &Outgoing) -> Result<Delivery, ChainError> {
        let Some(last) = outgoing.attempts.last() else { return Ok(Delivery::Clear) };
        if self.faults.sees_nothing() {
            return Ok(Delivery::Pending(last.tx.clone()));
        }
        let world = self.world();
        Ok(match Self::standing(&world, outgoing)? {
            Standing::Landed(tx, _, seen) if seen > Instant::now() => Delivery::Pending(tx),
            Standing::Landed(tx, block, _) => {
                let mined = outgoing.attempts.iter().filter(|attempt| world.is_mined(&attempt.tx)).count();
                let gas = u64::try_from(mined).ok().and_then(|count| self.config.gas.checked_mul(count));
                Delivery::Landed(Landing { tx, block, gas: gas.unwrap_or(Usdc::MAX) })
            }
            Standing::Open(_) => Delivery::Pending(last.tx.clone()),
            Standing::Clear => Delivery::Clear,
        })
    }

    /// What the account's nonces prove of a transfer's transactions.
    fn standing(world: &World, outgoing: &Outgoing) -> Result<Standing, ChainError> {
        let mut open = None;
        for attempt in &outgoing.attempts {
            let nonce = Self::read_paying(attempt).map(|paying| paying.account_nonce);
            let nonce = nonce
                .ok_or_else(|| ChainError::Unavailable("stored attempt is no dev transaction".into()))?;
            match world.account.0.get(&nonce) {
                Some(Taken { tx, moved: Some((block, seen)) }) if *tx == attempt.tx => {
                    return Ok(Standing::Landed(tx.clone(), *block, *seen));
                }
                Some(_) => {}
                None => open = Some(nonce),
            }
        }
        Ok(open.map_or(Standing::Clear, Standing::Open))
    }
}

/// What may become of a transfer's transactions.
enum Standing {
    /// This one moved the money, in this block, for everybody to see from then on.
    Landed(String, u64, Instant),
    /// Those with this nonce may still be mined.
    Open(u64),
    /// None ever will.
    Clear,
}

impl World {
    /// Mines a transfer of the deposit wallet's in a block of its own, unless its nonce is taken; without the money it
    /// reverts.
    fn pay(&mut self, tx: &str, paying: &Paying, now: u64, seen: Instant) {
        if self.account.0.contains_key(&paying.account_nonce) {
            return;
        }
        let block = self.new_block(tx, now);
        let balances = self
            .balance(&paying.from)
            .checked_sub(paying.amount)
            .and_then(|rest| self.balance(&paying.to).checked_add(paying.amount).map(|more| (rest, more)));
        let moved = balances.map(|(rest, more)| {
            self.set_balance(&paying.from, rest);
            self.set_balance(&paying.to, more);
            self.record(Transfer {
                tx: tx.to_owned(),
                block,
                from: paying.from.clone(),
                to: paying.to.clone(),
                amount: paying.amount,
                nonce: format!("account nonce {}", paying.account_nonce),
            });
            (block, seen)
        });
        self.account.take(paying.account_nonce, tx, moved);
    }
}
