//! Giving up what is under way.

use super::super::money;
use super::super::people::Holder;
use super::super::phase::{Act, Input, State};
use super::super::say::{self, ErrorType};
use super::super::steps::Outcome;
use super::super::words::REVOKED;
use super::{Lost, Work};

impl Work {
    /// The session is opened with this key from now on; whether that is another. What was left waiting by one that is not good
    /// any more is not begun.
    pub(super) async fn pass_to(&mut self, holder: &Holder) -> bool {
        if self.record.key == holder.key {
            return false;
        }
        let before =
            Holder { key: std::mem::replace(&mut self.record.key, holder.key.clone()), ..holder.clone() };
        // If that cannot be found out, it is said again by whoever may.
        let is_good = self.inner.people.is_good(&before, self.inner.now()).await.unwrap_or(false);
        if !is_good {
            for _ in std::mem::take(&mut self.record.queue) {
                self.keep(say::error(ErrorType::InternalError, REVOKED));
            }
        }
        true
    }

    pub(super) async fn cancel(&mut self) -> Result<(), Lost> {
        match self.record.state.step(Input::Cancel) {
            None => self.refuse("the session is about to be closed"),
            Some((_, Act::Finish)) => self.step_to(Input::Cancel, Vec::new()).await?,
            Some(_) => {
                if self.is_being_cleared() {
                    // The agent is done: what is due for it is taken, and what it said is told, before the end.
                    let outcome = match &mut self.step {
                        Some(step) => step.await,
                        None => Outcome::Cleared,
                    };
                    self.step = None;
                    self.conclude(outcome).await?;
                }
                self.step = None;
                self.undo().await;
                self.step_to(Input::Cancel, Vec::new()).await?;
                self.closed("Cancelled");
            }
        }
        Ok(())
    }

    fn is_being_cleared(&self) -> bool {
        let done = self.record.job.as_ref().is_some_and(|job| job.done.is_some());
        done && self.record.state == State::Working
    }

    /// Gives back what the job under way was paid with.
    pub(super) async fn undo(&mut self) {
        let Some(job) = &self.record.job else { return };
        let whose = self.whose();
        let given = match (self.record.state, &job.money) {
            // What covers it may have been taken, and not been written down.
            (State::AgentConnected | State::Working, None) => money::uncover(&self.inner, &whose, job).await,
            _ => money::give_back(&self.inner, &whose, job).await,
        };
        if let Err(error) = given {
            tracing::warn!(%error, session = self.id, "what a cancelled job was paid with is not given back yet");
        }
    }
}
