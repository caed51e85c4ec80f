//! What a connection says: sends that have come together are said together, and answered in their order.

use super::Seated;
use crate::asp::error::Failed;
use crate::asp::record::unpack;
use crate::asp::say;
use crate::asp::speak::{Spoken, Words};
use std::sync::Arc;
use tollwire_asp::Draft;

/// Bytes of sends that are said together.
const BYTES_MAX: usize = 256 * 1024;

/// Sends that came one after the other.
#[derive(Default)]
pub(super) struct Sends {
    all: Vec<(Option<String>, Box<str>)>,
    bytes: usize,
}

impl Sends {
    /// Whether another one can be said together with them.
    pub(super) fn takes(&self, envelope: &str) -> bool {
        self.all.is_empty() || self.bytes.saturating_add(envelope.len()) <= BYTES_MAX
    }

    pub(super) fn add(&mut self, id: Option<String>, envelope: Box<str>) {
        self.bytes = self.bytes.saturating_add(envelope.len());
        self.all.push((id, envelope));
    }
}

impl Seated {
    /// Says all of these. Each is answered by itself.
    pub(super) async fn say_all(&mut self, sends: Sends) {
        if sends.all.is_empty() {
            return;
        }
        let (mut read, mut words) =
            (Vec::with_capacity(sends.all.len()), Vec::with_capacity(sends.all.len()));
        for (id, envelope) in sends.all {
            let draft = self.draft(&envelope);
            read.push((id.clone(), draft.as_ref().map(|_| ()).map_err(Failed::clone)));
            if let Ok(draft) = draft {
                let proof = draft.proof.as_deref().map_or_else(|| Arc::clone(&self.proof), Arc::from);
                words.push(Words { id, draft, bytes: envelope.len(), proof: Some(proof), only_in: None });
            }
        }
        let mut outcomes = if words.is_empty() {
            Vec::new()
        } else {
            self.inner.speak_all(&self.session, &self.room, &self.guest, words).await
        }
        .into_iter();
        for (id, read) in read {
            let outcome = match read {
                Ok(()) => outcomes.next().unwrap_or_else(|| Err(Failed::unanswered())),
                Err(failed) => Err(failed),
            };
            match outcome {
                Ok(spoken) => {
                    self.outbox.say(say::ack(&spoken.message, spoken.sequence, id.as_deref()));
                    self.follow(&spoken);
                }
                Err(failed) => self.outbox.say(say::error(&failed, id.as_deref())),
            }
        }
        // Only now: before, those of them that were not followed yet would have counted as not given.
        if self.caught_up {
            self.look();
        }
    }

    fn draft(&mut self, envelope: &str) -> Result<Draft, Failed> {
        let wait = self.sends.wait(self.inner.now());
        if !wait.is_zero() {
            return Err(Failed::limited(wait));
        }
        self.sends.take();
        Ok(Draft::read(envelope)?)
    }

    /// Passes what was just said and acked: at once if it is the next message, else when its turn comes.
    fn follow(&mut self, spoken: &Spoken) {
        if spoken.sequence <= self.cursor {
            return;
        }
        let next = self.caught_up && spoken.sequence == self.cursor.saturating_add(1);
        match spoken.packed.as_deref().and_then(unpack).filter(|_| next) {
            Some((step, text)) => {
                self.cursor = spoken.sequence;
                self.steps(step, text);
            }
            None => {
                if !spoken.again {
                    self.own.insert(spoken.sequence);
                }
            }
        }
    }
}
