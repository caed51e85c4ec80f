//! The chain, as the settlement procedure sees it.

use crate::SolanaConfig;
use crate::balance::Purse;
use crate::hints::Hints;
use crate::node::{Level, Node};
use serde_json::Value;
use tollwire_exact::solana::{Address, Checked, Limits, PrivateKey, Said, check};
use tollwire_ledger::model::{Attempt, Landing, Outgoing, Payment};
use tollwire_settlement::chain::{BoxFuture, Delivery, Firmness, SaidTerms, Turn};
use tollwire_settlement::{Chain, ChainError, ChainInfo, Identified, Observation, Refusal};
use tollwire_x402::v2::{Extra, PaymentRequirements};
use tollwire_x402::{Usdc, reason};

/// A Solana cluster, reached through one node.
///
/// ```no_run
/// # async fn example(key: &str) -> Result<(), tollwire_settlement_solana::Error> {
/// use tollwire_settlement_solana::{SolanaChain, SolanaConfig};
/// use tollwire_x402::SolanaCluster;
///
/// let config = SolanaConfig::new(SolanaCluster::Mainnet, "http://127.0.0.1:8899", key);
/// let chain = SolanaChain::connect(config).await?;
/// # Ok(()) }
/// ```
pub struct SolanaChain {
    pub(crate) info: ChainInfo,
    pub(crate) mint: Address,
    pub(crate) token_program: Address,
    /// The deposit wallet, and the token account that payments go to.
    pub(crate) deposit: Deposit,
    /// The fee payer's key.
    pub(crate) key: PrivateKey,
    pub(crate) limits: Limits,
    pub(crate) node: Node,
    pub(crate) hints: Hints,
    pub(crate) purse: Purse,
    pub(crate) config: SolanaConfig,
}

/// Where payments go.
pub(crate) struct Deposit {
    pub(crate) wallet: Address,
    pub(crate) account: Address,
    /// What refunds are signed with, if that is here.
    pub(crate) key: Option<PrivateKey>,
}

/// Nothing is taken in turns here: a transaction has no account nonce, and only its blockhash lets it land.
struct NoTurn;

impl Turn for NoTurn {}

impl SolanaChain {
    /// Every check that needs no chain, and that cluster and asset are ours.
    pub(crate) fn check(
        &self,
        requirements: &PaymentRequirements,
        payload: &Value,
    ) -> Result<Checked, Refusal> {
        let network = requirements.known_network();
        if network.is_some() && network != Some(self.info.network) {
            let message = format!("this chain is {}", self.info.network);
            return Err(Refusal::new(reason::SVM_NETWORK_MISMATCH, message));
        }
        let checked = check(requirements, payload, &self.limits)?;
        let refuse =
            |reason, message: String| Err(Refusal::new(reason, message).by(checked.payer.to_string()));
        if requirements.asset != self.info.asset {
            return refuse(reason::INVALID_PAYMENT_REQUIREMENTS, format!("asset is not {}", self.mint));
        }
        if checked.token_program != self.token_program {
            return refuse(reason::SVM_NO_TRANSFER, format!("the mint is of program {}", self.token_program));
        }
        Ok(checked)
    }

    /// `payTo` is a wallet, of which a transfer shows only the token account: ours is recognised.
    fn said_terms(&self, payload: &Value) -> SaidTerms {
        let said = Said::read(payload);
        let ours = said.destination == Some(self.deposit.account);
        SaidTerms {
            amount: said.amount,
            pay_to: ours.then(|| self.info.deposit_wallet.clone()),
            memos: said.memos,
        }
    }

    pub(crate) fn identified(&self, requirements: &PaymentRequirements, checked: Checked) -> Identified {
        let now = self.config.clock.now().secs();
        Identified {
            id: checked.id,
            payer: checked.payer.to_string(),
            amount: checked.amount,
            // A transaction does not say until when it is good; its blockhash knows, and the chain. This is how long it
            // is worth signing.
            valid_before: now.saturating_add(requirements.max_timeout_seconds),
            signature_checked: true,
        }
    }

    /// The level at which a transfer counts.
    pub(crate) fn level(&self) -> Level {
        match self.config.commitment {
            crate::Commitment::Confirmed => Level::Confirmed,
            crate::Commitment::Finalized => Level::Finalized,
        }
    }

