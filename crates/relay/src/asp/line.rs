//! Those that wait for their turn to speak in a session: whoever's turn it is speaks for all of them.

use super::chain::Outcomes;
use super::gatekeeper::Guest;
use super::speak::Words;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Messages that are said in one turn, and their bytes.
const MESSAGES_MAX: usize = 64;
const BYTES_MAX: usize = 512 * 1024;

/// The line of one session on this node.
#[derive(Debug, Default)]
pub(crate) struct Line(Mutex<VecDeque<Saying>>);

/// What one connection says.
#[derive(Debug)]
pub(super) struct Saying {
    pub(super) guest: Arc<Guest>,
    pub(super) words: Vec<Words>,
    pub(super) reply: oneshot::Sender<Outcomes>,
}

impl Line {
    fn all(&self) -> MutexGuard<'_, VecDeque<Saying>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins it; what becomes of the words.
    pub(super) fn join(&self, guest: Arc<Guest>, words: Vec<Words>) -> oneshot::Receiver<Outcomes> {
        let (reply, outcomes) = oneshot::channel();
        self.all().push_back(Saying { guest, words, reply });
        outcomes
    }

    /// Takes the first of those that still wait: at least one, and as many as one turn can take.
    pub(super) fn take(&self) -> Vec<Saying> {
        let mut all = self.all();
        let (mut taken, mut messages, mut bytes) = (Vec::new(), 0_usize, 0_usize);
        while let Some(next) = all.front() {
            messages = messages.saturating_add(next.words.len());
            bytes = next.words.iter().map(|words| words.bytes).fold(bytes, usize::saturating_add);
            if !taken.is_empty() && (messages > MESSAGES_MAX || bytes > BYTES_MAX) {
                break;
            }
            taken.extend(all.pop_front());
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asp::client::{AspCard, AspClient, SecretHash};
    use tollwire_asp::Draft;

    fn words(count: usize, bytes: usize) -> Vec<Words> {
        let draft = Draft::read(r#"{"performative":"INFORM","content":{"body":{}}}"#).unwrap();
        vec![Words { id: None, draft, bytes, proof: None, only_in: None }; count]
    }

    #[test]
    fn one_turn_takes_so_many_and_at_least_one() {
        let client = AspClient {
            secret: SecretHash::of(""),
            agent: "agent://a".parse().unwrap(),
            org: "o".into(),
            trust: "1".parse().unwrap(),
            card: AspCard::default(),
        };
        let guest = Arc::new(Guest { id: "g".into(), client, exp: 0 });
        let line = Line::default();
        for (count, bytes) in [(40, 1), (24, 1), (1, 1), (1, BYTES_MAX + 1), (1, BYTES_MAX), (1, 1)] {
            drop(line.join(Arc::clone(&guest), words(count, bytes)));
        }
        let turns: Vec<usize> = std::iter::repeat_with(|| line.take().len()).take(5).collect();
        assert_eq!(turns, [2, 1, 1, 1, 1]);
        assert!(line.take().is_empty());
    }
}
