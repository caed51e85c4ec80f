//! The chain, as the settlement procedure sees it.

use crate::EvmConfig;
use crate::account::{Account, Pool, Wanted};
use crate::dispatch::Outbox;
use crate::node::{At, Node};
use crate::prepare::Loners;
use crate::sight::Sights;
use alloy_primitives::Address;
use serde_json::Value;
use std::sync::atomic::AtomicBool;
use tollwire_exact::evm::{Checked, Dialect, Domain, Signers, check_static_by};
use tollwire_ledger::model::{Attempt, Landing, Outgoing, Payment};
use tollwire_settlement::chain::{BoxFuture, Delivery, Turn};
use tollwire_settlement::{Chain, ChainError, ChainInfo, Firmness, Identified, Observation, Purse, Refusal};
use tollwire_x402::v2::PaymentRequirements;
use tollwire_x402::{Usdc, reason};

/// An EVM chain with USDC, reached through one node.
///
/// ```no_run
/// # async fn example(key: &str) -> Result<(), tollwire_settlement_evm::Error> {
/// use tollwire_settlement_evm::{EvmChain, EvmConfig};
/// use tollwire_x402::Network;
///
/// let config = EvmConfig::new(Network::BASE, "http://127.0.0.1:8545", key);
/// let chain = EvmChain::connect(config).await?;
/// # Ok(()) }
/// ```
pub struct EvmChain {
    pub(crate) info: ChainInfo,
    pub(crate) usdc: Domain,
    pub(crate) node: Node,
    pub(crate) pool: Pool,
    /// What was prepared for several payments and is not sent yet.
    pub(crate) outbox: Outbox,
    /// What several payments share, sent or not.
    pub(crate) sights: Sights,
    /// Whose payments share no transaction with others'.
    pub(crate) loners: Loners,
    pub(crate) signers: Signers,
    /// Whether the asset's contract was seen: one that is there stays (EIP-6780), so it is not asked for again.
    pub(crate) asset_seen: AtomicBool,
    /// Whether Multicall3 stands on this chain.
    pub(crate) has_multicall: bool,
    /// Whose wallets may be deployed by the way.
    pub(crate) factories: Vec<Address>,
    pub(crate) config: EvmConfig,
}

impl EvmChain {
    /// The account that deposits go to by default, and refunds come from.
    pub(crate) fn main(&self) -> &Account {
        self.pool.main()
    }

    /// What of the token is ours to check without asking anybody: its network, its contract, its EIP-712 names.
    pub(crate) fn own_asset(&self, requirements: &PaymentRequirements) -> Result<(), Refusal> {
        if requirements.known_network() != Some(self.info.network) {
            let message = format!("this chain is {}", self.info.network);
            return Err(Refusal::new(reason::INVALID_NETWORK, message));
        }
        if requirements.asset.parse() != Ok(self.usdc.contract) {
            let message = format!("asset is not USDC, {}", self.usdc.contract);
            return Err(Refusal::new(reason::INVALID_PAYMENT_REQUIREMENTS, message));
        }
        for (key, ours, reason) in [
            ("name", &self.usdc.name, reason::EVM_TOKEN_NAME_MISMATCH),
            ("version", &self.usdc.version, reason::EVM_TOKEN_VERSION_MISMATCH),
        ] {
            if requirements.extra_str(key).is_some_and(|theirs| theirs != ours) {
                return Err(Refusal::new(reason, format!("extra.{key} is not the token's; write {ours}")));
            }
        }
        Ok(())
    }
}

pub(crate) fn identified(checked: Checked) -> Identified {
    Identified {
        payer: checked.payer().to_string(),
        id: checked.id,
        amount: checked.payload.authorization.value,
        valid_before: checked.payload.authorization.valid_before,
        signature_checked: checked.signature_checked,
    }
}

impl Chain for EvmChain {
    fn info(&self) -> &ChainInfo {
        &self.info
    }

    fn signers(&self) -> Vec<String> {
        self.pool.all().iter().map(|account| account.name.clone()).collect()
    }

