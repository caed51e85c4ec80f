//! The end of a metered stream: that it came for the right reason, for what was bought, and in time.

use super::Story;
use crate::failure::Failure;
use std::time::Duration;
use tollwire_client::Receipt;
use tollwire_x402::close::CloseCode;

/// How late an end may be here. The promise is 50 ms after the unit that ran out; on a busy machine the agent itself, in
/// the same process, may be late to look.
const LATE_MAX: Duration = Duration::from_millis(250);

/// How a stream ended, as its agent saw it.
pub(super) struct Ending {
    /// The text of the close frame.
    pub(super) reason: String,
    /// How long after the last unit was used up the close frame came; `None` if it came before.
    pub(super) late: Option<Duration>,
    /// The signed receipt that came before it.
    pub(super) receipt: Option<Receipt>,
}

impl Ending {
    /// Tells it, and fails if anything of it is not as it should be.
    pub(super) fn tell(&self, story: &Story, bought: u64, what: &str) -> Result<(), Failure> {
        let wrong = |what: String| Err(Failure::Demo(what));
        story.tell("facilitator", format!("CLOSE {} \"{}\"", CloseCode::Exhausted.code(), self.reason));
        if self.reason != CloseCode::Exhausted.reason() {
            return wrong("the reason is another".into());
        }
        let Some(receipt) = &self.receipt else { return wrong("no receipt came before the end".into()) };
        let claims = receipt.claims();
        let late = match self.late {
            Some(late) if late <= LATE_MAX => late,
            Some(late) => return wrong(format!("the end came {} ms late", late.as_millis())),
            None => return wrong("the end came before what was bought was used".into()),
        };
        story.tell(
            "agent",
            format!(
                "bought {bought} {what} for {}, used {} (the signed receipt says so); the end came {} ms late",
                claims.amount,
                claims.used,
                late.as_millis()
            ),
        );
        if (claims.bought, claims.used, claims.remaining) == (bought, bought, 0) {
            Ok(())
        } else {
            wrong(format!("bought {bought}, and the receipt says {claims:?}"))
        }
    }
}
