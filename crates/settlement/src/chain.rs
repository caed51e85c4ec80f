//! What the settlement procedure needs of a chain.

use serde_json::Value;
use std::future::Future;
use std::pin::Pin;
use tollwire_ledger::model::{Attempt, Landing, Outgoing, Payment};
use tollwire_x402::v2::{Extra, PaymentRequirements};
use tollwire_x402::{Network, PaymentId, Usdc};

/// A boxed future, so that `Arc<dyn Chain>` works.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How long before its record a payment may have landed for [`Chain::observe`] to find it, in seconds.
pub const LOOK_BACK_SECS: u64 = 600;

/// A chain's constants.
#[derive(Debug, Clone, PartialEq)]
pub struct ChainInfo {
    /// Its canonical network.
    pub network: Network,
    /// The `chain` claim of session tokens: base, base-sepolia, solana, solana-devnet, dev.
    pub claim: String,
    /// The USDC contract or mint.
    pub asset: String,
    /// What an offer's `extra` carries on this chain (EVM: `name` and `version`).
    pub offer_extra: Extra,
    /// Our deposit wallet: `payTo` of our own offers.
    pub deposit_wallet: String,
}

impl ChainInfo {
    /// Whether its money is play money.
    pub fn is_dev(&self) -> bool {
        self.claim == crate::dev::CLAIM
    }
}

/// A payment whose form and identity were read without any I/O.
#[derive(Debug, Clone, PartialEq)]
pub struct Identified {
    /// Its canonical identity.
    pub id: PaymentId,
    /// Who pays, as the chain writes addresses.
    pub payer: String,
    /// The signed amount.
    pub amount: Usdc,
    /// When the authorization stops being valid, seconds since the epoch.
    pub valid_before: u64,
    /// True if the signature was checked and is the payer's own key; false if only the chain can tell (a
    /// contract wallet).
    pub signature_checked: bool,
}

/// What a payload says of itself, before anything of it is checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SaidTerms {
    /// The amount it moves.
    pub amount: Option<Usdc>,
    /// Whom it pays, as the chain writes wallets.
    pub pay_to: Option<String>,
    /// The memos that go with it.
    pub memos: Vec<String>,
}

/// A payment that will not be taken, and why. A business answer, not a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// One of `tollwire_x402::reason`.
    pub reason: &'static str,
    /// For people; names the field and the fix.
    pub message: String,
    /// Who would have paid, where known.
    pub payer: Option<String>,
}

/// The chain could not be asked. **Never evidence of non-payment.**
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The node did not answer, or answered nonsense: ask again later.
    #[error("chain node unavailable: {0}")]
    Unavailable(String),
    /// Our settlement account cannot pay for gas: fund it.
    #[error("settlement account {0} cannot pay for gas")]
    OutOfGas(String),
    /// Another process holds this signer's turn: ask again soon.
    #[error("settlement account is busy")]
    Busy,
    /// The chain would refuse the transaction as things stand (its simulation fails, gas costs more than we pay):
    /// nothing was signed; ask again later.
    #[error("the chain would refuse the transaction now: {0}")]
    Refused(String),
    /// The transaction's account nonce went to another one. It can no longer land: prepare a new attempt, which is
    /// safe, because the token contract takes each authorization once.
    #[error("transaction superseded: {0}")]
    Superseded(String),
    /// This chain, as it is configured, can pay nobody: the text says what to change.
    #[error("nothing can be paid from the deposit wallet: {0}")]
    CannotPay(String),
}

/// What became of a payment, as far as the chain can prove it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// The money is in the payee's account, final enough for this chain's configuration.
    Landed(Landing),
    /// Proven never to land, and nobody is to blame for it.
    Dead(Refusal),
    /// Proven never to land because of what its payer did, or did not have, after we had made a transaction for it.
    Failed(Refusal),
    /// Not known yet. With the hash of the transaction we wait for, if there is one: `None` for a payment that has
    /// transactions says that none of them will have an effect any more.
    Pending(Option<String>),
}

/// How firmly a landing stands that was credited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Firmness {
    /// No reorganisation is expected to take it away any more.
    Final,
    /// It is where it was, but young.
    Young,
    /// It is somewhere else now: a reorganisation has put it into another block, or another transaction.
    Moved(Landing),
    /// The chain does not have it any more.
    Gone,
}

