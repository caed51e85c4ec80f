//! What a session at work says to its person.

use super::super::ids;
use super::super::phase::State;
use super::super::record::{Bill, Choice, Done, Money};
use super::super::say::{self, ErrorType};
use super::Work;
use tollwire_x402::close::CloseCode;

impl Work {
    pub(super) fn refuse(&self, why: &str) {
        self.say(say::error(ErrorType::InvalidMessage, why));
    }

    pub(super) fn say(&self, frame: String) {
        if let Some(socket) = &self.socket {
            socket.outbox.say(frame);
        }
    }

    pub(super) fn closed(&mut self, reason: &str) {
        if let Some(socket) = self.socket.take() {
            socket.outbox.end(Some(say::session_closed(reason)), CloseCode::SessionClosed);
        }
    }

    /// Gives the connection what it has not been given.
    pub(super) fn give(&mut self) {
        let Some(socket) = &self.socket else { return };
        let before = self.sent;
        for (number, frame) in self.record.unseen.iter().filter(|(number, _)| *number > before) {
            socket.outbox.say(frame.clone());
            self.sent = *number;
        }
        if self.sent > before {
            socket.outbox.probe(self.sent);
        }
    }

    pub(super) fn brain_says(&self, text: &str) -> String {
        let (brain, name) = (&self.inner.brain, self.inner.inside.name_of(&self.inner.brain));
        say::agent_message(text, (&ids::named(&format!("brain {brain}")), &name), self.job_id())
    }

    fn job_id(&self) -> &str {
        self.record.job.as_ref().map_or("", |job| job.id.as_str())
    }

    fn choice(&self) -> Option<&Choice> {
        self.record.job.as_ref()?.choice.as_ref()
    }

    fn bill(&self) -> Option<&Bill> {
        self.record.job.as_ref()?.bill.as_ref()
    }

    pub(super) fn paid(&self, transaction: &str, source: Option<&str>) -> Vec<String> {
        let frame = |(choice, bill): (&Choice, &Bill)| {
            say::payment_successful(choice.price, transaction, &bill.id, source)
        };
        self.choice().zip(self.bill()).map(frame).into_iter().collect()
    }

    pub(super) fn result(&self) -> Vec<String> {
        let (Some(job), Some(choice)) = (&self.record.job, self.choice()) else { return Vec::new() };
        let text = match &job.done {
            Some(Done::Output(text)) => text.clone(),
            Some(Done::Failed(why)) => match &job.money {
                Some(Money::Signed { .. } | Money::Credit) => format!(
                    "{} could not do this: {why}. Its payment is kept for your next job with it.",
                    choice.agent_name
                ),
                Some(Money::Account { .. }) => {
                    format!("{} could not do this: {why}. You were not charged.", choice.agent_name)
                }
                None => format!("{} could not do this: {why}.", choice.agent_name),
            },
            None => return Vec::new(),
        };
        vec![say::agent_message(&text, (&choice.agent_id, &choice.agent_name), &job.id)]
    }

    /// Asks for the payment that is outstanding, if one is.
    pub(super) fn ask_for_payment(&self) {
        if self.record.state != State::AwaitingPayment {
            return;
        }
        let (Some(choice), Some(bill)) = (self.choice(), self.bill()) else { return };
        let required = bill.required.as_deref().and_then(|text| serde_json::from_str(text).ok());
        self.say(say::payment_request(say::PaymentRequest {
            amount_usdc: say::dollars(choice.price),
            agent_name: &choice.agent_name,
            action: &choice.action,
            description: &choice.description,
            payment_id: &bill.id,
            expires_at: ids::time(bill.expires),
            payment_required: required,
        }));
    }
}
