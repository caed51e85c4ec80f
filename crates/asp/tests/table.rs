//! Every cell of the state table: nine states, thirteen performatives, each party; allowed or refused.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

use serde_json::{Value, json};
use tollwire_asp::{
    AgentUri, ESCALATED_MILLIS, INVITED_MILLIS, Machine, Millis, OPERATOR, Performative, Refusal, Said, State,
};

const ALPHA: &str = "agent://acme.com/procurement/alpha";
const BETA: &str = "agent://cloudprime.io/gpu/beta";
const DEADLINE: &str = "2026-03-07T15:00:00Z";

/// What alpha (who invited, made the open proposal and committed), beta and the operator may say where, and what comes of it:
/// written down apart from the table, in the order of `Performative::ALL`. `.` is an invalid transition, `!` another's to say;
/// `i`, `n`, `c`, `a`, `x`, `e`, `-`, `f` are the states invited, introduced, conversing, agreeing, executing, escalated, closed
/// and failed; `b` is the state before.
///                            PARCCWIQCODEC
const ALLOWED: [(State, [&str; 3]); 9] = [
    (State::Idle, ["i............", "i............", "!............"]),
    (State::Invited, [".!!!.-......-", ".nfi.!......!", ".!!!.!......!"]),
    (State::Introduced, ["c.....cc.c.e-", "c.....cc.c.e-", "!.....!!.!.!!"]),
    (State::Conversing, ["c..cacccccce-", "ccccacccccce-", "!..!!!!!!!!!!"]),
    (State::Agreeing, [".!cc.caaa..e-", ".xcc.!aaa..e-", ".!!!.!!!!..!!"]),
    (State::Executing, ["......xxxxxe-", "......xxxxxe-", "......f!!!!!!"]),
    (State::Escalated, ["......e..e..-", "......e..e..-", "......b..!..!"]),
    (State::Closed, ["?????????????", "?????????????", "?????????????"]),
    (State::Failed, ["?????????????", "?????????????", "?????????????"]),
];

fn agent(name: &str) -> AgentUri {
    name.parse().unwrap()
}

fn body(performative: Performative, id: &str) -> Value {
    match performative {
        Performative::Propose => {
            json!({"proposalId": id, "type": "session-invitation", "subject": "s", "terms": {}})
        }
        Performative::Counter => {
            json!({"referenceId": "p1", "counterProposalId": id, "subject": "s", "terms": {}})
        }
        Performative::Commit => json!({"commitmentId": id, "deadline": DEADLINE}),
        _ => json!({}),
    }
}

fn say(machine: &Machine, by: &str, performative: Performative, id: &str) -> Result<Machine, Refusal> {
    let body = body(performative, id);
    machine.after(&Said { by: &agent(by), performative, body: &body }, Millis(1_000))
}

/// A session in a state, in which alpha has invited, has a proposal open, and has committed.
fn session(state: State) -> Machine {
    use Performative::{Accept, Close, Commit, Escalate, Propose, Reject};
    let steps: &[(&str, Performative)] = match state {
        State::Idle => &[],
        State::Invited => &[(ALPHA, Propose)],
        State::Introduced => &[(ALPHA, Propose), (BETA, Accept)],
        State::Conversing => &[(ALPHA, Propose), (BETA, Accept), (ALPHA, Propose)],
        State::Agreeing => &[(ALPHA, Propose), (BETA, Accept), (ALPHA, Propose), (ALPHA, Commit)],
        State::Executing => {
            &[(ALPHA, Propose), (BETA, Accept), (ALPHA, Propose), (ALPHA, Commit), (BETA, Accept)]
        }
        State::Escalated => &[(ALPHA, Propose), (BETA, Accept), (ALPHA, Propose), (BETA, Escalate)],
        State::Closed => &[(ALPHA, Propose), (BETA, Accept), (ALPHA, Close)],
        State::Failed => &[(ALPHA, Propose), (BETA, Reject)],
    };
    let machine =
        steps.iter().fold(Machine::default(), |machine, (by, said)| say(&machine, by, *said, "p1").unwrap());
    assert_eq!(machine.state(), state);
    machine
}

#[test]
fn every_cell() {
    let mut cells = 0;
    for (state, parties) in ALLOWED {
        let machine = session(state);
        for (by, row) in [ALPHA, BETA, OPERATOR].into_iter().zip(parties) {
            assert_eq!(row.len(), Performative::ALL.len());
            for (performative, expected) in Performative::ALL.into_iter().zip(row.chars()) {
                let outcome = say(&machine, by, performative, "p9");
                let found = match (&outcome, expected) {
                    (Ok(next), 'b') if next.state() == State::Conversing => 'b',
                    (Ok(next), _) => letter(next.state()),
                    (Err(refusal), _) => match refusal.code().as_str() {
                        // Who has nothing to answer is told so as if it were not the time for it.
                        "invalid_state_transition" if expected == '!' => '!',
                        "invalid_state_transition" => '.',
                        "forbidden_performative" => '!',
                        "session_closed" => '?',
                        other => panic!("{other}"),
                    },
                };
                assert_eq!(found, expected, "{state}: {performative} by {by}: {outcome:?}");
                cells += 1;
            }
        }
    }
    assert_eq!(cells, 9 * 13 * 3);
}

