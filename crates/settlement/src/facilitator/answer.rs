//! What is answered, in the request's dialect.

use crate::{Refusal, SettleError};
use tollwire_ledger::model::{Fate, Payment};
use tollwire_x402::facilitator::{Failure, Request, SettleResponse, VerifyResponse};
use tollwire_x402::reason;

pub(super) fn succeeded(request: &Request, payment: &Payment) -> SettleResponse {
    let transaction = match &payment.fate {
        Fate::Credited(landing) => landing.tx.clone(),
        Fate::Pending | Fate::Abandoned(_) => String::new(),
    };
    let amount = match request {
        Request::V1(..) => None,
        Request::V2(..) => Some(payment.intent.amount.atomic().to_string()),
    };
    SettleResponse {
        success: true,
        error_reason: None,
        error_message: None,
        payer: Some(payment.intent.payer.clone()),
        transaction,
        network: request.network_text().into(),
        amount,
        extensions: None,
    }
}

pub(super) fn pending(request: &Request, tx: Option<String>, payer: String) -> SettleResponse {
    let message = "sent, outcome not known yet; settle the same payload again, never a new one";
    let refusal = Refusal::new(reason::SETTLEMENT_PENDING, message).by(payer);
    SettleResponse { transaction: tx.unwrap_or_default(), ..refused(request, refusal) }
}

pub(super) fn refused(request: &Request, refusal: Refusal) -> SettleResponse {
    SettleResponse {
        success: false,
        error_reason: Some(in_dialect(request, refusal.reason).into()),
        error_message: Some(refusal.message),
        payer: refusal.payer,
        transaction: String::new(),
        network: request.network_text().into(),
        amount: None,
        extensions: None,
    }
}

pub(super) fn invalid(request: &Request, refusal: Refusal) -> VerifyResponse {
    VerifyResponse::invalid(in_dialect(request, refusal.reason), refusal.message, refusal.payer)
}

/// v1 has its own word for a wrong amount.
fn in_dialect(request: &Request, reason: &'static str) -> &'static str {
    match request {
        Request::V1(..) if reason == reason::EVM_VALUE_MISMATCH => reason::EVM_VALUE_V1,
        Request::V1(..) | Request::V2(..) => reason,
    }
}

pub(super) fn failure(error: &SettleError) -> Failure {
    Failure::Unreachable(error.to_string())
}
