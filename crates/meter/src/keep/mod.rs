//! Keeping a live stream's account until it must end.

mod by_use;
mod clock;
mod lease;
mod seconds;
mod whole;

pub(crate) use clock::SecondsClock;

use crate::{Charge, Gauge};
use seconds::Seconds;
use tollwire_ledger::model::Session;
use tollwire_x402::Unit;
use tollwire_x402::close::CloseCode;

/// Who wants to know how the balance stands.
pub trait Notices: Send + Sync {
    /// The session as the ledger last showed it to this stream; its `live` is empty.
    fn balance(&self, session: &Session);
}

impl Notices for () {
    fn balance(&self, _: &Session) {}
}

impl Charge {
    /// Keeps the stream's account until it must end; returns the code to end it with.
    ///
    /// `gauge` is what the data path counts with and obeys. A stream sold by the unit `stream` is not counted: its gauge
    /// is granted nothing and asked nothing. One sold by `second` is counted by the clock: its gauge is told until when
    /// bytes may move. Run it beside the data path, and then [`settle`](Self::settle) with what was used.
    pub async fn keep<G: Gauge>(&mut self, gauge: &G, notices: &dyn Notices) -> CloseCode {
        if let Some(session) = self.opening.take() {
            notices.balance(&session);
        }
        match self.terms.unit {
            // Nothing is streamed by `usdc`: that is what accounts are held in.
            Unit::Stream | Unit::Usdc => whole::keep(self, notices).await,
            Unit::Second => {
                // Boxed, so that a stream sold whole does not carry the room for it.
                let seconds = Box::new(Seconds::new(self, gauge));
                self.clock = Some(seconds.clock());
                Box::pin(by_use::keep(self, &*seconds, notices)).await
            }
            Unit::Message | Unit::Kib => Box::pin(by_use::keep(self, gauge, notices)).await,
        }
    }
}
