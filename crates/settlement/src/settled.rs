//! What a settlement came to.

use crate::Refusal;
use tollwire_ledger::model::{Fate, Payment, Session};
use tollwire_x402::reason;

/// The answer about a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "only Credited means that the money arrived"]
pub enum Settled {
    /// The money arrived and was credited.
    Credited {
        /// The payment; its fate is `Credited`.
        payment: Box<Payment>,
        /// The session it bought; none for a plain payment.
        session: Option<Box<Session>>,
        /// True only for the one caller that recorded the payment. Everybody else owes proof of possession.
        fresh: bool,
    },
    /// Not known yet. Never answer it with a new bill: the same payment, sent again, gets the final answer.
    Pending {
        /// The transaction we wait for, if one was made.
        tx: Option<String>,
    },
    /// It was not taken, or is proven never to land.
    Refused(Refusal),
    /// It was recorded for another purchase.
    Foreign,
    /// Somebody submitted it before it was presented here, and the money is in our deposit wallet. Its calldata is
    /// public, so presenting it proves nothing: whoever proves to be its payer may [claim](crate::Settler::claim) it.
    Unclaimed,
}

impl Settled {
    /// What a recorded payment's fate means for a caller.
    pub(crate) fn from_fate(payment: Box<Payment>, session: Option<Box<Session>>, fresh: bool) -> Self {
        match &payment.fate {
            // The chain took it back, and may have it again: nobody is told that it was paid meanwhile.
            Fate::Credited(landing) if payment.gone => Self::Pending { tx: Some(landing.tx.clone()) },
            Fate::Credited(_) => Self::Credited { payment, session, fresh },
            Fate::Abandoned(why) => Self::Refused(
                Refusal::new(known_reason(why), "this payment can no longer be settled; sign a new one")
                    .by(payment.intent.payer.clone()),
            ),
            Fate::Pending => Self::Pending { tx: payment.attempts.last().map(|attempt| attempt.tx.clone()) },
        }
    }
}

/// The reason a ledger remembers as text, as the constant it was.
fn known_reason(text: &str) -> &'static str {
    const LETHAL: [&str; 10] = [
        reason::EVM_VALID_BEFORE,
        reason::EVM_NONCE_ALREADY_USED,
        reason::EVM_TRANSACTION_FAILED,
        reason::EVM_TRANSFER_EVENT_MISMATCH,
        reason::EVM_INSUFFICIENT_BALANCE,
        reason::EVM_SIGNATURE,
        reason::ASSET_NOT_DEPLOYED,
        reason::INVALID_PAYLOAD,
        reason::SVM_TRANSACTION_FAILED,
        reason::SVM_TRANSFER_NOT_CONFIRMED,
    ];
    LETHAL.into_iter().find(|reason| *reason == text).unwrap_or(reason::UNEXPECTED_SETTLE_ERROR)
}
