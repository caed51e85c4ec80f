//! What is still to be asked of a cluster, where, and what an answer means for that.

use crate::map::{Map, Place, sent_on};
use crate::redis::{Arg, Cmd, Pipeline, ServerErrorKind, Value};
use crate::{reply, slot};
use std::collections::{BTreeMap, BTreeSet};
use tollwire_ledger::Error;

/// Commands that are on their way.
pub(crate) struct Route {
    left: Vec<Item>,
    answers: Vec<Value>,
}

/// A command and where it belongs.
#[derive(Clone)]
pub(crate) struct Item {
    pub(crate) command: Cmd,
    /// Which of the answers it gives; `None` for the epoch of its slot.
    answer: Option<usize>,
    slot: u16,
    /// Whether it has a key, so that a server which has not its slot refuses it.
    has_key: bool,
    /// Where its keys are for now, although the slot is still another's.
    pub(crate) asks: Option<Place>,
}

/// What is to be done about a command that was not answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// Its slot is there now.
    Moved(u16, Place),
    /// Its keys are there already; the slot follows.
    Asks(Place),
    /// Later, by the map as it is.
    Later,
    /// Later, and by a new map.
    Down,
}

impl Route {
    /// Commands of a request. A command without a key goes where the next one with a key goes, and the last of them to
    /// `home`; `epochs` are the questions for the epoch of a slot, asked before anything else of it.
    pub(crate) fn of(commands: &Pipeline, home: u16, epochs: impl Fn(u16) -> Option<Cmd>) -> Self {
        let commands: Vec<&Cmd> = commands.cmd_iter().collect();
        let mut slots = Vec::with_capacity(commands.len());
        let mut next = home;
        for command in commands.iter().rev() {
            let key = key_of(command);
            next = key.map_or(next, slot::of);
            slots.push((next, key.is_some()));
        }
        let mut left = Vec::with_capacity(commands.len().saturating_mul(2));
        let mut met = BTreeSet::new();
        for (answer, (command, (slot, has_key))) in commands.iter().zip(slots.into_iter().rev()).enumerate() {
            if met.insert(slot) {
                let epoch = epochs(slot);
                left.extend(epoch.map(|command| Item {
                    command,
                    answer: None,
                    slot,
                    has_key: true,
                    asks: None,
                }));
            }
            left.push(Item { command: (*command).clone(), answer: Some(answer), slot, has_key, asks: None });
        }
        Self { left, answers: vec![Value::Nil; commands.len()] }
    }

    /// Takes what is left, by whom it is asked of; what nobody has stays.
    pub(crate) fn parties(&mut self, map: &Map) -> BTreeMap<Place, Vec<Item>> {
        let mut parties = BTreeMap::<Place, Vec<Item>>::new();
        for item in std::mem::take(&mut self.left) {
            match item.asks.as_ref().or_else(|| map.owner(item.slot)).cloned() {
                Some(place) => parties.entry(place).or_default().push(item),
                None => self.left.push(item),
            }
        }
        parties
    }

    /// Asks a command again.
    pub(crate) fn again(&mut self, item: Item, at: Option<Place>) {
        self.left.push(Item { asks: at, ..item });
    }

    /// Keeps an answer. [`Error::Lost`] if it is the epoch of a slot and not `epoch`.
    pub(crate) fn keep(&mut self, item: &Item, answer: Value, epoch: Option<&str>) -> Result<(), Error> {
        let Some(place) = item.answer else {
            let found: Option<String> = reply::read(answer, "epoch")?;
            return if found.as_deref() == epoch { Ok(()) } else { Err(Error::Lost) };
        };
        if let Some(kept) = self.answers.get_mut(place) {
            *kept = answer;
        }
        Ok(())
    }

    pub(crate) fn is_done(&self) -> bool {
        self.left.is_empty()
    }

    /// The answers, in the order of the commands.
    pub(crate) fn answers(self) -> Vec<Value> {
        self.answers
    }
}

/// The answers of the server at `asked`, each with its command and what it says about asking again. A command without a key is
/// answered by whoever is asked: if the server has not its slot any more, as the slot's epoch beside it tells, it is
/// asked again too.
pub(crate) fn judged(
    items: Vec<Item>,
    answers: Vec<Value>,
    asked: &Place,
) -> Vec<(Item, Value, Option<Again>)> {
    let mut judged: Vec<_> = items
        .into_iter()
        .zip(answers)
        .map(|(item, answer)| {
            let again = again(&answer, asked);
            (item, answer, again)
        })
        .collect();
    let left = judged.iter().filter(|(.., again)| matches!(again, Some(Again::Moved(..))));
    let left: BTreeSet<u16> = left.map(|(item, ..)| item.slot).collect();
    for (item, _, again) in &mut judged {
        if !item.has_key && left.contains(&item.slot) {
            *again = Some(Again::Later);
        }
    }
    judged
}

/// What an answer of the server at `asked` says about asking again.
fn again(answer: &Value, asked: &Place) -> Option<Again> {
    let Value::ServerError(error) = answer else { return None };
    let sent_on = || sent_on(error.details().unwrap_or_default(), asked);
    match error.kind()? {
        ServerErrorKind::Moved => Some(sent_on().map_or(Again::Down, |(slot, to)| Again::Moved(slot, to))),
        ServerErrorKind::Ask => Some(sent_on().map_or(Again::Later, |(_, to)| Again::Asks(to))),
        // Some keys of the command are here, and some where the slot goes.
        ServerErrorKind::TryAgain => Some(Again::Later),
        ServerErrorKind::ClusterDown | ServerErrorKind::MasterDown | ServerErrorKind::BusyLoading => {
            Some(Again::Down)
        }
        _ => None,
    }
}

