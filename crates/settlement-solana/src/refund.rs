//! Paying out of the deposit wallet: plain token transfers, of which at most one per debt can land.
//!
//! The cluster takes a transaction once, but a transfer as often as another is made. What keeps two of them from landing
//! both is the blockhash: another is made only when the last is proven dead, failed in a final block or gone with its
//! blockhash. Each carries a memo of its own, so that two debts that are alike are two transactions.

use crate::SolanaChain;
use crate::node::Simulated;
use crate::observe::Standing;
use tollwire_exact::solana::{Address, LAMPORTS_PER_SIGNATURE, PrivateKey, Transaction, Transfer, program};
use tollwire_ledger::model::{Attempt, Landing, Outgoing};
use tollwire_settlement::ChainError;
use tollwire_settlement::chain::Delivery;
use tollwire_x402::{Usdc, asset};

/// Bytes of a token account, for its rent. Token-2022 marks it as never to change hands: five more.
const ACCOUNT_BYTES: usize = 165;
const ACCOUNT_2022_BYTES: usize = 170;

/// Compute units of a refund that creates an account, for its priority fee.
const UNITS: u64 = 60_000;

impl SolanaChain {
    /// What a transfer to this wallet costs now: signatures, priority, and a token account if it has none.
    pub(crate) async fn transfer_cost(&self, to: &str) -> Result<Usdc, ChainError> {
        self.deposit_key()?;
        let create = self.lacks_account(&wallet(to)?).await?;
        let rent = if create { self.rent().await? } else { 0 };
        Ok(self.in_usdc(self.transfer_fee().saturating_add(rent)))
    }

    /// What the deposit wallet holds.
    pub(crate) async fn held(&self) -> Result<Usdc, ChainError> {
        /// Where the amount stands in a token account.
        const AMOUNT_AT: usize = 64;
        let account = self.node.account(&self.deposit.account.to_string()).await?;
        let amount = account.as_ref().and_then(|account| account.data.get(AMOUNT_AT..)?.first_chunk());
        let atomic = amount.map(|bytes| u64::from_le_bytes(*bytes));
        atomic
            .and_then(Usdc::from_atomic)
            .ok_or_else(|| ChainError::Unavailable("the deposit wallet's token account is unreadable".into()))
    }

    fn transfer_fee(&self) -> u64 {
        let signatures = if self.deposit.wallet == self.limits.fee_payer { 1 } else { 2 };
        let priority = self.config.refund_price.saturating_mul(UNITS).div_ceil(1_000_000);
        LAMPORTS_PER_SIGNATURE.saturating_mul(signatures).saturating_add(priority)
    }

    async fn rent(&self) -> Result<u64, ChainError> {
        let bytes = if self.token_program == program::TOKEN { ACCOUNT_BYTES } else { ACCOUNT_2022_BYTES };
        self.node.rent(bytes).await
    }

    /// Whether a wallet's token account has to be created first; refused if that is not allowed.
    async fn lacks_account(&self, owner: &Address) -> Result<bool, ChainError> {
        let account = program::associated_token(owner, &self.token_program, &self.mint)
            .ok_or_else(|| ChainError::CannotPay(format!("{owner} has no token account")))?;
        let missing = self.node.account(&account.to_string()).await?.is_none();
        if missing && !self.config.refund_creates_account {
            return Err(ChainError::CannotPay(format!(
                "{owner} has no token account, and refund_creates_account is off"
            )));
        }
        Ok(missing)
    }

