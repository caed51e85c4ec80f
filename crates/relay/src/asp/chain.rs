//! Messages of one session that are said together: made one behind the other, kept in one append, and each with an outcome of its
//! own. If the head was another, all of them are made again behind that.

use super::error::Failed;
use super::gatekeeper::Guest;
use super::inner::Inner;
use super::make::{Known, Made, once_key};
use super::record::Memo;
use super::speak::{Spoken, Words};
use super::store::{Append, NewMessage, Once, Stored};
use bytes::Bytes;
use std::collections::HashSet;
use tollwire_asp::{Code, Draft, SessionId};
use tollwire_ledger::Timestamp;

/// How often messages are put behind another head before somebody is told to try again.
const ATTEMPTS_MAX: usize = 64;

/// What becomes of each.
pub(super) type Outcomes = Vec<Result<Spoken, Failed>>;

/// Messages on their way.
struct Chain<'a> {
    inner: &'a Inner,
    id: &'a SessionId,
    said: &'a [(&'a Guest, &'a Words)],
    /// `None` for those that are still on their way.
    outcomes: Vec<Option<Result<Spoken, Failed>>>,
    known: Option<Known>,
    /// Whether the head that is known was the store's own during this turn: what it refuses is refused.
    certain: bool,
    moved: usize,
}

/// What can be kept in one append, and what is refused where it would stand in it.
struct Round {
    now: Timestamp,
    made: Vec<(usize, Made)>,
    refused: Vec<(usize, Failed)>,
    /// What is known once it is kept.
    after: Known,
}

impl Inner {
    /// Puts messages into a session, in their order. Also the head that is known then.
    pub(super) async fn chain(
        &self,
        id: &SessionId,
        known: Option<Known>,
        said: &[(&Guest, &Words)],
    ) -> (Outcomes, Option<Known>) {
        let outcomes = said.iter().map(|_| None).collect();
        let mut chain = Chain { inner: self, id, said, outcomes, known, certain: false, moved: 0 };
        let ended = chain.run().await;
        let known = chain.known.filter(|_| ended.is_ok());
        // Whatever has no outcome shares what ended the turn.
        let failed =
            ended.err().unwrap_or_else(|| Failed::new(Code::InternalError, "a message was passed over"));
        let outcomes = chain.outcomes.into_iter();
        (outcomes.map(|outcome| outcome.unwrap_or_else(|| Err(failed.clone()))).collect(), known)
    }
}

