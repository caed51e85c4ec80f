//! Which server of a cluster has which slot, as one of its servers tells.

use crate::redis::Value;
use crate::reply;
use crate::slot::SLOTS;
use std::fmt;
use tollwire_ledger::Error;

/// A server of a cluster, as the others call it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The primaries and their slots.
#[derive(Debug, Default, Clone)]
pub(crate) struct Map {
    primaries: Vec<Place>,
    /// For every slot, the position of its primary.
    owners: Vec<Option<usize>>,
}

impl Map {
    /// Reads the answer to `CLUSTER SLOTS`. A server that knows no address of its own is where it was `asked`.
    pub(crate) fn read(answer: Value, asked: &Place) -> Result<Self, Error> {
        let mut map = Self { primaries: Vec::new(), owners: vec![None; usize::from(SLOTS)] };
        let ranges: Vec<Vec<Value>> = reply::read(answer, "map of slots")?;
        for range in ranges {
            let mut range = range.into_iter();
            let mut next = || range.next().unwrap_or_default();
            let (first, last): (u16, u16) = (reply::read(next(), "slot")?, reply::read(next(), "slot")?);
            let primary: Vec<Value> = reply::read(next(), "primary")?;
            let mut primary = primary.into_iter();
            let host: Option<String> = reply::read(primary.next().unwrap_or_default(), "host")?;
            let port = reply::read(primary.next().unwrap_or_default(), "port")?;
            let host = match host {
                // A server whose name is not known yet cannot be asked.
                Some(unknown) if unknown == "?" => continue,
                Some(host) if !host.is_empty() => host,
                _ => asked.host.clone(),
            };
            for slot in first..=last.min(SLOTS.saturating_sub(1)) {
                map.give(slot, &Place { host: host.clone(), port });
            }
        }
        Ok(map)
    }

    /// From now on a slot is there.
    pub(crate) fn give(&mut self, slot: u16, to: &Place) {
        let known = self.primaries.iter().position(|primary| primary == to);
        let owner = known.unwrap_or_else(|| {
            self.primaries.push(to.clone());
            self.primaries.len().saturating_sub(1)
        });
        if let Some(slot) = self.owners.get_mut(usize::from(slot)) {
            *slot = Some(owner);
        }
    }

    /// Who has a slot.
    pub(crate) fn owner(&self, slot: u16) -> Option<&Place> {
        self.primaries.get((*self.owners.get(usize::from(slot))?)?)
    }

    /// A slot that is there.
    pub(crate) fn slot_at(&self, place: &Place) -> Option<u16> {
        let primary = self.primaries.iter().position(|primary| primary == place)?;
        self.owners.iter().zip(0..).find_map(|(owner, slot)| (*owner == Some(primary)).then_some(slot))
    }

    /// Everybody who had a slot once.
    pub(crate) fn primaries(&self) -> &[Place] {
        &self.primaries
    }
}

/// Where `MOVED` and `ASK` send: a slot and an address. A server that knows no host means the one that was `asked`.
pub(crate) fn sent_on(details: &str, asked: &Place) -> Option<(u16, Place)> {
    let (slot, address) = details.split_once(' ')?;
    let (host, port) = address.trim().rsplit_once(':')?;
    let host = if host.is_empty() { asked.host.clone() } else { host.to_owned() };
    Some((slot.parse().ok()?, Place { host, port: port.parse().ok()? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(host: &str, port: u16) -> Place {
        Place { host: host.to_owned(), port }
    }

    fn range(first: i64, last: i64, host: Value, port: i64) -> Value {
        let primary = vec![host, Value::Int(port), Value::BulkString(b"id".to_vec()), Value::Array(vec![])];
        Value::Array(vec![
            Value::Int(first),
            Value::Int(last),
            Value::Array(primary.clone()),
            Value::Array(primary),
        ])
    }

    #[test]
    fn every_slot_has_the_owner_it_was_said_to_have() {
        let host = |name: &str| Value::BulkString(name.as_bytes().to_vec());
        let answer = Value::Array(vec![
            range(0, 99, host("a"), 1),
            range(200, 16_383, host("b"), 2),
            range(100, 100, Value::Nil, 3),
            range(101, 101, host("?"), 4),
        ]);
        let mut map = Map::read(answer, &place("asked", 9)).unwrap();
        assert_eq!(map.owner(0), Some(&place("a", 1)));
        assert_eq!(map.owner(16_383), Some(&place("b", 2)));
        assert_eq!(map.owner(100), Some(&place("asked", 3)));
        assert_eq!((map.owner(101), map.owner(150)), (None, None));
        assert_eq!(map.slot_at(&place("b", 2)), Some(200));
        map.give(0, &place("c", 5));
        assert_eq!((map.owner(0), map.owner(1)), (Some(&place("c", 5)), Some(&place("a", 1))));
        assert_eq!(map.primaries().len(), 4);
        assert!(Map::read(Value::Int(1), &place("asked", 9)).is_err());
    }

    #[test]
    fn a_redirection_is_read() {
        let asked = place("asked", 9);
        assert_eq!(sent_on("3999 127.0.0.1:6381", &asked), Some((3_999, place("127.0.0.1", 6_381))));
        assert_eq!(sent_on("3999 ::1:6381", &asked), Some((3_999, place("::1", 6_381))));
        assert_eq!(sent_on("3999 :6381", &asked), Some((3_999, place("asked", 6_381))));
        assert_eq!(sent_on("3999", &asked), None);
    }
}
