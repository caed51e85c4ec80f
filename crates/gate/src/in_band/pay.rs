//! An agent's payment in band: the same procedure as `POST /session/top-up`, told in other words.

use super::Conversation;
use super::message::{PAYMENT, RESPONSE, Said};
use crate::error::Error;
use crate::offers::EXTENSION;
use crate::pay::Paid;
use crate::payment::Presented;
use serde_json::json;
use tollwire_x402::facilitator::SettleResponse;
use tollwire_x402::v2::{Extra, PaymentPayload};

impl Conversation {
    /// Takes a payment; the answer to it.
    pub(super) async fn pay(&self, said: Said) -> Option<String> {
        let id = said.id;
        match self.top_up(said.payment).await {
            Ok(paid) => self.say(RESPONSE, Some(&id), &settled(&paid)),
            // Never a new bill: the same payment may still land.
            Err(Error::Undecided(unpaid)) => self.say(RESPONSE, Some(&id), &unpaid.response()),
            Err(Error::Refused(unpaid)) => {
                let why = format!("{}: {}", unpaid.reason, unpaid.message);
                let session = self.gate.ledger.session(&self.session).await.ok().flatten();
                let bill = match session {
                    Some(session) => self.bill(&id, &session, &why).await,
                    None => None,
                };
                bill.or_else(|| self.complain(Some(&id), &Error::Refused(unpaid)))
            }
            Err(error) => self.complain(Some(&id), &error),
        }
    }

    async fn top_up(&self, payment: PaymentPayload) -> Result<Paid, Error> {
        let mut presented = Presented::from_v2(PAYMENT, payment)?;
        presented.proofs.key.clone_from(&self.key);
        let _pass = self.gate.pass(self.address)?;
        self.gate.top_up(&self.session, &presented).await
    }
}

/// The settlement, and what it brought.
fn settled(paid: &Paid) -> SettleResponse {
    let info = json!({
        "unitsRemaining": paid.session.remaining(),
        "deposited": paid.session.deposited.to_string(),
        "token": paid.token.expose(),
        "expiresAt": paid.token.expires_at(),
        "receipt": paid.receipt,
    });
    let extensions = Extra::from_iter([(EXTENSION.to_owned(), json!({ "info": info }))]);
    SettleResponse { extensions: Some(extensions), ..paid.settlement.clone() }
}
