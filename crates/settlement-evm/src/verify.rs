//! Verification in the reference facilitator's order; the first failing check names the reason.
//!
//! Steps 1 to 3 and 7 to 10 need no chain (`tollwire-exact`) and come first; 4, 5, 6, 11 and 12 are here, in one request
//! to the node if nothing is wrong. It changes nothing, and what passes may still fail later: verification is advice, only
//! a transfer settles.

use crate::EvmChain;
use crate::chain::identified;
use crate::contract::{EIP1271_MAGIC, Usdc, Wallet, address, factory_call, inner_signature, is_erc6492};
use crate::multicall::{self, MULTICALL3, Part};
use crate::node::{At, Batch, Called, Question};
use crate::wallet::Way;
use alloy_sol_types::SolCall;
use serde_json::Value;
use std::sync::atomic::Ordering;
use tollwire_exact::evm::{Dialect, Payload, check_at_by};
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

/// What the chain shows of a payment's payer and of its transfer.
struct Seen {
    asset: bool,
    payer: Vec<u8>,
    trial: Called,
}

impl EvmChain {
    pub(crate) async fn verify_payment(
        &self,
        requirements: &PaymentRequirements,
        payload: &Value,
        now: u64,
    ) -> Result<Result<Identified, Refusal>, ChainError> {
        let checked = match check_at_by(&self.signers, requirements, payload, Dialect::V2, now) {
            Ok(checked) => checked,
            Err(refusal) => return self.earlier(requirements, payload, refusal.into()).await.map(Err),
        };
        let payer = checked.payer().to_string();
        let refuse = |refusal: Refusal| Ok(Err(refusal.by(payer.clone())));
        if let Err(refusal) = self.own_asset(requirements) {
            return refuse(refusal);
        }
        // A signature that the contract would refuse must be known as such before any other fault of the transfer.
        if let Err(refusal) = self.judge(&checked.payload, checked.signature_checked, true).await? {
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
            Ok(()) => {
                let own_key = self
                    .signers
                    .recover(&parsed, &self.usdc)
                    .is_ok_and(|signer| signer == parsed.authorization.from);
                self.judge(&parsed, own_key, false).await?
            }
            Err(refusal) => Err(refusal),
        };
        Ok(first.err().map_or(refusal, |first| first.by(parsed.authorization.from.to_string())))
    }

    /// Steps 4 to 6, as the contract itself judges: at an account without code its own key must have signed (`own_key`),
    /// at one with code (EIP-7702 accounts too) only what the code says counts. Then, if `transfer`, steps 11 and 12: try
    /// the transfer without sending it, and look for the reason if it fails.
    async fn judge(
        &self,
        payload: &Payload,
        own_key: bool,
        transfer: bool,
    ) -> Result<Result<(), Refusal>, ChainError> {
        let refuse = |reason, message: &str| Ok(Err(Refusal::new(reason, message)));
        let Seen { asset, payer, trial } = self.see(payload).await?;
        if !asset {
            return refuse(reason::ASSET_NOT_DEPLOYED, "there is no contract at the asset's address");
        }
        let passes = matches!(trial, Called::Returned(_));
        let valid = if !payer.is_empty() {
            self.loners.add(&payload.authorization.from);
            // The contract asks the wallet itself; where it is content, we need not ask again.
            passes || self.wallet_accepts(payload).await?
        } else if is_erc6492(&payload.signature) {
            // Only its deployment shows what the wallet would say.
            if !self.may_deploy(payload) || (transfer && !passes) {
                return self.why_not_deployed(payload).await.map(Err);
            }
            true
        } else {
            own_key
        };
        if !valid {
            return refuse(
                reason::EVM_SIGNATURE,
                "signature is not the payer's; check chain, asset, extra.name and extra.version in the signed domain",
            );
        }
        match trial {
            Called::Reverted(text) if transfer => self.diagnose(payload, &text).await.map(Err),
            Called::Returned(_) | Called::Reverted(_) => Ok(Ok(())),
        }
    }