/// What became of the transactions of an outgoing transfer, as far as the chain can prove it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The money is in the payee's account, final enough for this chain's configuration.
    Landed(Landing),
    /// One of them may still land. With the hash of the one we wait for.
    Pending(String),
    /// None was made, or all are proven never to land: another may be made.
    Clear,
}

/// What a settlement account has of the chain's own currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purse {
    /// Its address.
    pub account: String,
    /// The currency: ETH, SOL.
    pub coin: &'static str,
    /// What it has, in the smallest unit of the currency.
    pub balance: u128,
    /// How many of those units' digits are behind the point of a whole coin.
    pub decimals: u8,
    /// Whether that is so little that it should be funded now.
    pub low: bool,
}

/// The right to use a signer's next account nonce; dropping it ends the turn.
///
/// The chain decides what it holds (a lock, a lease); the procedure keeps it from before `prepare` until the
/// broadcast was answered.
pub trait Turn: Send + Sync + std::any::Any {}

/// One chain.
///
/// `requirements` are always the canonical (v2) form; `payload` is the scheme's JSON.
pub trait Chain: Send + Sync {
    /// Its constants.
    fn info(&self) -> &ChainInfo;

    /// The addresses that sign settlement transactions.
    fn signers(&self) -> Vec<String>;

    /// What a payload says, right or wrong. By default an EIP-3009 authorization's words.
    fn said(&self, payload: &Value) -> SaidTerms {
        let text = |pointer| payload.pointer(pointer).and_then(Value::as_str);
        SaidTerms {
            amount: text("/authorization/value").and_then(|value| Usdc::parse_atomic(value).ok()),
            pay_to: text("/authorization/to").map(str::to_owned),
            memos: Vec::new(),
        }
    }

    /// Whether offers on this chain can carry a memo (`extra.memo`) that their payments repeat. By default not.
    fn takes_memo(&self) -> bool {
        false
    }

