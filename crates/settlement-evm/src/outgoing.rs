//! Paying out: plain USDC transfers from the settlement key's own account, of which at most one per refund or payout can
//! land.
//!
//! The token takes an authorization once, but a transfer as often as it is sent. What keeps two transactions for one
//! debt from landing both is the account nonce: of all transactions of an account under one nonce, one is mined. So
//! another transaction takes the nonce of those that may still land, and only when every nonce used so far has
//! demonstrably gone elsewhere ([`Standing::Clear`]) does it take a fresh one.

use crate::EvmChain;
use crate::account::Account;
use crate::contract::{Usdc, address};
use crate::fees::Fees;
use crate::node::{At, Batch, Block, Called, Question, Receipt, hex0x};
use crate::seat::EvmTurn;
use crate::wallet::Way;
use alloy_primitives::{B256, U256};
use alloy_sol_types::{SolCall, SolEvent};
use serde_json::json;
use std::collections::BTreeMap;
use tollwire_exact::evm::Address;
use tollwire_ledger::model::{Attempt, Landing, Outgoing};
use tollwire_settlement::ChainError;
use tollwire_settlement::chain::{Delivery, LOOK_BACK_SECS, Turn};
use tollwire_x402::Usdc as Money;

/// Gas limit of a transfer; an account that never held USDC costs the most, about 65,000.
const GAS_LIMIT: u64 = 120_000;

/// Gas that a transfer is charged for: what a transfer to an account without USDC takes.
const GAS_CHARGED: u64 = 65_000;

/// What is known of a transfer's transactions.
enum Standing {
    /// The money moved, deep enough.
    Landed(Landing),
    /// One has taken effect, or its nonce is gone, but not deep enough to build on. With its hash.
    Unproven(String),
    /// Those with this nonce may land, of which this is the last.
    Open(u64, String),
    /// None was made, or none can land any more.
    Clear,
}

impl EvmChain {
    /// What a transfer costs now: its gas at the present base fee and tip, at the configured rate.
    pub(crate) async fn transfer_cost(&self, to: &str) -> Result<Money, ChainError> {
        self.own_wallet(&self.info.deposit_wallet)?;
        payee(to)?;
        let mut batch = Batch::default();
        let (block, tip) = (batch.add(Question::block(At::Latest)), batch.add(Question::tip()));
        let mut told = self.node.ask_all(batch).await?;
        let price = told.of(block)?.base_fee.saturating_add(told.of(tip)?);
        Ok(self.in_usdc(U256::from(price).saturating_mul(U256::from(GAS_CHARGED))))
    }

    /// Signs a transfer, if no two of its transactions can land then.
    pub(crate) async fn prepare_transfer(
        &self,
        outgoing: &Outgoing,
        turn: &dyn Turn,
    ) -> Result<Attempt, ChainError> {
        let table = EvmTurn::of(turn)?.table();
        let account = &table.account;
        self.own_wallet(&outgoing.from)?;
        if outgoing.asset.parse() != Ok(self.usdc.contract) {
            return Err(ChainError::CannotPay(format!("{} is not USDC here", outgoing.asset)));
        }
        let (nonce, former) = match self.standing(outgoing).await? {
            Standing::Landed(landing) => {
                return Err(ChainError::Refused(format!("it landed by {}", landing.tx)));
            }
            Standing::Unproven(tx) => {
                return Err(ChainError::Refused(format!("{tx} is not proven dead yet")));
            }
            Standing::Open(nonce, _) if Self::is_foreign(account, outgoing, nonce) => {
                return Err(ChainError::CannotPay("another key's transaction may still land".into()));
            }
            Standing::Open(nonce, _) => (nonce, Self::highest_fees(outgoing, nonce)),
            Standing::Clear => (self.fresh_nonce(account).await?, None),
        };
        let call = Usdc::transferCall {
            to: address(&payee(&outgoing.to)?),
            value: U256::from(outgoing.amount.atomic()),
        };
        let input = call.abi_encode();
        let (from, token) = (address(&account.address), address(&self.usdc.contract));
        let mut batch = Batch::default();
        let trial = batch.add(Question::simulate(from, token, &input, GAS_LIMIT, At::Latest));
        let (block, tip) = (batch.add(Question::block(At::Latest)), batch.add(Question::tip()));
        let mut told = self.node.ask_all(batch).await?;
        let (called, block, tip) = (told.of(trial)?, told.of(block)?, told.of(tip)?);
        if let Called::Reverted(text) = called {
            return Err(ChainError::Refused(text));
        }
        let cap = self.config.max_fee_per_gas;
        let fees = Fees::now(block, tip, cap)?;
        let fees = match former {
            Some(former) => fees.above(former, cap)?,
            None => fees,
        };
        if !table.holds() {
            return Err(ChainError::Busy);
        }
        self.sign_call(account, nonce, fees, Way { to: token, input, gas: GAS_LIMIT })
    }

