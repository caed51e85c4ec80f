//! Verification in the reference facilitator's order; the first failing check names the reason.
//!
//! It changes nothing, and what passes may still fail later: verification is advice, only a transfer settles.

use crate::SolanaChain;
use crate::node::Simulated;
use serde_json::Value;
use tollwire_settlement::{ChainError, Identified, Refusal};
use tollwire_x402::reason;
use tollwire_x402::v2::PaymentRequirements;

impl SolanaChain {
    pub(crate) async fn verify_payment(
        &self,
        requirements: &PaymentRequirements,
        payload: &Value,
    ) -> Result<Result<Identified, Refusal>, ChainError> {
        let checked = match self.check(requirements, payload) {
            Ok(checked) => checked,
            Err(refusal) => return Ok(Err(refusal)),
        };
        match self.node.simulate(&checked.transaction.to_bytes()).await?.0 {
            Simulated::Passed => Ok(Ok(self.identified(requirements, checked))),
            // Not the payer's fault, and nothing is known of the payment.
            Simulated::Poor => Err(self.out_of_gas()),
            Simulated::Failed(text) => {
                let message = format!("the transfer would fail: {text}");
                let refusal = Refusal::new(reason::SVM_SIMULATION_FAILED, message);
                Ok(Err(refusal.by(checked.payer.to_string())))
            }
        }
    }

    pub(crate) fn out_of_gas(&self) -> ChainError {
        ChainError::OutOfGas(self.limits.fee_payer.to_string())
    }
}
