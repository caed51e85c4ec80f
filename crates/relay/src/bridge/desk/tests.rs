use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const WAITS: Waits = Waits { first: Duration::from_secs(300), next: Duration::from_secs(60) };
const DAY: u64 = 86_400;

fn at(secs: u64) -> Timestamp {
    Timestamp::from_millis(secs * 1_000)
}

fn id(number: u8) -> EventId {
    EventId::new(at(1), [number; 6], &"athena".parse().unwrap())
}

fn hand(desk: &mut Desk<u8>, number: u8, mark: Mark, now: u64) -> Handed {
    desk.hand(&id(number), (u64::from(number), mark, at(DAY)), number, at(now))
}

#[test]
fn an_event_is_given_once_and_again_only_after_a_loss() {
    let mut desk = Desk::new(WAITS);
    assert_eq!(hand(&mut desk, 1, Mark::Waiting, 0), Handed::Send { again: false });
    assert_eq!(hand(&mut desk, 1, Mark::Given, 1), Handed::Keep, "it is there");
    let mut later = Desk::new(WAITS);
    assert_eq!(hand(&mut later, 1, Mark::Given, 2), Handed::Send { again: true });
    assert_eq!(hand(&mut later, 2, Mark::Begun, 2), Handed::Keep, "the agent said that it has it");
    assert!(later.finish(&id(2)).is_some(), "and may still answer it");
}

#[test]
fn an_agent_has_300_s_for_the_first_token_and_60_s_for_each_that_follows() {
    let mut desk = Desk::new(WAITS);
    hand(&mut desk, 1, Mark::Waiting, 0);
    hand(&mut desk, 2, Mark::Waiting, 0);
    assert_eq!(desk.next_deadline(), Some(at(300)));
    assert!(desk.heard(&id(1), false, at(10)).is_some(), "an acknowledgement is no token");
    assert!(desk.overdue(at(299)).is_none());
    assert!(desk.heard(&id(2), true, at(299)).is_some());
    assert_eq!(desk.overdue(at(300)).unwrap().0, id(1));
    assert!(desk.heard(&id(1), true, at(300)).is_none(), "too late");
    assert_eq!(desk.next_deadline(), Some(at(359)));
    assert!(desk.heard(&id(2), true, at(358)).is_some());
    assert!(desk.overdue(at(417)).is_none());
    assert_eq!(desk.overdue(at(418)).unwrap().1.event, 2);
    assert_eq!(desk.next_deadline(), None);
}

#[test]
fn the_log_is_told_at_first_and_then_seldom() {
    let mut desk = Desk::new(WAITS);
    hand(&mut desk, 1, Mark::Waiting, 0);
    let mut told = Vec::new();
    for second in 1..=100 {
        if let Some((_, Some(keep))) = desk.heard(&id(1), true, at(second)) {
            told.push((second, keep.until));
        }
    }
    assert_eq!(told.first(), Some(&(1, at(1 + 60 + 15))));
    assert!(told.len() <= 8, "{told:?}");
}

#[derive(Debug, Clone)]
enum Step {
    Hand(u8),
    Heard(u8, bool),
    Finish(u8),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_u8..6).prop_map(Step::Hand),
        (0_u8..6, any::<bool>()).prop_map(|(event, token)| Step::Heard(event, token)),
        (0_u8..6).prop_map(Step::Finish),
        (0_u64..200).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Each event that was handed out ends at most once, at its time, and the log always waits at least as long as the
    /// desk for what the agent has.
    #[test]
    fn an_event_has_one_end(steps in prop::collection::vec(step(), 1..120)) {
        let mut desk = Desk::new(WAITS);
        let mut model: BTreeMap<u8, (u64, Option<Timestamp>)> = BTreeMap::new();
        let mut now = 0;
        for step in steps {
            match step {
                Step::Hand(event) => {
                    let handed = hand(&mut desk, event, Mark::Waiting, now);
                    prop_assert_eq!(handed == Handed::Keep, model.contains_key(&event));
                    model.entry(event).or_insert((now + 300, None));
                }
                Step::Heard(event, token) => {
                    let heard = desk.heard(&id(event), token, at(now));
                    prop_assert_eq!(heard.is_some(), model.contains_key(&event));
                    if let (Some((_, keep)), Some(state)) = (heard, model.get_mut(&event)) {
                        if token { state.0 = now + 60; }
                        if let Some(keep) = keep { state.1 = Some(keep.until); }
                        prop_assert!(state.1.is_some_and(|until| until >= at(state.0)), "{:?}", state);
                    }
                }
                Step::Finish(event) => {
                    prop_assert_eq!(desk.finish(&id(event)).is_some(), model.remove(&event).is_some());
                }
                Step::Wait(seconds) => {
                    now += seconds;
                    while let Some((_, open)) = desk.overdue(at(now)) {
                        let (deadline, _) = model.remove(&open.event).unwrap();
                        prop_assert!(deadline <= now);
                    }
                    prop_assert!(model.values().all(|(deadline, _)| *deadline > now));
                }
            }
            prop_assert_eq!(desk.next_deadline(), model.values().map(|(deadline, _)| at(*deadline)).min());
        }
    }
}