    fn identify(&self, requirements: &PaymentRequirements, payload: &Value) -> Result<Identified, Refusal> {
        let checked = check_static_by(&self.signers, requirements, payload, Dialect::V2)?;
        self.own_asset(requirements).map_err(|refusal| refusal.by(checked.payer().to_string()))?;
        Ok(identified(checked))
    }

    fn verify<'a>(
        &'a self,
        requirements: &'a PaymentRequirements,
        payload: &'a Value,
        now: u64,
    ) -> BoxFuture<'a, Result<Result<Identified, Refusal>, ChainError>> {
        Box::pin(self.verify_payment(requirements, payload, now))
    }

    fn turn(&self) -> BoxFuture<'_, Result<Box<dyn Turn>, ChainError>> {
        Box::pin(async move {
            let turn: Box<dyn Turn> = Box::new(self.pool.take(Wanted::Alone(0)).await?);
            Ok(turn)
        })
    }

    fn turn_for<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, Result<Box<dyn Turn>, ChainError>> {
        Box::pin(async move {
            let turn: Box<dyn Turn> = Box::new(self.turn_for_payment(payment).await?);
            Ok(turn)
        })
    }

    fn prepare<'a>(
        &'a self,
        payment: &'a Payment,
        turn: &'a dyn Turn,
    ) -> BoxFuture<'a, Result<Attempt, ChainError>> {
        Box::pin(self.prepare_attempt(payment, turn))
    }

    fn broadcast<'a>(&'a self, attempt: &'a Attempt) -> BoxFuture<'a, Result<(), ChainError>> {
        Box::pin(self.broadcast_attempt(attempt))
    }

    fn observe<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, Result<Observation, ChainError>> {
        Box::pin(self.observe_payment(payment))
    }

    fn company(&self, payment: &Payment) -> u32 {
        self.looked_at_together(payment)
            .map_or(1, |shared| u32::try_from(shared.payments).unwrap_or(u32::MAX).max(1))
    }

    fn outgoing_gas<'a>(&'a self, to: &'a str) -> BoxFuture<'a, Result<Usdc, ChainError>> {
        Box::pin(self.transfer_cost(to))
    }

    fn prepare_outgoing<'a>(
        &'a self,
        outgoing: &'a Outgoing,
        turn: &'a dyn Turn,
    ) -> BoxFuture<'a, Result<Attempt, ChainError>> {
        Box::pin(self.prepare_transfer(outgoing, turn))
    }

    fn observe_outgoing<'a>(&'a self, outgoing: &'a Outgoing) -> BoxFuture<'a, Result<Delivery, ChainError>> {
        Box::pin(self.observe_transfer(outgoing))
    }

    fn custody(&self) -> BoxFuture<'_, Result<Usdc, ChainError>> {
        Box::pin(self.wallet_balance())
    }

    fn purses(&self) -> BoxFuture<'_, Result<Vec<Purse>, ChainError>> {
        Box::pin(self.look_into_purses())
    }

    fn final_block(&self) -> BoxFuture<'_, Result<Option<u64>, ChainError>> {
        Box::pin(async move { self.newest_final().await.map(Some) })
    }

    fn firmness<'a>(
        &'a self,
        payment: &'a Payment,
        landing: &'a Landing,
    ) -> BoxFuture<'a, Result<Firmness, ChainError>> {
        Box::pin(self.firmness_of(payment, landing))
    }

    fn settle_gas(&self) -> BoxFuture<'_, Result<Usdc, ChainError>> {
        Box::pin(self.settlement_cost())
    }

    fn head(&self) -> BoxFuture<'_, Result<Option<u64>, ChainError>> {
        Box::pin(async move { Ok(Some(self.node.block(At::Latest).await?.number)) })
    }

    fn block_time<'a>(&'a self, landing: &'a Landing) -> BoxFuture<'a, Result<Option<u64>, ChainError>> {
        Box::pin(self.time_of(landing))
    }
}

impl std::fmt::Debug for EvmChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EvmChain")
            .field("info", &self.info)
            .field("signer", &self.main().name)
            .finish_non_exhaustive()
    }
}