    /// What offers made now say in `extra` beside [`ChainInfo::offer_extra`]: things that go out of date, and that no
    /// payment is held to. Answered at once or not at all, as anybody can ask for an offer. By default nothing.
    fn offer_hints(&self) -> BoxFuture<'_, Extra> {
        Box::pin(std::future::ready(Extra::new()))
    }

    /// Reads a payload: form, identity, and every check that needs neither I/O nor the time (scheme, network,
    /// EIP-712 domain, recipient, exact amount, and the signature where no contract is involved).
    fn identify(&self, requirements: &PaymentRequirements, payload: &Value) -> Result<Identified, Refusal>;

    /// All remaining checks, in the reference order, against the chain and the time. Changes nothing.
    ///
    /// `now` is seconds since the epoch.
    fn verify<'a>(
        &'a self,
        requirements: &'a PaymentRequirements,
        payload: &'a Value,
        now: u64,
    ) -> BoxFuture<'a, Result<Result<Identified, Refusal>, ChainError>>;

    /// Waits for the turn of the account that deposits go to and refunds come from, alone.
    fn turn(&self) -> BoxFuture<'_, Result<Box<dyn Turn>, ChainError>>;

    /// Waits for a turn that suits this payment. By default that of [`Chain::turn`]; a chain with several settlement
    /// accounts gives any that is free, and may have those who wait settle in one transaction: their attempts are then
    /// equal, and each of them calls `prepare`, attaches, and calls `broadcast`, as if it were alone.
    fn turn_for<'a>(&'a self, _payment: &'a Payment) -> BoxFuture<'a, Result<Box<dyn Turn>, ChainError>> {
        self.turn()
    }

    /// Signs a transaction that would settle the payment; its hash is known from here on. Nothing leaves.
    fn prepare<'a>(
        &'a self,
        payment: &'a Payment,
        turn: &'a dyn Turn,
    ) -> BoxFuture<'a, Result<Attempt, ChainError>>;

    /// Sends a prepared transaction. Repeatable; "already known" is success.
    fn broadcast<'a>(&'a self, attempt: &'a Attempt) -> BoxFuture<'a, Result<(), ChainError>>;

    /// Looks up what became of a payment, by its attempts *and* by the chain's own logs: somebody else may have
    /// submitted the same authorization, or the payer may have cancelled it.
    fn observe<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, Result<Observation, ChainError>>;

    /// How many payments share the transaction that this one waits for, this one included, as far as is known: they are
    /// looked at together. At least 1, which is the default.
    fn company(&self, _payment: &Payment) -> u32 {
        1
    }

    /// What a transfer to this account would cost now, in USDC at the configured rate. [`ChainError::CannotPay`] (the
    /// default) if the chain cannot do that at all.
    fn outgoing_gas<'a>(&'a self, _to: &'a str) -> BoxFuture<'a, Result<Usdc, ChainError>> {
        cannot_pay()
    }

    /// Signs a transaction that makes an outgoing transfer. Nothing leaves.
    ///
    /// A plain transfer can be made twice, so this is refused unless, of the transactions made before and this one, at
    /// most one can ever land: it takes the account nonce of those that may, or they are proven dead.
    fn prepare_outgoing<'a>(
        &'a self,
        _outgoing: &'a Outgoing,
        _turn: &'a dyn Turn,
    ) -> BoxFuture<'a, Result<Attempt, ChainError>> {
        cannot_pay()
    }

    /// Looks up what became of an outgoing transfer, by its transactions and by the token's own logs.
    fn observe_outgoing<'a>(
        &'a self,
        _outgoing: &'a Outgoing,
    ) -> BoxFuture<'a, Result<Delivery, ChainError>> {
        cannot_pay()
    }

    /// What the deposit wallet holds now. [`ChainError::CannotPay`] (the default) if the chain cannot tell; nothing is
    /// paid out to providers then.
    fn custody(&self) -> BoxFuture<'_, Result<Usdc, ChainError>> {
        cannot_pay()
    }

    /// The newest block (or slot) whose deposits no reorganisation can take away any more, so that they may be paid out.
    /// `None` (the default) if whatever this chain reports as landed is as final as that.
    fn final_block(&self) -> BoxFuture<'_, Result<Option<u64>, ChainError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// How firmly the landing of a credited payment stands. [`ChainError::Unavailable`] where the chain is shorter than it
    /// was: a node that lags is no evidence. By default it is final.
    fn firmness<'a>(
        &'a self,
        _payment: &'a Payment,
        _landing: &'a Landing,
    ) -> BoxFuture<'a, Result<Firmness, ChainError>> {
        Box::pin(std::future::ready(Ok(Firmness::Final)))
    }

    /// What settling one payment would cost now, in USDC at the configured rate: an estimate, rather high than low. Zero
    /// (the default) if the chain cannot tell.
    fn settle_gas(&self) -> BoxFuture<'_, Result<Usdc, ChainError>> {
        Box::pin(std::future::ready(Ok(Usdc::ZERO)))
    }

    /// What each settlement account has left to pay for transactions with. Empty (the default) where they cost nothing.
    fn purses(&self) -> BoxFuture<'_, Result<Vec<Purse>, ChainError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// The number of the newest block or slot, as [`Landing::block`] counts them. `None` (the default) if that cannot be
    /// told.
    fn head(&self) -> BoxFuture<'_, Result<Option<u64>, ChainError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// When the block of a landing was made, by the chain's clock, in seconds since the epoch. `None` (the default) if
    /// that cannot be told; what landed before it was recorded is then never credited.
    fn block_time<'a>(&'a self, _landing: &'a Landing) -> BoxFuture<'a, Result<Option<u64>, ChainError>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

fn cannot_pay<'a, T: Send + 'a>() -> BoxFuture<'a, Result<T, ChainError>> {
    let why = "this kind of chain has no way to pay out";
    Box::pin(std::future::ready(Err(ChainError::CannotPay(why.to_owned()))))
}

impl Refusal {
    /// A refusal.
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), payer: None }
    }

    /// The same, naming the payer.
    #[must_use]
    pub fn by(mut self, payer: impl Into<String>) -> Self {
        self.payer = Some(payer.into());
        self
    }
}

impl From<tollwire_exact::solana::Refusal> for Refusal {
    fn from(refusal: tollwire_exact::solana::Refusal) -> Self {
        let payer = refusal.payer.map(|payer| payer.to_string());
        Self { reason: refusal.reason, message: refusal.message, payer }
    }
}

impl From<tollwire_exact::evm::Refusal> for Refusal {
    fn from(refusal: tollwire_exact::evm::Refusal) -> Self {
        Self { reason: refusal.reason, message: refusal.message, payer: refusal.payer }
    }
}
