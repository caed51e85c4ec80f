//! The call that settles a payment alone: the token's own, or, for a wallet that is not there yet (ERC-6492), its
//! deployment and the token's call together.
//!
//! A wrapped signature names a factory and what to call it with, and the payer chose both. Such a call is made only of
//! factories on the allowlist, and by Multicall3, which owns nothing, never by a settlement account itself.

use crate::EvmChain;
use crate::contract::{address, factory_call, is_erc6492, transfer_calldata};
use crate::multicall::{self, MULTICALL3, Part};
use alloy_primitives::Address;
use tollwire_exact::evm::Payload;

/// What deploying a wallet may cost on top of a settlement, in gas.
const DEPLOY_GAS: u64 = 700_000;

/// A call, and its gas limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) to: Address,
    pub(crate) input: Vec<u8>,
    pub(crate) gas: u64,
}

impl EvmChain {
    /// How a payment settles alone; `None` if its signature's wrapper is damaged.
    pub(crate) fn way(&self, payload: &Payload) -> Option<Way> {
        let (to, input) = (address(&self.usdc.contract), transfer_calldata(payload)?);
        Some(Way { to, input, gas: self.config.gas_limit })
    }

    /// How it settles if its wallet is not there yet; `None` if we would not deploy it. Where it stands already, this may
    /// burn all gas: creating a contract anew does.
    pub(crate) fn way_with_deployment(&self, payload: &Payload) -> Option<Way> {
        let (factory, call) = factory_call(&payload.signature).filter(|_| self.may_deploy(payload))?;
        let Way { to, input, gas } = self.way(payload)?;
        let deploy = Part { target: factory, may_fail: false, input: call };
        let transfer = Part { target: to, may_fail: false, input };
        let input = multicall::calldata(vec![deploy, transfer]);
        Some(Way { to: MULTICALL3, input, gas: gas.saturating_add(DEPLOY_GAS) })
    }

    /// Whether a payment names a factory that we may call.
    pub(crate) fn may_deploy(&self, payload: &Payload) -> bool {
        self.has_multicall
            && is_erc6492(&payload.signature)
            && factory_call(&payload.signature).is_some_and(|(factory, _)| self.factories.contains(&factory))
    }
}
