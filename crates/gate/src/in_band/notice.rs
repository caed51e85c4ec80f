//! What the agent is told unasked.

use super::Conversation;
use super::message::{RECEIPT, REQUIRED};
use crate::gate::random;
use crate::http::TOP_UP;
use crate::offers::Sale;
use crate::pay::check_living;
use serde_json::json;
use tollwire_ledger::model::Session;

/// Why a payment is asked for while there still are units.
const LOW: &str = "the session's balance is low; top it up to go on";

impl Conversation {
    /// The bill for more units, if the session can have more.
    pub(super) async fn ask_for_more(&self, session: &Session) -> Option<String> {
        check_living(session, self.gate.clock.now()).ok()?;
        self.bill(&fresh_id()?, session, LOW).await
    }

    /// The bill for more units, with the reason why it is shown.
    pub(super) async fn bill(&self, id: &str, session: &Session, why: &str) -> Option<String> {
        let entry = self.gate.feeds().get(&session.feed)?;
        let bill =
            self.gate.bill(&entry, Sale::TopUp(&self.session, session), TOP_UP, Some(why)).await.ok()?;
        self.say(REQUIRED, Some(id), &bill.required)
    }

    /// What the session has used, before the stream ends.
    pub(super) fn account(&self, session: &Session) -> Option<String> {
        let receipt = self.gate.receipt(&self.session, session).ok()?;
        self.say(RECEIPT, Some(&fresh_id()?), &json!({ "receipt": receipt }))
    }
}

/// A name for a message that answers nothing.
fn fresh_id() -> Option<String> {
    random::<8>().ok().map(hex::encode)
}