impl Chain<'_> {
    async fn run(&mut self) -> Result<(), Failed> {
        while self.outcomes.iter().any(Option::is_none) {
            let known = if let Some(known) = self.known.take() {
                known
            } else {
                self.certain = true;
                Known::of(&self.inner.any_head(self.id).await?)?
            };
            let round = self.round(&known);
            if !round.made.is_empty() {
                self.keep(known, round).await?;
            } else if self.certain {
                self.known = Some(known);
                self.refuse(round.refused).await?;
            }
            // Else somebody else may have said something meanwhile: it is looked at again, behind the store's own head.
        }
        Ok(())
    }

    /// Makes what is still on its way, as far as it can be kept together.
    fn round(&self, known: &Known) -> Round {
        let now = self.inner.now();
        let mut round = Round { now, made: Vec::new(), refused: Vec::new(), after: known.clone() };
        let mut keys = HashSet::new();
        let open = self.said.iter().zip(&self.outcomes).enumerate();
        for (place, ((guest, words), _)) in open.filter(|(_, (_, outcome))| outcome.is_none()) {
            if let Some(name) = &words.id
                && !keys.insert((&guest.client.agent, name))
            {
                // The same once more: it is found when the first one is kept.
                break;
            }
            match self.inner.make(self.id, &mut round.after, (guest, words), now) {
                Ok(made) => round.made.push((place, made)),
                Err(failed) => round.refused.push((place, failed)),
            }
        }
        round
    }

    async fn keep(&mut self, known: Known, round: Round) -> Result<(), Failed> {
        let Round { now, made, refused, after } = round;
        let limits = &self.inner.limits;
        let (mut messages, mut spoken) = (Vec::with_capacity(made.len()), Vec::with_capacity(made.len()));
        for (place, Made { new, sequence, message }) in made {
            let packed = Some(new.body.clone());
            messages.push(new);
            spoken.push((place, Spoken { message, sequence, again: false, packed }));
        }
        let append = Append {
            after: (known.seq, known.hash.to_string()),
            messages,
            hash: after.hash.to_string(),
            content: after.session.to_bytes(),
            keep: limits.messages_max,
            until: now.after(limits.retention),
        };
        match self.inner.sessions.append(self.id, append, now).await? {
            Stored::Done => {
                (self.known, self.certain) = (Some(after), true);
                for (place, spoken) in spoken {
                    self.answer(place, Ok(spoken));
                }
                // They were looked at where they would have stood.
                self.refuse(refused).await?;
            }
            Stored::Moved(head) => {
                self.moved = self.moved.saturating_add(1);
                if self.moved >= ATTEMPTS_MAX {
                    return Err(Failed::new(Code::InternalError, "too many speak at once: try again"));
                }
                (self.known, self.certain) = (Some(Known::of(&head)?), true);
            }
            Stored::Duplicates(all) => {
                for (at, memo) in all {
                    let place = spoken.get(at).map(|(place, _)| *place);
                    let words = place.and_then(|place| Some((place, self.said.get(place)?.1)));
                    let Some((place, words)) = words else {
                        return Err(Failed::new(
                            Code::InternalError,
                            "the store named a message of nobody's",
                        ));
                    };
                    self.answer(place, same(&memo, &words.draft));
                }
                self.known = Some(known);
            }
            Stored::Unknown => {
                return Err(Failed::new(Code::SessionNotFound, "there is no such session any more"));
            }
        }
        Ok(())
    }

    /// Refuses what may not be said, unless it was said before: that is no mistake.
    async fn refuse(&mut self, refused: Vec<(usize, Failed)>) -> Result<(), Failed> {
        for (place, failed) in refused {
            let Some((guest, words)) = self.said.get(place) else { continue };
            let before = self.inner.said_before(self.id, guest, words).await?;
            self.answer(place, before.unwrap_or(Err(failed)));
        }
        Ok(())
    }

    fn answer(&mut self, place: usize, outcome: Result<Spoken, Failed>) {
        if let Some(open) = self.outcomes.get_mut(place) {
            *open = Some(outcome);
        }
    }
}

impl Inner {
    /// What was said before under the `id` of what may not be said now: found by an append that cannot succeed.
    async fn said_before(
        &self,
        id: &SessionId,
        guest: &Guest,
        words: &Words,
    ) -> Result<Option<Result<Spoken, Failed>>, Failed> {
        let Some(name) = &words.id else { return Ok(None) };
        let now = self.now();
        let key = once_key(&guest.client.agent, name);
        let once = Some(Once { key, until: now, memo: String::new() });
        let append = Append {
            after: (u64::MAX, String::new()),
            messages: vec![NewMessage { body: Bytes::new(), once }],
            hash: String::new(),
            content: Bytes::new(),
            keep: self.limits.messages_max,
            until: now,
        };
        match self.sessions.append(id, append, now).await? {
            Stored::Duplicates(all) => Ok(all.first().map(|(_, memo)| same(memo, &words.draft))),
            _ => Ok(None),
        }
    }
}

/// The ack of a duplicate, if it says the same.
fn same(memo: &str, draft: &Draft) -> Result<Spoken, Failed> {
    let memo: Memo = serde_json::from_str(memo)
        .map_err(|_| Failed::new(Code::InternalError, "what was said under this id cannot be read"))?;
    if memo.digest != draft.digest().to_string() {
        return Err(Failed::new(Code::IdempotencyConflict, "something else was said under this id"));
    }
    Ok(Spoken { message: memo.message, sequence: memo.sequence, again: true, packed: None })
}