/// The first key of a command; all others of it are in the same slot.
fn key_of(command: &Cmd) -> Option<&[u8]> {
    let argument = |place: usize| match command.args_iter().nth(place) {
        Some(Arg::Simple(argument)) => Some(argument),
        _ => None,
    };
    match argument(0)? {
        b"EVALSHA" => argument(2).filter(|count| *count != b"0").and_then(|_| argument(3)),
        b"TIME" | b"SCAN" | b"INFO" | b"CLUSTER" => None,
        _ => argument(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::cmd;

    fn map() -> Map {
        let owners = (0..slot::SLOTS).map(|slot| {
            Value::Array(vec![
                Value::Int(slot.into()),
                Value::Int(slot.into()),
                Value::Array(vec![
                    Value::BulkString(b"h".to_vec()),
                    // Even slots here, odd ones there; one is nobody's.
                    Value::Int(i64::from(slot % 2)),
                ]),
            ])
        });
        let owners: Vec<Value> = owners.filter(|range| *range != nobodys()).collect();
        Map::read(Value::Array(owners), &at(9)).unwrap()
    }

    fn nobodys() -> Value {
        let slot = i64::from(slot::of(b"nobody"));
        let owner = Value::Array(vec![Value::BulkString(b"h".to_vec()), Value::Int(slot % 2)]);
        Value::Array(vec![Value::Int(slot), Value::Int(slot), owner])
    }

    fn at(port: u16) -> Place {
        Place { host: "h".into(), port }
    }

    fn here(slot: u16) -> String {
        format!("k:{{{}}}", slot::tag(slot))
    }

    #[test]
    fn a_key_is_found_where_each_command_has_it() {
        let mut script = cmd("EVALSHA");
        script.arg("sha").arg(2).arg("first").arg("second");
        assert_eq!(key_of(&script), Some(&b"first"[..]));
        let mut script = cmd("EVALSHA");
        script.arg("sha").arg(0).arg("no key");
        assert_eq!(key_of(&script), None);
        assert_eq!(key_of(cmd("ZADD").arg("index").arg(0)), Some(&b"index"[..]));
        assert_eq!(key_of(&cmd("TIME")), None);
    }

    #[test]
    fn commands_go_where_their_keys_are_in_their_order_after_the_epoch() {
        let mut commands = Pipeline::new();
        commands.cmd("TIME").cmd("GET").arg(here(2)).cmd("GET").arg(here(1)).cmd("TTL").arg(here(2));
        commands.cmd("GET").arg("nobody").cmd("TIME");
        let epoch = |slot: u16| Some(cmd("GET").arg(format!("epoch {slot}")).clone());
        let mut route = Route::of(&commands, 4, epoch);
        let parties = route.parties(&map());
        let names = |place: u16| -> Vec<String> {
            let packed = parties[&at(place)].iter().map(|item| item.command.get_packed_command());
            packed
                .map(|packed| String::from_utf8(packed).unwrap().split("\r\n").collect::<Vec<_>>().join(" "))
                .collect()
        };
        let even = names(0);
        assert_eq!(even.len(), 6, "{even:?}");
        assert!(even[0].contains("epoch 2") && even[1].contains("TIME") && even[2].contains("GET"));
        assert!(even[3].contains("TTL") && even[4].contains("epoch 4") && even[5].contains("TIME"));
        assert_eq!(names(1).len(), 2);
        assert!(!route.is_done(), "nobody has one");

        for (number, item) in parties.into_values().flatten().enumerate() {
            let answer = Value::Int(i64::try_from(number).unwrap());
            assert_eq!(route.keep(&item, answer, Some("e")).is_ok(), item.answer.is_some());
        }
        let epoch = Item { answer: None, ..route.left[0].clone() };
        assert_eq!(route.keep(&epoch, Value::BulkString(b"e".to_vec()), Some("e")), Ok(()));
        assert_eq!(route.keep(&epoch, Value::BulkString(b"f".to_vec()), Some("e")), Err(Error::Lost));
        assert_eq!(route.keep(&epoch, Value::Nil, Some("e")), Err(Error::Lost));
        let last = route.left.pop().unwrap();
        assert_eq!(route.keep(&last, Value::Okay, None), Ok(()));
        let numbers = [1, 2, 7, 3].map(Value::Int);
        assert_eq!(route.answers[..4], numbers);
    }

    #[test]
    fn what_is_sent_on_is_asked_there() {
        let mut commands = Pipeline::new();
        commands.cmd("GET").arg(here(2));
        let mut route = Route::of(&commands, 0, |_| None);
        let item = route.parties(&map()).remove(&at(0)).unwrap().remove(0);
        route.again(item, Some(at(7)));
        let item = route.parties(&map()).remove(&at(7)).unwrap().remove(0);
        assert_eq!(item.asks, Some(at(7)));
        route.again(item, None);
        assert!(route.parties(&map()).contains_key(&at(0)));
        assert!(route.is_done());
    }
}