fn letter(state: State) -> char {
    match state {
        State::Idle => '0',
        State::Invited => 'i',
        State::Introduced => 'n',
        State::Conversing => 'c',
        State::Agreeing => 'a',
        State::Executing => 'x',
        State::Escalated => 'e',
        State::Closed => '-',
        State::Failed => 'f',
    }
}

#[test]
fn the_seed_s_words() {
    let refused = say(&session(State::Introduced), ALPHA, Performative::Commit, "c").unwrap_err();
    assert_eq!(
        (refused.code().as_str(), refused.to_string().as_str()),
        ("invalid_state_transition", "COMMIT is not valid in the INTRODUCED state")
    );
}

#[test]
fn an_invitation_is_one() {
    let body = json!({"proposalId": "p", "type": "terms", "subject": "s", "terms": {}});
    let said = Said { by: &agent(ALPHA), performative: Performative::Propose, body: &body };
    assert_eq!(Machine::default().after(&said, Millis(0)), Err(Refusal::NoInvitation));
}

#[test]
fn a_counter_turns_the_invitation_round() {
    let turned = say(&session(State::Invited), BETA, Performative::Counter, "p2").unwrap();
    assert!(say(&turned, BETA, Performative::Accept, "").is_err());
    assert_eq!(say(&turned, ALPHA, Performative::Accept, "").unwrap().state(), State::Introduced);
    assert_eq!(say(&turned, BETA, Performative::Withdraw, "").unwrap().state(), State::Closed);
}

#[test]
fn proposals_are_answered_once_and_by_others() {
    let open = session(State::Conversing);
    let answer = |machine: &Machine, by: &str, id: &str| {
        let body = json!({ "referenceId": id });
        machine
            .after(&Said { by: &agent(by), performative: Performative::Accept, body: &body }, Millis(1_000))
    };
    assert!(answer(&open, BETA, "p7").is_err(), "no such proposal");
    assert!(answer(&open, ALPHA, "p1").is_err(), "one's own");
    let accepted = answer(&open, BETA, "p1").unwrap();
    assert!(answer(&accepted, BETA, "p1").is_err(), "once");
    let countered = say(&open, BETA, Performative::Counter, "p2").unwrap();
    assert!(answer(&countered, BETA, "p1").is_err(), "a counter was its answer");
    assert!(answer(&countered, ALPHA, "p2").is_ok());
    let withdrawn = say(&open, ALPHA, Performative::Withdraw, "").unwrap();
    assert!(answer(&withdrawn, BETA, "p1").is_err(), "taken back");
    let many = (0..100).fold(open, |machine, number| {
        say(&machine, ALPHA, Performative::Propose, &format!("m{number}")).unwrap()
    });
    assert!(serde_json::to_string(&many).unwrap().len() < 4_000, "their number is bounded");
}

#[test]
fn what_time_does() {
    let invited = session(State::Invited);
    let end = Millis(1_000 + INVITED_MILLIS);
    assert_eq!(invited.due(), Some(end));
    assert_eq!(invited.at(Millis(end.0 - 1)).state(), State::Invited);
    assert_eq!(invited.at(end).state(), State::Failed);
    let late = Said { by: &agent(BETA), performative: Performative::Accept, body: &json!({}) };
    assert_eq!(invited.after(&late, end), Err(Refusal::Over(State::Failed)));

    let deadline = Millis::read(DEADLINE).unwrap();
    let agreeing = session(State::Agreeing);
    assert_eq!(agreeing.at(Millis(deadline.0 - 1)).state(), State::Agreeing);
    assert_eq!(agreeing.at(deadline).state(), State::Conversing);
    assert_eq!(session(State::Executing).due(), None);

    let escalated = session(State::Escalated);
    assert_eq!(escalated.at(Millis(999 + ESCALATED_MILLIS)).state(), State::Escalated);
    assert_eq!(escalated.at(Millis(1_000 + ESCALATED_MILLIS)).state(), State::Failed);
    let during = say(&agreeing, BETA, Performative::Escalate, "").unwrap();
    let resumed = say(&during, OPERATOR, Performative::Inform, "").unwrap();
    assert_eq!((resumed.state(), resumed.due()), (State::Agreeing, Some(deadline)), "as it was before");
    for state in [State::Introduced, State::Conversing, State::Closed, State::Failed] {
        assert_eq!(session(state).due(), None, "{state}");
    }
}
