//! Verification in the reference facilitator's order; the first failing check names the reason.
//!
//! Steps 1 to 3 and 7 to 10 need no chain (`tollwire-exact`); 4, 5, 6, 11 and 12 are here. It changes nothing, and
//! what passes may still fail later: verification is advice, only a transfer settles.

use crate::EvmChain;
use crate::chain::identified;
use crate::contract::{EIP1271_MAGIC, Usdc, Wallet, address, inner_signature, is_erc6492, transfer_calldata};
use crate::node::{At, Called};
use alloy_sol_types::SolCall;
use serde_json::Value;
use tollwire_exact::evm::{Dialect, Payload, check_at};
use tollwire_settlement::{ChainError, Identified, Refusal};
use tollwire_x402::reason;
use tollwire_x402::v2::PaymentRequirements;

/// Reasons of the steps that come after the payer's signature.
const AFTER_SIGNATURE: [&str; 4] = [
    reason::EVM_RECIPIENT_MISMATCH,
    reason::EVM_VALID_BEFORE,
    reason::EVM_VALID_AFTER,
    reason::EVM_VALUE_MISMATCH,
];

impl EvmChain {
    pub(crate) async fn verify_payment(
        &self,
        requirements: &PaymentRequirements,
        payload: &Value,
        now: u64,
    ) -> Result<Result<Identified, Refusal>, ChainError> {
        let checked = match check_at(requirements, payload, Dialect::V2, now) {
            Ok(checked) => checked,
            Err(refusal) => return self.earlier(requirements, payload, refusal.into()).await.map(Err),
        };
        let payer = checked.payer().to_string();
        let refuse = |refusal: Refusal| Ok(Err(refusal.by(payer.clone())));
        if let Err(refusal) = self.own_asset(requirements) {
            return refuse(refusal);
        }
        if let Err(refusal) = self.judge_signature(&checked.payload).await? {
            return refuse(refusal);
        }
        if let Err(refusal) = self.simulate_transfer(&checked.payload).await? {
            return refuse(refusal);
        }
        Ok(Ok(identified(checked)))
    }

    /// Of a payment that fails one of steps 7 to 10: the reason, unless its signature fails before.
    async fn earlier(
        &self,
        requirements: &PaymentRequirements,
        payload: &Value,
        refusal: Refusal,
    ) -> Result<Refusal, ChainError> {
        let Ok(parsed) = Payload::parse(payload) else { return Ok(refusal) };
        if !AFTER_SIGNATURE.contains(&refusal.reason) {
            return Ok(refusal);
        }
        let first = match self.own_asset(requirements) {
            Ok(()) => self.judge_signature(&parsed).await?,
            Err(refusal) => Err(refusal),
        };
        Ok(first.err().map_or(refusal, |first| first.by(parsed.authorization.from.to_string())))
    }

    /// Steps 4 to 6, as the contract itself judges: at an account without code its own key must have signed, at
    /// one with code (EIP-7702 accounts too) only what the code says counts.
    async fn judge_signature(&self, payload: &Payload) -> Result<Result<(), Refusal>, ChainError> {
        let payer = address(&payload.authorization.from);
        let (asset, code) =
            tokio::try_join!(self.node.code(address(&self.usdc.contract)), self.node.code(payer))?;
        let refuse = |reason, message: &str| Ok(Err(Refusal::new(reason, message)));
        if asset.is_empty() {
            return refuse(reason::ASSET_NOT_DEPLOYED, "there is no contract at the asset's address");
        }
        if code.is_empty() && is_erc6492(&payload.signature) {
            return refuse(
                reason::EVM_UNDEPLOYED_SMART_WALLET,
                "the payer's wallet is not deployed; deploy it, then pay",
            );
        }
        let valid = if code.is_empty() {
            payload.recover(&self.usdc).is_ok_and(|signer| signer == payload.authorization.from)
        } else {
            self.wallet_accepts(payload).await?
        };
        if valid {
            return Ok(Ok(()));
        }
        refuse(
            reason::EVM_SIGNATURE,
            "signature is not the payer's; check chain, asset, extra.name and extra.version in the signed domain",
        )
    }

    async fn wallet_accepts(&self, payload: &Payload) -> Result<bool, ChainError> {
        let Some(signature) = inner_signature(&payload.signature) else { return Ok(false) };
        let hash = payload.authorization.digest(&self.usdc).into();
        let question = Wallet::isValidSignatureCall { hash, signature: signature.into() };
        let wallet = address(&payload.authorization.from);
        let from = address(&self.usdc.contract);
        let gas = self.config.gas_limit;
        let answer = self.node.simulate(from, wallet, &question.abi_encode(), gas, At::Latest).await?;
        // A 32-byte word, as Solidity's decoder insists on.
        Ok(matches!(answer, Called::Returned(word) if word.len() == 32 && word.starts_with(&EIP1271_MAGIC)))
    }

    /// Steps 11 and 12: try the transfer without sending it, and look for the reason if it fails.
    async fn simulate_transfer(&self, payload: &Payload) -> Result<Result<(), Refusal>, ChainError> {
        match self.try_transfer(payload).await? {
            Called::Returned(_) => Ok(Ok(())),
            Called::Reverted(text) => self.diagnose(payload, &text).await.map(Err),
        }
    }

    /// What `transferWithAuthorization` would do now, sent by our settlement account with the gas we would give.
    pub(crate) async fn try_transfer(&self, payload: &Payload) -> Result<Called, ChainError> {
        let Some(calldata) = transfer_calldata(payload) else {
            return Ok(Called::Reverted("the signature's wrapper is damaged".into()));
        };
        let (from, to) = (address(&self.signer), address(&self.usdc.contract));
        self.node.simulate(from, to, &calldata, self.config.gas_limit, At::Latest).await
    }

    async fn diagnose(&self, payload: &Payload, text: &str) -> Result<Refusal, ChainError> {
        let signed = &payload.authorization;
        let (asset, payer) = (address(&self.usdc.contract), address(&signed.from));
        let state = Usdc::authorizationStateCall { authorizer: payer, nonce: signed.nonce.into() };
        let balance = Usdc::balanceOfCall { account: payer };
        let (used, balance) = tokio::try_join!(
            self.node.read(asset, &state, At::Latest),
            self.node.read(asset, &balance, At::Latest)
        )?;
        let price = signed.value.atomic();
        Ok(if used {
            Refusal::new(
                reason::EVM_NONCE_ALREADY_USED,
                "the nonce was used before; sign a new authorization",
            )
        } else if balance < alloy_primitives::U256::from(price) {
            Refusal::new(
                reason::EVM_INSUFFICIENT_BALANCE,
                format!("the payer has less than {price} atomic units"),
            )
        } else if text.contains("expired") {
            Refusal::new(reason::EVM_VALID_BEFORE, "validBefore has passed by the chain's clock")
        } else if text.contains("not yet valid") {
            Refusal::new(reason::EVM_VALID_AFTER, "validAfter lies ahead by the chain's clock")
        } else {
            Refusal::new(reason::EVM_SIMULATION_FAILED, format!("the transfer would fail: {text}"))
        })
    }
}
