//! Where a session stands, and what may be said next. A pure function of what was said, by whom and when.

use crate::INVITATION;
use crate::agent::AgentUri;
use crate::performative::Performative;
use crate::proposals::Proposals;
use crate::state::State;
use crate::table::{By, Refusal, TRANSITIONS, To, Transition};
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How long an invitation stands, in milliseconds; without an answer the session has failed.
pub const INVITED_MILLIS: u64 = 30_000;

/// How long an escalation stands, in milliseconds; then the session has failed.
pub const ESCALATED_MILLIS: u64 = 24 * 3_600_000;

/// A session's state, with what its next steps depend on.
///
/// ```
/// use tollwire_asp::{Machine, Millis, Performative, Said, State};
///
/// let (alpha, beta) = ("agent://acme.com/alpha".parse().unwrap(), "agent://cloudprime.io/beta".parse().unwrap());
/// let body = serde_json::json!({"proposalId": "p", "type": "session-invitation", "subject": "s", "terms": {}});
/// let said = Said { by: &alpha, performative: Performative::Propose, body: &body };
/// let invited = Machine::default().after(&said, Millis(0)).unwrap();
/// let said = Said { by: &beta, performative: Performative::Accept, body: &serde_json::json!({}) };
/// assert_eq!(invited.after(&said, Millis(5_000)).unwrap().state(), State::Introduced);
/// assert_eq!(invited.at(Millis(30_000)).state(), State::Failed);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Machine {
    state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inviter: Option<AgentUri>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    committer: Option<AgentUri>,
    /// When something happens by time alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due: Option<Millis>,
    /// Where it stood before it was escalated, and what was due then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<(State, Option<Millis>)>,
    #[serde(default)]
    proposals: Proposals,
}

/// Something said.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// Who says it: a participant, or the operator.
    pub by: &'a AgentUri,
    /// What is done by it.
    pub performative: Performative,
    /// Its `content.body`.
    pub body: &'a Value,
}

/// What a session was before something was said.
#[derive(Debug, Clone, Copy)]
struct Was {
    state: State,
    before: Option<(State, Option<Millis>)>,
}

impl Said<'_> {
    fn text(&self, member: &str) -> Option<&str> {
        self.body.get(member).and_then(Value::as_str)
    }
}

impl Machine {
    /// Where the session stands.
    pub const fn state(&self) -> State {
        self.state
    }

    /// When it will stand elsewhere if nobody says anything.
    pub const fn due(&self) -> Option<Millis> {
        self.due
    }

    /// Where the session stands at a time, if nobody said anything until then.
    pub fn state_at(&self, now: Millis) -> State {
        if self.due.is_some_and(|due| due <= now) { self.state.lapsed() } else { self.state }
    }

    /// The session at a time, if nobody said anything until then.
    #[must_use]
    pub fn at(&self, now: Millis) -> Self {
        let mut next = self.clone();
        next.lapse(now);
        next
    }

    /// Does what happens by time alone.
    fn lapse(&mut self, now: Millis) {
        if self.due.is_some_and(|due| due <= now) {
            if self.state == State::Agreeing {
                self.committer = None;
            }
            (self.due, self.state) = (None, self.state.lapsed());
        }
    }

    /// The session after something was said at a time, or why that may not be said.
    pub fn after(&self, said: &Said<'_>, at: Millis) -> Result<Self, Refusal> {
        let mut next = self.clone();
        next.step(said, at)?;
        Ok(next)
    }

    /// The same in place. What may not be said changes nothing but what time has changed already.
    pub fn step(&mut self, said: &Said<'_>, at: Millis) -> Result<(), Refusal> {
        self.lapse(at);
        let row = self.row(said)?;
        let was = Was { state: self.state, before: self.before };
        self.state = match row.to {
            To::State(state) => state,
            To::Before => was.before.map_or(State::Conversing, |(state, _)| state),
        };
        self.note(said, was, at);
        Ok(())
    }

    /// The row that allows it.
    fn row(&self, said: &Said<'_>) -> Result<&'static Transition, Refusal> {
        if self.state.is_over() {
            return Err(Refusal::Over(self.state));
        }
        let here =
            || TRANSITIONS.iter().filter(|row| row.from == self.state && row.said == said.performative);
        if let Some(row) = here().find(|row| self.admits(row.by, said)) {
            return Ok(row);
        }
        match here().next().map(|row| row.by) {
            None => Err(Refusal::State { said: said.performative, state: self.state }),
            Some(By::Opener) => Err(Refusal::NoInvitation),
            Some(By::Answerer) => Err(Refusal::NothingOpen(said.performative)),
            Some(by) => Err(Refusal::Party { said: said.performative, state: self.state, by }),
        }
    }

    fn admits(&self, by: By, said: &Said<'_>) -> bool {
        if said.by.is_operator() || by == By::Operator {
            return said.by.is_operator() && by == By::Operator;
        }
        let is = |who: &Option<AgentUri>| who.as_ref() == Some(said.by);
        match by {
            By::Anyone => true,
            By::Opener => said.text("type") == Some(INVITATION),
            By::Inviter => is(&self.inviter),
            By::Invitee => !is(&self.inviter),
            By::Answerer => self.proposals.answered(said.text("referenceId"), said.by).is_some(),
            By::Committer => is(&self.committer),
            By::Counterparty => !is(&self.committer),
            By::Operator => false,
        }
    }

    /// Notes what later steps depend on.
    fn note(&mut self, said: &Said<'_>, was: Was, at: Millis) {
        if said.by.is_operator() {
            self.due = was.before.and_then(|(_, due)| due).filter(|_| was.state == State::Escalated);
            self.before = None;
            return;
        }
        let by = said.by;
        match (was.state, said.performative) {
            (State::Idle, Performative::Propose) | (State::Invited, Performative::Counter) => {
                (self.inviter, self.due) = (Some(by.clone()), Some(at.after(INVITED_MILLIS)));
            }
            (_, Performative::Propose) => self.put(said.text("proposalId"), by),
            (_, Performative::Counter) => {
                self.answer(said);
                self.put(said.text("counterProposalId"), by);
            }
            (State::Conversing, Performative::Accept | Performative::Reject) => self.answer(said),
            (State::Conversing, Performative::Withdraw) => {
                self.proposals.withdraw(said.text("referenceId"), by);
            }
            (State::Conversing, Performative::Commit) => {
                self.committer = Some(by.clone());
                self.due = said.text("deadline").and_then(Millis::read);
            }
            (_, Performative::Escalate) => {
                self.before = Some((was.state, self.due));
                self.due = Some(at.after(ESCALATED_MILLIS));
            }
            _ => {}
        }
        if was.state == State::Agreeing && !matches!(self.state, State::Agreeing | State::Escalated) {
            (self.committer, self.due) = (None, None);
        }
        if was.state == State::Invited && self.state != State::Invited || self.state.is_over() {
            self.due = None;
        }
    }

    fn put(&mut self, id: Option<&str>, by: &AgentUri) {
        if let Some(id) = id {
            self.proposals.open(id, by);
        }
    }

    fn answer(&mut self, said: &Said<'_>) {
        if let Some(id) = self.proposals.answered(said.text("referenceId"), said.by).map(str::to_owned) {
            self.proposals.close(&id);
        }
    }
}
