//! The state machine, as one table.

use crate::code::Code;
use crate::performative::Performative::{
    self, Accept, Clarify, Close, Commit, Counter, Delegate, Escalate, Inform, Observe, Propose, Query,
    Reject, Withdraw,
};
use crate::state::State::{
    self, Agreeing, Closed, Conversing, Escalated, Executing, Failed, Idle, Introduced, Invited,
};

/// Who may say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Any participant.
    Anyone,
    /// Who begins, by an invitation.
    Opener,
    /// Who invited.
    Inviter,
    /// Whoever did not.
    Invitee,
    /// Whoever can answer a proposal of somebody else's that is open.
    Answerer,
    /// Who has bound itself.
    Committer,
    /// Whoever has not.
    Counterparty,
    /// The server's operator ([`OPERATOR`](crate::OPERATOR)).
    Operator,
}

/// Where a session stands after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// Here.
    State(State),
    /// Where it stood before it was escalated.
    Before,
}

/// What may be said, where, by whom, and what comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// Where the session stands.
    pub from: State,
    /// What is said.
    pub said: Performative,
    /// Who may say it.
    pub by: By,
    /// Where the session stands then.
    pub to: To,
}

const fn row(from: State, said: Performative, by: By, to: State) -> Transition {
    Transition { from, said, by, to: To::State(to) }
}

/// All that may be said. What is not here is refused; [`State::Closed`] and [`State::Failed`] have no row. By time alone an
/// invitation fails, a commitment's deadline passes, and an escalation fails: [`Machine::at`](crate::Machine::at).
pub const TRANSITIONS: &[Transition] = &[
    row(Idle, Propose, By::Opener, Invited),
    row(Invited, Accept, By::Invitee, Introduced),
    row(Invited, Reject, By::Invitee, Failed),
    row(Invited, Counter, By::Invitee, Invited),
    row(Invited, Withdraw, By::Inviter, Closed),
    row(Invited, Close, By::Inviter, Closed),
    row(Introduced, Propose, By::Anyone, Conversing),
    row(Introduced, Query, By::Anyone, Conversing),
    row(Introduced, Inform, By::Anyone, Conversing),
    row(Introduced, Observe, By::Anyone, Conversing),
    row(Introduced, Close, By::Anyone, Closed),
    row(Introduced, Escalate, By::Anyone, Escalated),
    row(Conversing, Propose, By::Anyone, Conversing),
    row(Conversing, Counter, By::Anyone, Conversing),
    row(Conversing, Inform, By::Anyone, Conversing),
    row(Conversing, Query, By::Anyone, Conversing),
    row(Conversing, Clarify, By::Anyone, Conversing),
    row(Conversing, Observe, By::Anyone, Conversing),
    row(Conversing, Delegate, By::Anyone, Conversing),
    row(Conversing, Withdraw, By::Anyone, Conversing),
    row(Conversing, Accept, By::Answerer, Conversing),
    row(Conversing, Reject, By::Answerer, Conversing),
    row(Conversing, Commit, By::Anyone, Agreeing),
    row(Conversing, Escalate, By::Anyone, Escalated),
    row(Conversing, Close, By::Anyone, Closed),
    row(Agreeing, Accept, By::Counterparty, Executing),
    row(Agreeing, Reject, By::Anyone, Conversing),
    row(Agreeing, Counter, By::Anyone, Conversing),
    row(Agreeing, Withdraw, By::Committer, Conversing),
    row(Agreeing, Query, By::Anyone, Agreeing),
    row(Agreeing, Clarify, By::Anyone, Agreeing),
    row(Agreeing, Inform, By::Anyone, Agreeing),
    row(Agreeing, Close, By::Anyone, Closed),
    row(Agreeing, Escalate, By::Anyone, Escalated),
    row(Executing, Inform, By::Anyone, Executing),
    row(Executing, Query, By::Anyone, Executing),
    row(Executing, Clarify, By::Anyone, Executing),
    row(Executing, Observe, By::Anyone, Executing),
    row(Executing, Delegate, By::Anyone, Executing),
    row(Executing, Close, By::Anyone, Closed),
    row(Executing, Escalate, By::Anyone, Escalated),
    // A breach.
    row(Executing, Inform, By::Operator, Failed),
    row(Escalated, Inform, By::Anyone, Escalated),
    row(Escalated, Observe, By::Anyone, Escalated),
    row(Escalated, Close, By::Anyone, Closed),
    Transition { from: Escalated, said: Inform, by: By::Operator, to: To::Before },
];

/// Why something may not be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not here.
    #[error("{said} is not valid in the {state} state")]
    State {
        /// What was said.
        said: Performative,
        /// Where the session stands.
        state: State,
    },
    /// The session is over.
    #[error("the session is {0}")]
    Over(State),
    /// A session begins with an invitation.
    #[error("a session begins with a PROPOSE of type \"session-invitation\"")]
    NoInvitation,
    /// There is nothing of that kind to answer.
    #[error("there is no open proposal of another participant's that this {0} could answer")]
    NothingOpen(Performative),
    /// Not by this participant.
    #[error("{said} in the {state} state is for {}", party(*.by))]
    Party {
        /// What was said.
        said: Performative,
        /// Where the session stands.
        state: State,
        /// Who may say it.
        by: By,
    },
}

impl Refusal {
    /// Its code in frames.
    pub const fn code(&self) -> Code {
        match self {
            Self::State { .. } | Self::NoInvitation | Self::NothingOpen(_) => Code::InvalidStateTransition,
            Self::Over(_) => Code::SessionClosed,
            Self::Party { .. } => Code::ForbiddenPerformative,
        }
    }
}

const fn party(by: By) -> &'static str {
    match by {
        By::Anyone | By::Opener | By::Answerer => "participants",
        By::Inviter => "who invited",
        By::Invitee => "who was invited",
        By::Committer => "who has committed",
        By::Counterparty => "who has not committed",
        By::Operator => "the operator",
    }
}
