//! Money that arrived before anybody told us what it buys.
//!
//! An authorization can be submitted by whoever holds it, and somebody may do so before the payer presents it here.
//! Its nonce is used by then, but the money is in our deposit wallet: to refuse the payment would be to keep the
//! money for nothing. So it is recorded and credited like any other, once its payer claims it and if all of this holds:
//!
//! - Everything but the nonce is in order, the time included: what has run out is refused as ever.
//! - It opens a session and pays our own deposit wallet. What other servers have us settle is theirs to look after.
//! - The chain proves the transfer, and its block is newer than the store. An older one may have been granted by a
//!   store that is gone; no record of it here would be no evidence.
//!
//! Its calldata is public by then, so presenting it proves nothing, however early: whoever claims it must have proven
//! to be its payer ([`Settler::claim`]).

use super::recheck::same_identity;
use super::{Settler, VALIDITY_SLACK_SECS};
use crate::chain::LOOK_BACK_SECS;
use crate::{Chain, Observation, Refusal, SettleError};
use serde_json::Value;
use tollwire_ledger::model::{Fate, Intent, Landing, Payment};
use tollwire_x402::v2::PaymentRequirements;
use tollwire_x402::{Network, PaymentId, reason};

/// How long ago it may have landed at most, in seconds: a minute less than chains look back, so that whoever works on
/// the record finds it too.
const LANDED_WITHIN_SECS: u64 = LOOK_BACK_SECS - 60;

/// A payment that nobody recorded and that verification refused.
pub(super) struct Unrecorded<'a> {
    pub(super) chain: &'a dyn Chain,
    pub(super) requirements: &'a PaymentRequirements,
    pub(super) payload: &'a Value,
    pub(super) intent: &'a Intent,
    pub(super) id: &'a PaymentId,
}

/// What becomes of it.
pub(super) enum Adoption {
    /// It is to be recorded; the chain will show it landed.
    Adopt,
    /// It has landed by this transaction, but not deep enough to say more.
    Wait(String),
    /// The refusal stands.
    Refuse,
}

impl Settler {
    /// Whether a refused payment is one that has landed already and is nobody's yet.
    pub(super) async fn adoption(
        &self,
        unrecorded: &Unrecorded<'_>,
        refusal: &Refusal,
    ) -> Result<Adoption, SettleError> {
        let Unrecorded { chain, intent, id, .. } = unrecorded;
        if refusal.reason != reason::EVM_NONCE_ALREADY_USED || !self.may_adopt(unrecorded) {
            return Ok(Adoption::Refuse);
        }
        let now = self.shared.clock.now();
        let payment = Payment {
            intent: Intent::clone(intent),
            recorded: now,
            attempts: Vec::new(),
            fate: Fate::Pending,
            gone: false,
        };
        let landing = match chain.observe(&payment).await? {
            Observation::Landed(landing) => landing,
            Observation::Pending(Some(tx)) => return Ok(Adoption::Wait(tx)),
            Observation::Pending(None) | Observation::Dead(_) | Observation::Failed(_) => {
                return Ok(Adoption::Refuse);
            }
        };
        let recent = self.lands_in_our_time(*chain, &landing, now.secs()).await?;
        tracing::info!(payment = %id, tx = %landing.tx, adopted = recent, "payment landed before it was presented");
        Ok(if recent { Adoption::Adopt } else { Adoption::Refuse })
    }

    /// What can be said without asking the chain.
    fn may_adopt(&self, unrecorded: &Unrecorded<'_>) -> bool {
        let Unrecorded { chain, requirements, payload, intent, id } = unrecorded;
        // Verification ends at the nonce; what comes after it is checked here.
        let Ok(identified) = chain.identify(requirements, payload) else { return false };
        let allowed = requirements.max_timeout_seconds.saturating_add(VALIDITY_SLACK_SECS);
        let latest = self.shared.clock.now().secs().saturating_add(allowed);
        !intent.plain
            && same_identity(&identified, id).is_ok()
            && identified.valid_before <= latest
            && same_account(intent.network, &requirements.pay_to, &chain.info().deposit_wallet)
            && same_account(intent.network, &intent.pay_to, &chain.info().deposit_wallet)
    }

    /// Whether it landed after this store began, and not long ago.
    async fn lands_in_our_time(
        &self,
        chain: &dyn Chain,
        landing: &Landing,
        now: u64,
    ) -> Result<bool, SettleError> {
        let Some(time) = chain.block_time(landing).await? else { return Ok(false) };
        let born = self.shared.ledger.born().await?;
        Ok(time > born.secs() && time.saturating_add(LANDED_WITHIN_SECS) >= now)
    }
}

/// Whether two texts name one account. EVM addresses are the same in any case.
fn same_account(network: Network, a: &str, b: &str) -> bool {
    match network {
        Network::Eip155(_) => a.eq_ignore_ascii_case(b),
        Network::Solana(_) => a == b,
    }
}
