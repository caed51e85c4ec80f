//! Opening a stream: attempts, pauses, a fresh token, more units, another session.

use super::StreamClient;
use super::connect::{Failure, Refusal, Socket, connect};
use super::message::Closed;
use super::turn::SAME_ID_FOR;
use crate::config::PayOn;
use crate::wallet::random;
use crate::{Config, Error};
use http::StatusCode;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tollwire_x402::close::CloseCode;
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
    /// The id is taken by a stream that is no longer ours to have.
    OtherId,
    GiveUp(Error),
}

/// What was tried already, so that nothing is tried for ever.
#[derive(Default)]
struct Tried {
    waited: bool,
    refreshed: bool,
    renamed: bool,
}

impl StreamClient {
    /// Opens a stream, paying as needed. Answers what was paid for sessions; top-ups have their own event. If the
    /// configuration forbids to pay, the stream may be closed after this.
    pub(super) async fn connect(&mut self) -> Result<Usdc, Error> {
        let mut paid = Usdc::ZERO;
        loop {
            // A top-up that is under way decides whether anything else is needed.
            if self.exhausted
                && let Some(errand) = &mut self.errand
            {
                let outcome = errand.await;
                self.errand_done(outcome);
            }
            if !self.exhausted {
                if let Some(socket) = self.attempt().await? {
                    self.opened(socket).await;
                    return Ok(paid);
                }
                self.exhausted = true;
            }
            let config = self.payer.config();
            if config.pay_on == PayOn::Never {
                let reason = "no unit is left".to_owned();
                self.end(Closed { code: CloseCode::Exhausted.code(), reason });
                return Ok(paid);
            }
            if self.unserved >= config.unserved_max {
                return Err(Error::Unserved(self.unserved));
            }
            if self.top_up().await? {
                continue;
            }
            self.session = self.payer.buy(&self.url).await?;
            self.exhausted = false;
            self.paid(self.session.paid);
            paid = paid.checked_add(self.session.paid).unwrap_or(Usdc::MAX);
            tracing::debug!(session = %self.session.jti, paid = %self.session.paid, "bought another session");
        }
    }

    async fn opened(&mut self, socket: Socket) {
        self.keys = self.payer.keys(&self.session, false).await;
        self.socket = Some(socket);
        self.lost_at = None;
        self.heard = Instant::now();
        // The answer to what was paid on the old connection will not come on this one.
        self.ask_after_pending();
    }

    /// Buys more units for the session, if that is how this stream pays on; `false` if the facilitator will not have
    /// it, so that another session must be bought.
    async fn top_up(&mut self) -> Result<bool, Error> {
        if self.payer.config().pay_on == PayOn::NewSession {
            return Ok(false);
        }
        self.pending = None;
        match self.payer.top_up(&mut self.session).await {
            Ok(done) => {
                self.topped_up(done);
                Ok(true)
            }
            // The session is gone, or this facilitator sells only whole ones.
            Err(Error::Status { status: 401 | 403 | 404 | 405 | 409 | 410, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Opens a stream of the present session; `None` if it has no unit left.
    ///
    /// All attempts carry one stream id: if an attempt succeeded and only its answer was lost, the next re-opens
    /// the same stream without charge; and so it is with a connection that was lost a moment ago.
    async fn attempt(&mut self) -> Result<Option<Socket>, Error> {
        if self.lost_at.take().is_none_or(|lost| lost.elapsed() >= SAME_ID_FOR) {
            self.id = new_stream_id()?;
        }
        let mut tried = Tried::default();
        let mut pause = PAUSE_FIRST;
        let mut tries_left = self.payer.config().tries.max(1);
        loop {
            let config = self.payer.config();
            tries_left = tries_left.saturating_sub(1);
            let step = match connect(&self.payer, &self.session, &self.id).await {
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
                Step::Refresh => self.session = self.payer.refresh(&self.session).await?,
                Step::OtherId => self.id = new_stream_id()?,
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
        StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED
            if !std::mem::replace(&mut tried.refreshed, true) && tries_left > 0 =>
        {
            Step::Refresh
        }
        StatusCode::CONFLICT if !std::mem::replace(&mut tried.renamed, true) && tries_left > 0 => {
            Step::OtherId
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
pub(super) fn new_stream_id() -> Result<StreamId, Error> {
    Ok(hex::encode(random::<16>()?).parse()?)
}
