//! The newest sessions, in order, with what they are looked for by.

use super::State;
use std::collections::BTreeMap;
use std::sync::Arc;
use tollwire_ledger::Timestamp;
use tollwire_ledger::model::Session;
use tollwire_x402::{FeedId, SessionId};

/// The most sessions that are listed newest first; older ones are found by their id, their payer, or in the order of ids.
pub const NEWEST_MAX: usize = 20_000;

/// One session in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// When it was opened.
    pub opened: Timestamp,
    /// Which it is.
    pub jti: SessionId,
    /// Its feed.
    pub feed: Arc<FeedId>,
    /// How it stood.
    pub state: State,
}

impl Listed {
    /// Its place: newest first, then by id.
    pub fn place(&self) -> (std::cmp::Reverse<Timestamp>, &SessionId) {
        (std::cmp::Reverse(self.opened), &self.jti)
    }
}

/// The newest sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// At most [`NEWEST_MAX`], newest first.
    pub sessions: Vec<Listed>,
    /// How many older ones there are.
    pub older: u64,
}

/// A list in the making.
#[derive(Default)]
pub(super) struct Index {
    sessions: Vec<Listed>,
    feeds: BTreeMap<FeedId, Arc<FeedId>>,
    older: u64,
}

impl Index {
    pub(super) fn see(&mut self, jti: &SessionId, session: &Session, now: Timestamp) {
        let name = self.feeds.entry(session.feed.clone()).or_insert_with(|| Arc::new(session.feed.clone()));
        let feed = Arc::clone(name);
        let state = State::of(session, now);
        self.sessions.push(Listed { opened: session.opened, jti: jti.clone(), feed, state });
        // Sorting at twice the length costs each session a constant number of comparisons, on average.
        if self.sessions.len() >= NEWEST_MAX.saturating_mul(2) {
            self.shorten();
        }
    }

    pub(super) fn end(mut self) -> Listing {
        self.shorten();
        Listing { sessions: self.sessions, older: self.older }
    }

    fn shorten(&mut self) {
        self.sessions.sort_unstable_by(|a, b| a.place().cmp(&b.place()));
        let dropped = self.sessions.len().saturating_sub(NEWEST_MAX);
        self.sessions.truncate(NEWEST_MAX);
        self.older = self.older.saturating_add(u64::try_from(dropped).unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use tollwire_ledger::model::Handed;
    use tollwire_x402::{Network, Unit, Usdc};

    fn session(opened: u64) -> Session {
        Session {
            feed: "ticks".parse().unwrap(),
            unit: Unit::Stream,
            payer: "0xaa".into(),
            network: Network::Eip155(8453),
            chain: "base".into(),
            deposited: Usdc::ZERO,
            gas: Usdc::ZERO,
            last_block: 1,
            provider: None,
            handed: Handed::default(),
            bought: 1,
            captured: 0,
            refunded: 0,
            expired: 0,
            refunds: 0,
            returned: Usdc::ZERO,
            withheld: Usdc::ZERO,
            holds: BTreeMap::new(),
            live: BTreeMap::new(),
            opened: Timestamp::from_millis(opened),
            balance_until: Timestamp::from_millis(u64::MAX),
            revoked: false,
            closed: false,
            frozen: 0,
            recalled: None,
            jkt: None,
            revision: 0,
        }
    }

    #[test]
    fn the_list_keeps_the_newest_in_order_and_counts_the_rest() {
        let mut index = Index::default();
        let all = u64::try_from(NEWEST_MAX).unwrap() * 3 + 7;
        // In no order at all: 7,919 shares no factor with their number.
        for step in 0..all {
            let number = step * 7_919 % all;
            let jti = format!("{number:08x}-0000-4000-8000-000000000000").parse().unwrap();
            index.see(&jti, &session(number), Timestamp::default());
        }
        let listing = index.end();
        assert_eq!((listing.sessions.len(), listing.older), (NEWEST_MAX, all - 20_000));
        assert!(listing.sessions.is_sorted_by(|a, b| a.opened > b.opened));
        assert_eq!(listing.sessions[0].opened.millis(), all - 1);
        assert_eq!(listing.sessions[0].state, State::Idle);
    }
}
