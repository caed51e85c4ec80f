//! What can be said of a payment without asking its chain.

use crate::{Chain, Identified, Refusal};
use serde_json::Value;
use tollwire_ledger::model::Payment;
use tollwire_x402::v2::PaymentRequirements;
use tollwire_x402::{PaymentId, reason};

/// The checks that also hold for a payment long settled: its form, its terms, its signature.
pub(super) fn recheck(
    chain: &dyn Chain,
    requirements: &PaymentRequirements,
    payload: &Value,
    id: &PaymentId,
    recorded: &Payment,
) -> Result<(), Refusal> {
    let identified = chain.identify(requirements, payload)?;
    same_identity(&identified, id)?;
    // Only the chain can check a contract wallet's signature, and only while the payment is unused. The one it
    // accepted then is on record.
    let recorded_payload = || serde_json::from_str::<Value>(&recorded.intent.payload).ok();
    if !identified.signature_checked && recorded_payload().as_ref() != Some(payload) {
        let message = "this payment was made with another signature; send the same payload again";
        return Err(Refusal::new(reason::EVM_SIGNATURE, message).by(identified.payer));
    }
    Ok(())
}

pub(super) fn same_identity(identified: &Identified, id: &PaymentId) -> Result<(), Refusal> {
    if identified.id == *id {
        return Ok(());
    }
    Err(Refusal::new(reason::INVALID_PAYLOAD, "the payload is not the payment it is presented as"))
}

pub(super) fn unserved(network: &str) -> Refusal {
    Refusal::new(reason::INVALID_NETWORK, format!("network {network} is not served here"))
}
