//! Opening a stream: attempts, pauses, a fresh token, another session.

use super::StreamClient;
use super::connect::{Failure, Refusal, Socket, connect};
use crate::wallet::random;
use crate::{Config, Error};
use http::StatusCode;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tollwire_x402::{StreamId, Usdc};

/// The pause after a first broken attempt; it doubles each time.
const PAUSE_FIRST: Duration = Duration::from_millis(200);

/// What to do about a refusal.
enum Step {
    /// Try the same again after a pause.
    Pause(Duration),
    /// The token may have expired: collect a fresh one.
    Refresh,
    /// No unit is left.
    Exhausted,
    GiveUp(Error),
}

/// What was tried already, so that nothing is tried for ever.
#[derive(Default)]
struct Tried {
    waited: bool,
    refreshed: bool,
}

impl StreamClient {
    /// Opens a stream, buying sessions as needed. Answers what was paid.
    pub(super) async fn connect(&mut self) -> Result<Usdc, Error> {
        let unserved_max = self.payer.config().unserved_max;
        let mut paid = Usdc::ZERO;
        loop {
            if !self.exhausted {
                if let Some(socket) = self.attempt().await? {
                    self.socket = Some(socket);
                    self.heard = Instant::now();
                    return Ok(paid);
                }
                self.exhausted = true;
            }
            if self.unserved >= unserved_max {
                return Err(Error::Unserved(self.unserved));
            }
            self.session = self.payer.buy(&self.url).await?;
            self.exhausted = false;
            self.unserved = self.unserved.saturating_add(1);
            paid = paid.checked_add(self.session.paid).unwrap_or(Usdc::MAX);
            tracing::debug!(session = %self.session.jti, paid = %self.session.paid, "bought another session");
        }
    }

    /// Opens a stream of the present session; `None` if it has no unit left.
    ///
    /// All attempts carry one stream id: if an attempt succeeded and only its answer was lost, the next re-opens
    /// the same stream without charge.
    async fn attempt(&mut self) -> Result<Option<Socket>, Error> {
        let id = new_stream_id()?;
        let mut tried = Tried::default();
        let mut pause = PAUSE_FIRST;
        let mut tries_left = self.payer.config().tries.max(1);
        loop {
            let (tls, config) = (self.payer.tls(), self.payer.config());
            tries_left = tries_left.saturating_sub(1);
            let step = match connect(tls, config, &self.session, &id).await {
                Ok(socket) => return Ok(Some(socket)),
                Err(Failure::Fatal(error)) => Step::GiveUp(error),
                Err(Failure::Broken(why)) if tries_left == 0 => Step::GiveUp(Error::Unreachable(why)),
                Err(Failure::Broken(_)) => Step::Pause(pause),
                Err(Failure::Refused(refusal)) => step(&refusal, &mut tried, tries_left, pause),
            };
            match step {
                Step::Pause(asked) => {
                    sleep(bounded(asked, config)).await;
                    pause = pause.saturating_mul(2);
                }
                Step::Refresh => self.session = self.payer.collect(&self.session.payment).await?,
                Step::Exhausted => return Ok(None),
                Step::GiveUp(error) => return Err(error),
            }
        }
    }
}

fn step(refusal: &Refusal, tried: &mut Tried, tries_left: u32, pause: Duration) -> Step {
    let refused =
        || Step::GiveUp(Error::Status { status: refusal.status.as_u16(), problem: refusal.problem.clone() });
    match refusal.status {
        // Units that other streams hold may come back: wait once rather than pay at once.
        StatusCode::FORBIDDEN if refusal.payable => match refusal.retry_after {
            Some(after) if !std::mem::replace(&mut tried.waited, true) && tries_left > 0 => {
                Step::Pause(after)
            }
            _ => Step::Exhausted,
        },
        StatusCode::FORBIDDEN if !std::mem::replace(&mut tried.refreshed, true) && tries_left > 0 => {
            Step::Refresh
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
            if tries_left > 0 =>
        {
            Step::Pause(refusal.retry_after.unwrap_or(pause))
        }
        _ => refused(),
    }
}

fn bounded(pause: Duration, config: &Config) -> Duration {
    pause.min(config.pause_max)
}

/// 128 random bits: nobody else's id, so nobody else's stream.
fn new_stream_id() -> Result<StreamId, Error> {
    Ok(hex::encode(random::<16>()?).parse()?)
}