    /// All that a sound payment needs, in one request.
    async fn see(&self, payload: &Payload) -> Result<Seen, ChainError> {
        let mut batch = Batch::default();
        let asset = (!self.asset_seen.load(Ordering::Relaxed))
            .then(|| batch.add(Question::code(address(&self.usdc.contract))));
        let payer = batch.add(Question::code(address(&payload.authorization.from)));
        let trial = self.way(payload).map(|way| batch.add(self.trial(&way)));
        let deployed = self.way_with_deployment(payload).map(|way| batch.add(self.trial(&way)));
        let mut told = self.node.ask_among_others(batch).await?;
        let damaged = || Called::Reverted("the signature's wrapper is damaged".into());
        let asset = match asset {
            Some(asset) => !told.of(asset)?.is_empty(),
            None => true,
        };
        self.asset_seen.store(asset, Ordering::Relaxed);
        let payer = told.of(payer)?;
        let trial = deployed.filter(|_| payer.is_empty()).or(trial);
        let trial = trial.map_or_else(|| Ok(damaged()), |trial| told.of(trial))?;
        Ok(Seen { asset, payer, trial })
    }

    /// What settling would do now, sent by our settlement account with the gas we would give.
    fn trial(&self, way: &Way) -> Question<Called> {
        let from = address(&self.main().address);
        Question::simulate(from, way.to, &way.input, way.gas, At::Latest)
    }

    async fn wallet_accepts(&self, payload: &Payload) -> Result<bool, ChainError> {
        let Some(signature) = inner_signature(&payload.signature) else { return Ok(false) };
        let hash = payload.authorization.digest(&self.usdc).into();
        let question = Wallet::isValidSignatureCall { hash, signature: signature.into() };
        let (wallet, from) = (address(&payload.authorization.from), address(&self.usdc.contract));
        let gas = self.config.gas_limit;
        let question = Question::simulate(from, wallet, &question.abi_encode(), gas, At::Latest);
        let answer = self.node.ask(question).await?;
        // A 32-byte word, as Solidity's decoder insists on.
        Ok(matches!(answer, Called::Returned(word) if word.len() == 32 && word.starts_with(&EIP1271_MAGIC)))
    }

    /// Why a wallet that is not there yet cannot pay.
    async fn why_not_deployed(&self, payload: &Payload) -> Result<Refusal, ChainError> {
        let Some((factory, call)) = factory_call(&payload.signature) else {
            return Ok(Refusal::new(reason::EVM_SIGNATURE, "the signature's ERC-6492 wrapper is damaged"));
        };
        if !self.may_deploy(payload) {
            let message =
                format!("the payer's wallet is not deployed, and its factory {factory} is not on our list");
            return Ok(Refusal::new(reason::EIP6492_FACTORY_NOT_ALLOWED, message));
        }
        let deploy = Part { target: factory, may_fail: false, input: call };
        let gas = self.way_with_deployment(payload).map_or(self.config.gas_limit, |way| way.gas);
        let deployment = Way { to: MULTICALL3, input: multicall::calldata(vec![deploy]), gas };
        Ok(match self.node.ask(self.trial(&deployment)).await? {
            Called::Reverted(_) => {
                Refusal::new(reason::SMART_WALLET_DEPLOYMENT_FAILED, "the wallet's deployment would fail")
            }
            Called::Returned(_) => self.diagnose(payload, "the transfer after deployment would fail").await?,
        })
    }

    async fn diagnose(&self, payload: &Payload, text: &str) -> Result<Refusal, ChainError> {
        let signed = &payload.authorization;
        let (asset, payer) = (address(&self.usdc.contract), address(&signed.from));
        let state = Usdc::authorizationStateCall { authorizer: payer, nonce: signed.nonce.into() };
        let balance = Usdc::balanceOfCall { account: payer };
        let mut batch = Batch::default();
        let used = batch.add(Question::read(asset, &state, At::Latest));
        let balance = batch.add(Question::read(asset, &balance, At::Latest));
        let mut told = self.node.ask_all(batch).await?;
        let (used, balance) = (told.of(used)?, told.of(balance)?);
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