    /// Lamports in USDC at the configured rate, rounded up.
    pub(crate) fn in_usdc(&self, lamports: u64) -> Usdc {
        const LAMPORTS_PER_SOL: u128 = 1_000_000_000;
        let rate = u128::from(self.config.usdc_per_sol.atomic());
        let atomic = u128::from(lamports).saturating_mul(rate).div_ceil(LAMPORTS_PER_SOL);
        u64::try_from(atomic).ok().and_then(Usdc::from_atomic).unwrap_or(Usdc::MAX)
    }
}

impl Chain for SolanaChain {
    fn info(&self) -> &ChainInfo {
        &self.info
    }

    fn signers(&self) -> Vec<String> {
        vec![self.limits.fee_payer.to_string()]
    }

    fn said(&self, payload: &Value) -> SaidTerms {
        self.said_terms(payload)
    }

    fn takes_memo(&self) -> bool {
        true
    }

    fn offer_hints(&self) -> BoxFuture<'_, Extra> {
        Box::pin(self.hints.get(&self.node))
    }

    fn identify(&self, requirements: &PaymentRequirements, payload: &Value) -> Result<Identified, Refusal> {
        Ok(self.identified(requirements, self.check(requirements, payload)?))
    }

    fn verify<'a>(
        &'a self,
        requirements: &'a PaymentRequirements,
        payload: &'a Value,
        _now: u64,
    ) -> BoxFuture<'a, Result<Result<Identified, Refusal>, ChainError>> {
        Box::pin(self.verify_payment(requirements, payload))
    }

    fn turn(&self) -> BoxFuture<'_, Result<Box<dyn Turn>, ChainError>> {
        let turn: Box<dyn Turn> = Box::new(NoTurn);
        Box::pin(std::future::ready(Ok(turn)))
    }

    fn prepare<'a>(
        &'a self,
        payment: &'a Payment,
        _turn: &'a dyn Turn,
    ) -> BoxFuture<'a, Result<Attempt, ChainError>> {
        Box::pin(self.prepare_attempt(payment))
    }

    fn broadcast<'a>(&'a self, attempt: &'a Attempt) -> BoxFuture<'a, Result<(), ChainError>> {
        Box::pin(self.broadcast_attempt(attempt))
    }

    fn observe<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, Result<Observation, ChainError>> {
        Box::pin(self.observe_payment(payment))
    }

    fn outgoing_gas<'a>(&'a self, to: &'a str) -> BoxFuture<'a, Result<Usdc, ChainError>> {
        Box::pin(self.transfer_cost(to))
    }

    fn prepare_outgoing<'a>(
        &'a self,
        outgoing: &'a Outgoing,
        _turn: &'a dyn Turn,
    ) -> BoxFuture<'a, Result<Attempt, ChainError>> {
        Box::pin(self.prepare_transfer(outgoing))
    }

    fn observe_outgoing<'a>(&'a self, outgoing: &'a Outgoing) -> BoxFuture<'a, Result<Delivery, ChainError>> {
        Box::pin(self.observe_transfer(outgoing))
    }

    fn custody(&self) -> BoxFuture<'_, Result<Usdc, ChainError>> {
        Box::pin(self.held())
    }

    fn purses(&self) -> BoxFuture<'_, Result<Vec<tollwire_settlement::Purse>, ChainError>> {
        Box::pin(self.purse_now())
    }

    fn final_block(&self) -> BoxFuture<'_, Result<Option<u64>, ChainError>> {
        Box::pin(async move { Ok(Some(self.node.head(Level::Finalized).await?.slot)) })
    }

    fn firmness<'a>(
        &'a self,
        payment: &'a Payment,
        landing: &'a Landing,
    ) -> BoxFuture<'a, Result<Firmness, ChainError>> {
        Box::pin(self.firmness_of(payment, landing))
    }

    fn block_time<'a>(&'a self, landing: &'a Landing) -> BoxFuture<'a, Result<Option<u64>, ChainError>> {
        Box::pin(self.node.block_time(landing.block))
    }
}

impl std::fmt::Debug for SolanaChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SolanaChain")
            .field("info", &self.info)
            .field("fee_payer", &self.limits.fee_payer)
            .finish_non_exhaustive()
    }
}
