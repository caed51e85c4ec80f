//! The control messages of a stream, as the agent takes them.

use super::{Event, Message, StreamClient};
use crate::config::PayOn;
use crate::control::{self, Envelope, Said};
use crate::offer::info;
use crate::payer::{Notice, ToppedUp};
use crate::payment::Payment;
use crate::{Error, Session};
use std::pin::Pin;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite;
use tollwire_session::ControlClaims;
use tollwire_x402::facilitator::SettleResponse;
use tollwire_x402::v2::PaymentRequired;

/// A top-up over HTTP, beside the stream.
pub(super) type Errand = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// What an errand brings: the session as it is then, and what was done.
pub(super) type Outcome = (Session, Result<ToppedUp, Error>);

/// A payment that was sent within the stream.
pub(super) struct Pending {
    id: String,
    payment: Payment,
    /// When its answer is no longer waited for.
    pub(super) deadline: Instant,
}

impl StreamClient {
    /// Takes the text that was received and what came with it. Dropped half done, it is done by the next call.
    pub(super) async fn digest(&mut self) {
        if let Some(text) = self.inbox.clone() {
            let ordinary = !self.hear(text.as_str()).await;
            self.inbox = None;
            if ordinary {
                self.served(Message::Text(text.as_str().to_owned()));
            }
        }
        while let Some(jws) = self.unverified.front() {
            let receipt = self.payer.verified(&self.session, jws).await;
            self.unverified.pop_front();
            if let Some(receipt) = receipt {
                self.keep(receipt);
            }
        }
    }

    /// Takes a text, if it is the facilitator's; an ordinary message is left to the caller.
    async fn hear(&mut self, text: &str) -> bool {
        let Some(envelope) = Envelope::read(text) else { return false };
        let Some(claims) = self.verified(&envelope).await else { return false };
        let signed_at = claims.iat;
        if !self.seen.is_new(claims) {
            return true;
        }
        match envelope.content() {
            Ok(Some(said)) => self.told(said, signed_at),
            Ok(None) => tracing::debug!("a control message of an unknown kind"),
            Err(error) => tracing::warn!(%error, "a control message cannot be read"),
        }
        true
    }

    async fn verified(&mut self, envelope: &Envelope<'_>) -> Option<ControlClaims> {
        let issuer = self.session.issuer.clone()?;
        let verify = |this: &Self| envelope.verify(&this.keys, &issuer, &this.session.jti, this.payer.now());
        let outcome = match verify(self) {
            Err(tollwire_session::Error::UnknownKey) => {
                self.keys = self.payer.keys(&self.session, true).await;
                verify(self)
            }
            outcome => outcome,
        };
        match outcome {
            Ok(claims) => Some(claims),
            Err(error) => {
                tracing::debug!(%error, "a message that looks like the facilitator's is the feed's");
                None
            }
        }
    }

    fn told(&mut self, said: Said, signed_at: u64) {
        match said {
            Said::PaymentRequired { id, bill } => self.asked_to_pay(&id, *bill, signed_at),
            Said::PaymentResponse { id, settled } => self.answered(&id, &settled),
            Said::Receipt(jws) => self.unverified.push_back(jws),
            Said::Error { code, message } => {
                tracing::warn!(code, message, "the facilitator could not read a control message");
                self.ask_after_pending();
            }
        }
    }

    fn asked_to_pay(&mut self, id: &str, bill: PaymentRequired, signed_at: u64) {
        let units = info(bill.extensions.as_ref(), "unitsRemaining").and_then(serde_json::Value::as_u64);
        if let Some(units) = units {
            self.session.units_remaining = units;
        }
        if self.pending.is_some() {
            // Perhaps the payment was refused, perhaps this is another notice: HTTP has a plain answer.
            self.ask_after_pending();
            return;
        }
        self.events.push_back(Event::Low { units });
        let config = self.payer.config();
        if config.pay_on != PayOn::InBand || self.errand.is_some() || self.exhausted {
            return;
        }
        let outcome = if self.unserved >= config.unserved_max {
            Err(Error::Unserved(self.unserved))
        } else {
            self.pay(id, Notice { bill, signed_at })
        };
        if let Err(why) = outcome {
            self.events.push_back(Event::Unpaid { why });
        }
    }

    fn pay(&mut self, id: &str, notice: Notice) -> Result<(), Error> {
        let Some(payment) = self.payer.answer(&self.session, notice, &self.id)? else { return Ok(()) };
        self.pending = Some(Pending {
            id: id.to_owned(),
            deadline: Instant::now() + self.payer.config().answer_wait,
            payment: payment.clone(),
        });
        match payment.message().and_then(|message| control::payment(id, &message)) {
            Ok(text) => self.outbox = Some(tungstenite::Message::text(text)),
            Err(error) => {
                tracing::warn!(%error, "the payment does not fit into the stream");
                self.ask_after_pending();
            }
        }
        Ok(())
    }

    /// What became of a payment of ours.
    fn answered(&mut self, id: &str, settled: &SettleResponse) {
        let Some(pending) = self.pending.take_if(|pending| pending.id == id) else { return };
        if !settled.success {
            // Pending or refused: the plain answer decides.
            self.pending = Some(pending);
            self.ask_after_pending();
            return;
        }
        let text = |name| info(settled.extensions.as_ref(), name).and_then(|value| value.as_str());
        let units = info(settled.extensions.as_ref(), "unitsRemaining").and_then(serde_json::Value::as_u64);
        if let Some(units) = units {
            self.session.units_remaining = units;
        }
        if let Some(token) = text("token") {
            self.session.renew_token(token.to_owned(), text("expiresAt").map(str::to_owned));
        }
        if let Some(deposited) = text("deposited") {
            deposited.clone_into(&mut self.session.deposited);
        }
        self.payer.credited(&self.session, &pending.payment, &self.id);
        self.paid(pending.payment.amount());
        let units = self.session.units_remaining;
        self.events.push_back(Event::ToppedUp { paid: pending.payment.amount(), units });
        if let Some(jws) = text("receipt") {
            self.unverified.push_back(jws.to_owned());
        }
    }

    /// An answer that is too late is fetched over HTTP.
    pub(super) fn look_after_pending(&mut self) {
        if self.pending.as_ref().is_some_and(|pending| pending.deadline <= Instant::now()) {
            self.ask_after_pending();
        }
    }

    /// Sends the payment under way once more, over HTTP: the same payment, so that its fate is learnt and nothing is
    /// paid twice.
    pub(super) fn ask_after_pending(&mut self) {
        if self.pending.take().is_none() || self.errand.is_some() {
            return;
        }
        self.outbox = None;
        let (payer, mut session) = (self.payer.clone(), self.session.clone());
        self.errand = Some(Box::pin(async move {
            let outcome = payer.top_up(&mut session).await;
            (session, outcome)
        }));
    }

    /// An errand has ended.
    pub(super) fn errand_done(&mut self, (session, outcome): Outcome) {
        self.errand = None;
        match outcome {
            Ok(done) if session.jti == self.session.jti => {
                self.session = session;
                self.topped_up(done);
            }
            Ok(_) => {}
            Err(why) => self.events.push_back(Event::Unpaid { why }),
        }
    }

    pub(super) fn topped_up(&mut self, ToppedUp { paid, units, receipt }: ToppedUp) {
        self.exhausted = false;
        self.paid(paid);
        self.events.push_back(Event::ToppedUp { paid, units });
        if let Some(receipt) = receipt {
            self.keep(receipt);
        }
    }
}
