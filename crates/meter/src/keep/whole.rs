//! Streams sold whole: one unit lasts for `max_stream`, then the next one is taken.

use super::Notices;
use crate::Charge;
use crate::charge::Renewal;
use crate::signal::Told;
use crate::store::may_recover;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};
use tollwire_x402::close::CloseCode;

/// First and longest pause between tries to take the next unit.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Takes the next unit whenever one is used up, until there is none.
pub(super) async fn keep(charge: &mut Charge, notices: &dyn Notices) -> CloseCode {
    let signal = Arc::clone(&charge.signal);
    let mut paid_until = Instant::now();
    let mut more = charge.paid_for(charge.terms.max_stream);
    loop {
        let later = paid_until.checked_add(more);
        more = charge.terms.max_stream;
        let used_up = async {
            match later {
                Some(later) => sleep_until(later).await,
                // Longer than any clock runs.
                None => std::future::pending().await,
            }
        };
        tokio::pin!(used_up);
        loop {
            tokio::select! {
                biased;
                told = signal.told() => if let Told::Close(code) = told { return code },
                () = &mut used_up => break,
            }
        }
        paid_until = later.unwrap_or(paid_until);
        // Boxed, so that a stream does not carry the room for this all its life.
        if let Err(code) = Box::pin(next_unit(charge, notices, paid_until)).await {
            return code;
        }
    }
}

/// Takes one unit. While the store cannot be reached the stream goes on, up to its grace, and the unit is taken
/// when the store is back; a store that is not the one we knew ends the stream at once.
async fn next_unit(charge: &mut Charge, notices: &dyn Notices, due: Instant) -> Result<(), CloseCode> {
    let (mut pause, longest) = RETRY;
    loop {
        let error = match charge.renew().await {
            Ok(Some(session)) => {
                notices.balance(&session);
                return Ok(());
            }
            Ok(None) => return Ok(()),
            Err(Renewal::Over(code)) => return Err(code),
            Err(Renewal::Elsewhere) => return Err(CloseCode::Exhausted),
            Err(Renewal::Store(error)) => error,
        };
        tracing::warn!(session = %charge.session(), %error, "cannot take a stream's next unit");
        if !may_recover(&error) {
            return Err(CloseCode::Internal);
        }
        if due.elapsed() >= charge.terms.grace {
            return Err(CloseCode::TryAgainLater);
        }
        sleep(pause).await;
        pause = pause.saturating_mul(2).min(longest);
    }
}
