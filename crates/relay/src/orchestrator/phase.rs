//! Where a session stands, and what may happen to it there: one table, without I/O and without time.

use serde::{Deserialize, Serialize};

/// Where a session stands. Some share the name that clients know ([`State::phase`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    /// Nobody has connected yet.
    Started,
    /// Nothing is being done.
    Connected,
    /// The brain is asked who should serve a message.
    Choosing,
    /// An agent was chosen, and is healthy.
    AgentConnected,
    /// The person is asked for a payment.
    AwaitingPayment,
    /// The payment is being made.
    Paying,
    /// The same, and the session ends with it.
    Closing,
    /// The agent is at work.
    Working,
    /// Over.
    Closed,
}

/// What happens to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// A connection is there.
    Attached,
    /// `USER_MESSAGE`, or the next one that waited.
    Message,
    /// `PAYMENT_RESPONSE`, approved.
    Approved,
    /// `PAYMENT_RESPONSE`, not approved.
    Declined,
    /// `CANCEL_SESSION`, or the same over HTTP.
    Cancel,
    /// The brain has answered by itself.
    Answered,
    /// The brain has chosen an agent, which is healthy.
    Chosen,
    /// The chosen agent is not healthy.
    Unavailable,
    /// What is to be done costs nothing.
    Free,
    /// The person has to be asked for the price.
    Asked,
    /// Auto-pay covers the price.
    Covered,
    /// No answer came in time.
    Expired,
    /// The payment is made.
    Paid,
    /// The payment cannot be made.
    Unpaid,
    /// The agent is done, well or not.
    Finished,
    /// Something went wrong here.
    Failed,
}

/// What is done about it, beside the change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Nothing else.
    Go,
    /// Begin with the message.
    Begin,
    /// Keep the message for later.
    Queue,
    /// Pay.
    Pay,
    /// Say that the payment was declined.
    Decline,
    /// Give up what is under way, give back what is held, and close.
    Close,
    /// Close once the payment is made.
    Finish,
}

/// The table: whatever stands not in it is not allowed.
pub(crate) const TABLE: &[(State, Input, State, Act)] = {
    use Act as A;
    use Input as I;
    use State as S;
    &[
        (S::Started, I::Attached, S::Connected, A::Go),
        (S::Started, I::Cancel, S::Closed, A::Close),
        (S::Connected, I::Message, S::Choosing, A::Begin),
        (S::Connected, I::Cancel, S::Closed, A::Close),
        (S::Choosing, I::Message, S::Choosing, A::Queue),
        (S::Choosing, I::Cancel, S::Closed, A::Close),
        (S::Choosing, I::Answered, S::Connected, A::Go),
        (S::Choosing, I::Chosen, S::AgentConnected, A::Go),
        (S::Choosing, I::Unavailable, S::Connected, A::Go),
        (S::Choosing, I::Failed, S::Connected, A::Go),
        (S::AgentConnected, I::Message, S::AgentConnected, A::Queue),
        (S::AgentConnected, I::Cancel, S::Closed, A::Close),
        (S::AgentConnected, I::Free, S::Working, A::Go),
        (S::AgentConnected, I::Asked, S::AwaitingPayment, A::Go),
        (S::AgentConnected, I::Covered, S::Paying, A::Pay),
        (S::AgentConnected, I::Failed, S::Connected, A::Go),
        (S::AwaitingPayment, I::Message, S::AwaitingPayment, A::Queue),
        (S::AwaitingPayment, I::Approved, S::Paying, A::Pay),
        (S::AwaitingPayment, I::Declined, S::Connected, A::Decline),
        (S::AwaitingPayment, I::Expired, S::Connected, A::Decline),
        (S::AwaitingPayment, I::Cancel, S::Closed, A::Close),
        (S::Paying, I::Message, S::Paying, A::Queue),
        (S::Paying, I::Cancel, S::Closing, A::Finish),
        (S::Paying, I::Paid, S::Working, A::Go),
        (S::Paying, I::Unpaid, S::Connected, A::Go),
        (S::Closing, I::Paid, S::Closed, A::Close),
        (S::Closing, I::Unpaid, S::Closed, A::Close),
        (S::Working, I::Message, S::Working, A::Queue),
        (S::Working, I::Cancel, S::Closed, A::Close),
        (S::Working, I::Asked, S::AwaitingPayment, A::Go),
        (S::Working, I::Covered, S::Paying, A::Pay),
        (S::Working, I::Finished, S::Connected, A::Go),
        (S::Working, I::Failed, S::Connected, A::Go),
    ]
};

impl State {
    /// What becomes of a session that stands here; `None` if it is not allowed.
    pub(crate) fn step(self, input: Input) -> Option<(Self, Act)> {
        let row = TABLE.iter().find(|(from, on, ..)| *from == self && *on == input)?;
        Some((row.2, row.3))
    }

