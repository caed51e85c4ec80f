//! How far a session was told, over all connections. Pure.

use super::Event;
use std::collections::{BTreeSet, VecDeque};
use tollwire_asp::Code;

/// What outlives a connection.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// All up to this message was told, or is this agent's own.
    last: u64,
    /// Messages of its own beyond that, by their acks.
    own: BTreeSet<u64>,
    /// What was said and has no answer, by id, in order.
    unanswered: VecDeque<(String, String)>,
}

/// What is done about an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is told.
    Tell,
    /// It was told before.
    Pass,
    /// The connection is given up: another finds out what this one cannot say.
    Again,
}

impl Progress {
    /// Behind a message that was seen before.
    pub(super) fn behind(last: u64) -> Self {
        Self { last, ..Self::default() }
    }

    /// Where the next connection goes on.
    pub(super) const fn last(&self) -> u64 {
        self.last
    }

    /// How much waits for its answer.
    pub(super) fn unanswered(&self) -> usize {
        self.unanswered.len()
    }

    /// What has to be sent again over a new connection, in order.
    pub(super) fn again(&self) -> impl Iterator<Item = String> {
        self.unanswered.iter().map(|(_, frame)| frame.clone())
    }

    /// Something is said.
    pub(super) fn says(&mut self, id: String, frame: String) {
        self.unanswered.push_back((id, frame));
    }

    /// Notes what has happened.
    pub(super) fn note(&mut self, event: &Event) -> Verdict {
        match event {
            Event::Message(message) => {
                let sequence = message.sequence;
                if sequence <= self.last {
                    return Verdict::Pass;
                }
                if self.own.remove(&sequence) {
                    self.pass(sequence);
                    return Verdict::Pass;
                }
                if sequence > self.last.saturating_add(1) {
                    // What lies between was not told, and nobody has said that it is gone.
                    return Verdict::Again;
                }
                self.pass(sequence);
            }
            Event::Truncated { first } => self.pass(first.saturating_sub(1).max(self.last)),
            Event::Acked { id, sequence } => {
                if !self.answered(id) {
                    return Verdict::Pass;
                }
                if *sequence > self.last {
                    self.own.insert(*sequence);
                    self.pass(self.last);
                }
            }
            Event::Refused { id: Some(_), code: Some(Code::InternalError), .. } => return Verdict::Again,
            Event::Refused { id: Some(id), .. } if !self.answered(id) => return Verdict::Pass,
            _ => {}
        }
        Verdict::Tell
    }

    /// All up to here was told, and what is its own right behind it.
    fn pass(&mut self, sequence: u64) {
        self.last = sequence;
        while self.own.remove(&self.last.saturating_add(1)) {
            self.last = self.last.saturating_add(1);
        }
        self.own = self.own.split_off(&self.last);
    }

    /// Whether this was what an id waited for.
    fn answered(&mut self, id: &str) -> bool {
        let before = self.unanswered.len();
        self.unanswered.retain(|(open, _)| open != id);
        self.unanswered.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollwire_asp::{Draft, Envelope, Hash, MessageId, Millis, Place, Sender, SigningKey, seal};

    fn message(sequence: u64) -> Event {
        let draft = Draft::read(r#"{"performative":"INFORM","content":{"body":{}}}"#).unwrap();
        let sender = Sender {
            agent: "agent://a".parse().unwrap(),
            org: "a".into(),
            trust: "1".parse().unwrap(),
            proof: None,
        };
        let id = "ase_a".parse().unwrap();
        let place = Place {
            session: &id,
            sequence,
            id: MessageId::new(Millis(1), [0; 10]),
            at: Millis(1),
            previous: Hash::GENESIS,
        };
        let sealed = seal(&draft, &sender, &place, &SigningKey::from_bytes(&[7; 32]));
        Event::Message(Box::new(Envelope::read(&sealed.text).unwrap()))
    }

    fn acked(id: &str, sequence: u64) -> Event {
        Event::Acked { id: id.to_owned(), sequence }
    }

    #[test]
    fn own_words_are_passed_over_and_nothing_else_is() {
        let mut progress = Progress::behind(3);
        for id in ["a", "b", "c"] {
            progress.says(id.into(), id.into());
        }
        // Its own 5 is acked before the other's 4 is told.
        assert_eq!((progress.note(&acked("a", 5)), progress.last()), (Verdict::Tell, 3));
        assert_eq!((progress.note(&message(4)), progress.last()), (Verdict::Tell, 5));
        // Another connection tells both again.
        assert_eq!(progress.note(&message(5)), Verdict::Pass);
        assert_eq!(progress.note(&message(4)), Verdict::Pass);
        // An ack that was lost: first the message comes, then the answer.
        assert_eq!((progress.note(&message(6)), progress.last()), (Verdict::Tell, 6));
        assert_eq!((progress.note(&acked("b", 6)), progress.last()), (Verdict::Tell, 6));
        assert_eq!(progress.note(&acked("b", 6)), Verdict::Pass, "once");
        // The other way round.
        assert_eq!((progress.note(&acked("c", 8)), progress.last()), (Verdict::Tell, 6));
        assert_eq!((progress.note(&message(7)), progress.last()), (Verdict::Tell, 8));
        assert_eq!(progress.note(&message(8)), Verdict::Pass);
        assert_eq!((progress.unanswered(), progress.own.len()), (0, 0));
    }

    #[test]
    fn a_gap_is_never_told() {
        let mut progress = Progress::behind(0);
        assert_eq!((progress.note(&message(2)), progress.last()), (Verdict::Again, 0));
        assert_eq!(progress.note(&Event::Truncated { first: 2 }), Verdict::Tell);
        assert_eq!((progress.note(&message(2)), progress.last()), (Verdict::Tell, 2));
    }

    #[test]
    fn what_the_broker_does_not_know_is_asked_again() {
        let mut progress = Progress::behind(0);
        progress.says("a".into(), "frame".into());
        let refused =
            |code| Event::Refused { id: Some("a".into()), code: Some(code), message: String::new() };
        assert_eq!(progress.note(&refused(Code::InternalError)), Verdict::Again);
        assert_eq!(progress.again().collect::<Vec<_>>(), ["frame"]);
        assert_eq!(progress.note(&refused(Code::SessionClosed)), Verdict::Tell);
        assert_eq!(progress.note(&refused(Code::SessionClosed)), Verdict::Pass);
        assert_eq!(progress.again().count(), 0);
    }
}