    /// Signs a transfer, if none made before can land.
    pub(crate) async fn prepare_transfer(&self, outgoing: &Outgoing) -> Result<Attempt, ChainError> {
        let key = self.deposit_key()?;
        if wallet(&outgoing.from)? != self.deposit.wallet || outgoing.asset != self.info.asset {
            return Err(ChainError::CannotPay(format!(
                "it is owed by {} in {}; this chain pays by {} in {}",
                outgoing.from, outgoing.asset, self.deposit.wallet, self.info.asset
            )));
        }
        match self.observe_transfer(outgoing).await? {
            Delivery::Clear => {}
            Delivery::Landed(landing) => {
                return Err(ChainError::Refused(format!("it landed by {}", landing.tx)));
            }
            Delivery::Pending(tx) => return Err(ChainError::Refused(format!("{tx} is not proven dead yet"))),
        }
        let to = wallet(&outgoing.to)?;
        let (create, latest) = tokio::try_join!(self.lacks_account(&to), self.node.latest_blockhash())?;
        let blockhash: Address = latest
            .text
            .parse()
            .map_err(|_| ChainError::Unavailable("the node's blockhash is malformed".into()))?;
        let transfer = Transfer {
            fee_payer: self.limits.fee_payer,
            from: self.deposit.wallet,
            to,
            mint: self.mint,
            token_program: self.token_program,
            amount: outgoing.amount.atomic(),
            decimals: asset::DECIMALS,
            blockhash: *blockhash.as_bytes(),
            memo: &random_memo(),
            price: Some(self.config.refund_price),
            create,
        };
        let unsignable = |error: tollwire_exact::solana::Error| ChainError::CannotPay(error.to_string());
        let mut transaction = transfer.transaction().map_err(unsignable)?;
        let signature = transaction.sign(&self.key).map_err(unsignable)?;
        if self.deposit.wallet != self.limits.fee_payer {
            transaction.sign(key).map_err(unsignable)?;
        }
        transaction.verify().map_err(unsignable)?;
        let raw = transaction.to_bytes();
        match self.node.simulate(&raw).await?.0 {
            Simulated::Passed => {}
            Simulated::Poor => return Err(self.out_of_gas()),
            Simulated::Failed(text) => return Err(ChainError::Refused(text)),
        }
        Ok(Attempt {
            tx: signature.to_string(),
            raw,
            signer: self.limits.fee_payer.to_string(),
            nonce: Some(latest.last_height),
            at: self.config.clock.now(),
        })
    }

    /// What the chain proves of a transfer.
    pub(crate) async fn observe_transfer(&self, outgoing: &Outgoing) -> Result<Delivery, ChainError> {
        let mut open = None;
        // What failed before cost something all the same.
        let mut fees = 0_u64;
        let mut paid = None;
        for attempt in &outgoing.attempts {
            match self.standing(attempt).await? {
                Standing::Landed(landed) => {
                    let position = self.position_of_payee(attempt, outgoing);
                    let gain = position.and_then(|at| landed.gain(at, &self.info.asset));
                    if gain != Some(outgoing.amount.atomic()) {
                        // Paying once more would be a guess.
                        let why = format!("{} succeeded without the transfer it was made for", attempt.tx);
                        return Err(ChainError::Unavailable(why));
                    }
                    let created = !landed.before.iter().any(|(at, ..)| Some(*at) == position);
                    let rent = if created { self.rent().await? } else { 0 };
                    fees = fees.saturating_add(landed.fee).saturating_add(rent);
                    paid = Some((attempt.tx.clone(), landed.slot));
                }
                Standing::Failed(landed) => fees = fees.saturating_add(landed.fee),
                Standing::Expired => {}
                Standing::Open => open = Some(attempt.tx.clone()),
            }
        }
        Ok(match (paid, open) {
            (Some((tx, block)), _) => Delivery::Landed(Landing { tx, block, gas: self.in_usdc(fees) }),
            (None, Some(tx)) => Delivery::Pending(tx),
            (None, None) => Delivery::Clear,
        })
    }

    /// The place of the payee's token account in an attempt.
    fn position_of_payee(&self, attempt: &Attempt, outgoing: &Outgoing) -> Option<u64> {
        let transaction = Transaction::from_bytes(&attempt.raw).ok()?;
        let owner = outgoing.to.parse().ok()?;
        let account = program::associated_token(&owner, &self.token_program, &self.mint)?;
        let accounts = &transaction.message().accounts;
        u64::try_from(accounts.iter().position(|known| *known == account)?).ok()
    }

    /// Refunds leave from the deposit wallet, so its key must be here.
    fn deposit_key(&self) -> Result<&PrivateKey, ChainError> {
        self.deposit.key.as_ref().ok_or_else(|| {
            ChainError::CannotPay(format!(
                "the key of the deposit wallet {} is not here; configure deposit_key, leave out pay_to, or set unspent to \
                 another rule and pay back by hand",
                self.deposit.wallet
            ))
        })
    }
}

fn wallet(text: &str) -> Result<Address, ChainError> {
    text.parse().map_err(|_| ChainError::CannotPay(format!("{text} is no address")))
}

/// A text that no other transfer carries. It is no secret.
fn random_memo() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let half = || RandomState::new().build_hasher().finish();
    format!("transfer {:016x}{:016x}", half(), half())
}