    /// What the chain proves of a transfer.
    pub(crate) async fn observe_transfer(&self, outgoing: &Outgoing) -> Result<Delivery, ChainError> {
        Ok(match self.standing(outgoing).await? {
            Standing::Landed(landing) => Delivery::Landed(landing),
            Standing::Unproven(tx) | Standing::Open(_, tx) => Delivery::Pending(tx),
            Standing::Clear => Delivery::Clear,
        })
    }

    /// Nonces first, receipts second: a transaction that is mined between the two questions is then found by its receipt,
    /// and one without a receipt, whose nonce was gone before we asked for it, was not what took the nonce.
    async fn standing(&self, outgoing: &Outgoing) -> Result<Standing, ChainError> {
        let Some(last) = outgoing.attempts.last() else { return Ok(Standing::Clear) };
        let head = self.node.block(At::Latest).await?;
        let gone = self.nonces(outgoing, At::Number(head.number)).await?;
        let gone_for_good = self.nonces_for_good(outgoing, head).await?;
        let mut receipts = Vec::new();
        for attempt in &outgoing.attempts {
            receipts.extend(self.node.receipt(&attempt.tx).await?);
        }
        if let Some(receipt) = receipts.iter().find(|receipt| receipt.succeeded) {
            return self.landed(outgoing, receipt, &receipts, head).await;
        }
        let is_below = |attempt: &Attempt, counts: &BTreeMap<String, u64>| {
            attempt.nonce.is_some_and(|nonce| counts.get(&attempt.signer).is_some_and(|count| nonce < *count))
        };
        let Some(open) = outgoing.attempts.iter().rfind(|attempt| !is_below(attempt, &gone_for_good)) else {
            return self.clear(outgoing, head).await;
        };
        let nonce = open.nonce.ok_or_else(|| ChainError::Unavailable("an attempt without nonce".into()))?;
        if is_below(open, &gone) {
            return Ok(Standing::Unproven(last.tx.clone()));
        }
        Ok(Standing::Open(nonce, open.tx.clone()))
    }

    /// A mined transaction that succeeded: the transfer is in its logs, or the contract is not the one we know.
    async fn landed(
        &self,
        outgoing: &Outgoing,
        receipt: &Receipt,
        receipts: &[Receipt],
        head: Block,
    ) -> Result<Standing, ChainError> {
        let (from, to) = (payee(&outgoing.from)?, payee(&outgoing.to)?);
        let word = |account: &Address| address(account).into_word();
        let transfer = [Usdc::Transfer::SIGNATURE_HASH, word(&from), word(&to)];
        let amount = U256::from(outgoing.amount.atomic()).to_be_bytes::<32>();
        let contract = address(&self.usdc.contract);
        let moved = receipt
            .logs
            .iter()
            .any(|log| log.address == contract && log.topics == transfer && log.data == amount);
        if !moved {
            // Paying once more would be a guess.
            let why = format!("{} succeeded without the transfer it was made for", receipt.tx);
            return Err(ChainError::Unavailable(why));
        }
        if !self.is_deep(receipt.block, &self.heads_above(head).await)? {
            return Ok(Standing::Unproven(receipt.tx.clone()));
        }
        let landing = Landing { tx: receipt.tx.clone(), block: receipt.block, gas: self.gas(receipts) };
        Ok(Standing::Landed(landing))
    }