    /// Its name on the wire.
    pub(crate) const fn phase(self) -> &'static str {
        match self {
            Self::Started => "STARTED",
            Self::Connected | Self::Choosing => "CONNECTED",
            Self::AgentConnected => "AGENT_CONNECTED",
            Self::AwaitingPayment | Self::Paying | Self::Closing => "AWAITING_PAYMENT",
            Self::Working => "WORKING",
            Self::Closed => "CLOSED",
        }
    }

    /// Whether the broker has something to do by itself.
    pub(crate) const fn is_busy(self) -> bool {
        match self {
            Self::Choosing | Self::AgentConnected | Self::Paying | Self::Closing | Self::Working => true,
            Self::Started | Self::Connected | Self::AwaitingPayment | Self::Closed => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 9] = [
        State::Started,
        State::Connected,
        State::Choosing,
        State::AgentConnected,
        State::AwaitingPayment,
        State::Paying,
        State::Closing,
        State::Working,
        State::Closed,
    ];

    const INPUTS: [Input; 16] = [
        Input::Attached,
        Input::Message,
        Input::Approved,
        Input::Declined,
        Input::Cancel,
        Input::Answered,
        Input::Chosen,
        Input::Unavailable,
        Input::Free,
        Input::Asked,
        Input::Covered,
        Input::Expired,
        Input::Paid,
        Input::Unpaid,
        Input::Finished,
        Input::Failed,
    ];

    /// The protocol's phases: a second table, written from its text. What stands not in it must be refused.
    #[allow(clippy::match_same_arms, reason = "a row each, in the order of the text")]
    fn allowed(state: State, input: Input) -> Option<State> {
        use Input as I;
        use State as S;
        Some(match (state, input) {
            (S::Started, I::Attached) => S::Connected,
            // What a person says.
            (S::Connected, I::Message) => S::Choosing,
            (S::Choosing | S::AgentConnected | S::Working | S::AwaitingPayment | S::Paying, I::Message) => {
                state
            }
            (S::AwaitingPayment, I::Approved) => S::Paying,
            (S::AwaitingPayment, I::Declined) => S::Connected,
            (S::Paying, I::Cancel) => S::Closing,
            (S::Closing | S::Closed, I::Cancel) => return None,
            (_, I::Cancel) => S::Closed,
            // What comes of it.
            (S::Choosing, I::Chosen) => S::AgentConnected,
            (S::Choosing, I::Answered | I::Unavailable | I::Failed) => S::Connected,
            (S::AgentConnected, I::Free) => S::Working,
            (S::AgentConnected | S::Working, I::Asked) => S::AwaitingPayment,
            (S::AgentConnected | S::Working, I::Covered) => S::Paying,
            (S::AgentConnected | S::Working, I::Failed) => S::Connected,
            (S::AwaitingPayment, I::Expired) => S::Connected,
            (S::Paying, I::Paid) => S::Working,
            (S::Paying, I::Unpaid) => S::Connected,
            (S::Closing, I::Paid | I::Unpaid) => S::Closed,
            (S::Working, I::Finished) => S::Connected,
            _ => return None,
        })
    }

    #[test]
    fn every_row_allowed_and_refused_is_as_the_protocol_has_it() {
        for state in STATES {
            for input in INPUTS {
                assert_eq!(state.step(input).map(|(to, _)| to), allowed(state, input), "{state:?} {input:?}");
            }
        }
    }

    #[test]
    fn no_row_stands_twice_and_nothing_leaves_the_end() {
        for (at, (state, input, ..)) in TABLE.iter().enumerate() {
            let first = TABLE.iter().position(|(other, on, ..)| other == state && on == input);
            assert_eq!(first, Some(at), "{state:?} {input:?}");
            assert_ne!(*state, State::Closed);
        }
    }

    #[test]
    fn money_is_asked_for_before_it_is_taken_and_taken_before_work_that_costs() {
        for (from, input, to, act) in TABLE {
            assert_eq!(
                *act == Act::Pay,
                *to == State::Paying && *from != State::Paying,
                "{from:?} {input:?}"
            );
            if *to == State::Working && *from != State::Working {
                assert!(matches!(input, Input::Free | Input::Paid), "{from:?} {input:?}");
            }
        }
    }

    #[test]
    fn what_is_busy_comes_to_rest() {
        for state in STATES.into_iter().filter(|state| state.is_busy()) {
            let ends = TABLE.iter().filter(|(from, _, to, _)| *from == state && *to != state);
            assert!(ends.count() > 0, "{state:?}");
        }
        assert_eq!(State::Choosing.phase(), "CONNECTED");
        assert_eq!(State::Paying.phase(), "AWAITING_PAYMENT");
    }
}
