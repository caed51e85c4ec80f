//! What a connection does beside reading and writing: one thing after another, so that acks, messages and states come in one
//! order. First it says who it is.

use super::error::Failed;
use super::gatekeeper::Guest;
use super::hear::Frame;
use super::inner::Inner;
use super::say;
use super::seated::Seated;
use crate::bridge::Waiting;
use crate::runtime::{Budget, Outbox};
use std::sync::Arc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tollwire_asp::{Code, SessionId};
use tollwire_x402::close::CloseCode;

/// A connection at work.
pub(crate) struct Work {
    inner: Arc<Inner>,
    session: SessionId,
    outbox: Arc<Outbox>,
    budget: Budget,
    frames: Waiting<Frame>,
    over: CancellationToken,
}

/// Who somebody is, and what they have seen.
pub(super) struct Hello {
    pub(super) guest: Guest,
    pub(super) proof: String,
    pub(super) last: Option<u64>,
    /// Whether heartbeats are answered.
    pub(super) answers: bool,
}

impl Work {
    pub(crate) fn new(
        inner: Arc<Inner>,
        session: SessionId,
        (outbox, budget): (Arc<Outbox>, Budget),
        frames: Waiting<Frame>,
        over: CancellationToken,
    ) -> Self {
        Self { inner, session, outbox, budget, frames, over }
    }

    /// Works until the connection is gone.
    pub(crate) async fn run(self) {
        let over = self.over.clone();
        over.run_until_cancelled(self.work()).await;
    }

    async fn work(mut self) {
        let first = timeout(self.inner.limits.auth_wait, self.frames.one()).await;
        let required = |why: &str| Failed::new(Code::AuthRequired, why);
        let admitted = match first {
            Ok(Some(Frame::Auth { token, proof, last })) => self.admit(&token, proof, last).await,
            Ok(Some(_)) => Err(required("the first frame is an auth")),
            Ok(None) => return,
            Err(_) => Err(required("no auth came in time")),
        };
        self.frames.done(1);
        match admitted {
            Ok(mut seated) => seated.serve(&mut self.frames).await,
            Err(failed) => {
                let code = failed.close().unwrap_or(match failed.code {
                    Code::RateLimited => CloseCode::RateLimited,
                    _ => CloseCode::Internal,
                });
                self.outbox.end(Some(say::error(&failed, None)), code);
            }
        }
        // What still comes in until the close has left is for nobody.
        while self.frames.one().await.is_some() {
            self.frames.done(1);
        }
    }

    async fn admit(&self, token: &str, proof: String, last: Option<u64>) -> Result<Seated, Failed> {
        let guest = self.inner.admit_socket(&self.session, token, &proof).await?;
        self.seat(Hello { guest, proof, last, answers: true }).await
    }

    /// Takes a seat for somebody who is known.
    pub(super) async fn seat(&self, hello: Hello) -> Result<Seated, Failed> {
        Seated::new(&self.inner, &self.session, (&self.outbox, &self.budget), hello).await
    }

    /// Serves somebody who has a seat until the connection is gone.
    pub(super) async fn serve(mut self, mut seated: Seated) {
        let over = self.over.clone();
        over.run_until_cancelled(seated.serve(&mut self.frames)).await;
    }
}

impl Inner {
    /// Who opens a session's WebSocket with this token and proof.
    pub(super) async fn admit_socket(
        &self,
        session: &SessionId,
        token: &str,
        proof: &str,
    ) -> Result<Guest, Failed> {
        let url = self.url(&format!("/v1/asp/sessions/{session}/ws"));
        self.gate.admit((token, proof), ("GET", &url), self.now()).await
    }
}