    /// By nonces and receipts nothing can land any more; the token's own logs must not say otherwise.
    async fn clear(&self, outgoing: &Outgoing, head: Block) -> Result<Standing, ChainError> {
        let word = |account: &Address| hex0x(address(account).into_word().as_slice());
        let hex = |word: B256| hex0x(word.as_slice());
        let topics = json!([
            hex(Usdc::Transfer::SIGNATURE_HASH),
            word(&payee(&outgoing.from)?),
            word(&payee(&outgoing.to)?)
        ]);
        let since = outgoing.ordered.secs().saturating_sub(LOOK_BACK_SECS);
        let from = self.block_before(since, head).await?;
        let ours = |tx: &str| outgoing.attempts.iter().any(|attempt| attempt.tx.eq_ignore_ascii_case(tx));
        let mut seen = false;
        self.each_log(from, head.number, topics, |log| {
            seen = ours(&log.tx);
            seen
        })
        .await?;
        if seen {
            let why = "the node shows our transfer but not its transaction".to_owned();
            return Err(ChainError::Unavailable(why));
        }
        Ok(Standing::Clear)
    }

    /// How many transactions each signer of the attempts has sent, at a block.
    async fn nonces(&self, outgoing: &Outgoing, at: At) -> Result<BTreeMap<String, u64>, ChainError> {
        let mut counts = BTreeMap::new();
        for attempt in &outgoing.attempts {
            if !counts.contains_key(&attempt.signer) {
                let count = self.node.transaction_count(address(&payee(&attempt.signer)?), at).await?;
                counts.insert(attempt.signer.clone(), count);
            }
        }
        Ok(counts)
    }

    /// The same at a block so deep that it stays.
    async fn nonces_for_good(
        &self,
        outgoing: &Outgoing,
        head: Block,
    ) -> Result<BTreeMap<String, u64>, ChainError> {
        let below = self.config.confirmations.saturating_sub(1).saturating_add(self.config.expiry_depth);
        match head.number.checked_sub(below) {
            Some(number) => self.nonces(outgoing, At::Number(number)).await,
            None => Ok(BTreeMap::new()),
        }
    }

    /// A nonce that nothing of ours has, without a gap below it.
    async fn fresh_nonce(&self, account: &Account) -> Result<u64, ChainError> {
        let own = address(&account.address);
        let mut batch = Batch::default();
        let mined = batch.add(Question::transaction_count(own, At::Latest));
        let pending = batch.add(Question::transaction_count(own, At::Pending));
        let mut told = self.node.ask_all(batch).await?;
        let (mined, pending) = (told.of(mined)?, told.of(pending)?);
        // The node has not heard of all we sent. A nonce above those could be stuck behind a gap, and, once attached,
        // cannot be given up.
        if self.next_nonce(account, mined, pending).await? > pending {
            return Err(ChainError::Busy);
        }
        Ok(pending)
    }

    /// Whether attempts under this nonce were signed by another key than the turn's.
    fn is_foreign(account: &Account, outgoing: &Outgoing, nonce: u64) -> bool {
        let foreign = |attempt: &Attempt| attempt.nonce == Some(nonce) && attempt.signer != account.name;
        outgoing.attempts.iter().any(foreign)
    }

    fn highest_fees(outgoing: &Outgoing, nonce: u64) -> Option<Fees> {
        let same = outgoing.attempts.iter().filter(|attempt| attempt.nonce == Some(nonce));
        same.filter_map(Fees::of).reduce(Fees::max)
    }

    /// What the deposit wallet holds at the newest block.
    pub(crate) async fn wallet_balance(&self) -> Result<Money, ChainError> {
        let account = address(&payee(&self.info.deposit_wallet)?);
        let question = Usdc::balanceOfCall { account };
        let balance: U256 = self.node.read(address(&self.usdc.contract), &question, At::Latest).await?;
        Ok(u64::try_from(balance).ok().and_then(Money::from_atomic).unwrap_or(Money::MAX))
    }

    /// Transfers leave from the main account, which deposits go to; the turns that are asked for without a payment are its.
    fn own_wallet(&self, wallet: &str) -> Result<(), ChainError> {
        if wallet.parse() == Ok(self.main().address) {
            return Ok(());
        }
        Err(ChainError::CannotPay(format!(
            "the deposit wallet {wallet} is not the settlement key's account {}; leave out pay_to, or set unspent to \
             another rule and pay by hand",
            self.main().name
        )))
    }
}

fn payee(text: &str) -> Result<Address, ChainError> {
    text.parse().map_err(|_| ChainError::CannotPay(format!("{text} is no address")))
}
