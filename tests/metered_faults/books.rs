//! What the ledger says of a session, and what it must agree with.

use crate::rig::{Account, LAPSED, Rig, lease_bound};
use crate::stream::Stream;
use std::time::{Duration, Instant};
use tollwire_x402::Unit;

/// One session's units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Books {
    pub(crate) bought: u64,
    pub(crate) captured: u64,
    pub(crate) held: u64,
    pub(crate) remaining: u64,
    pub(crate) live_streams: u64,
}

impl Rig {
    /// How a session stands; `None` while the ledger cannot say. Whenever it can, its books balance.
    pub(crate) async fn books(&self, account: &Account) -> Option<Books> {
        let answer = self.admin("/admin/sessions?limit=500").await;
        if answer.status != 200 {
            assert_eq!(answer.status, 503, "{answer:?}");
            return None;
        }
        let sessions = answer.json();
        let mut sessions = sessions["sessions"].as_array().unwrap().iter();
        let row = sessions.find(|row| row["jti"] == account.jti.as_str()).expect("the session is gone");
        let number = |name: &str| row[name].as_u64().unwrap_or_else(|| panic!("no {name}: {row}"));
        let books = Books {
            bought: number("bought"),
            captured: number("captured"),
            held: number("held"),
            remaining: number("remaining"),
            live_streams: number("live_streams"),
        };
        assert_eq!(books.captured + books.held + books.remaining, books.bought, "{row}");
        Some(books)
    }

    /// Waits until the session's books are as wanted.
    pub(crate) async fn books_when(&self, account: &Account, wanted: impl Fn(&Books) -> bool) -> Books {
        let begun = Instant::now();
        loop {
            let books = self.books(account).await;
            match books {
                Some(books) if wanted(&books) => return books,
                _ => assert!(begun.elapsed() < LAPSED, "{:?}: {books:?}", account.unit),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until nothing is held and no stream is live.
    pub(crate) async fn at_rest(&self, account: &Account) -> Books {
        self.books_when(account, |books| books.held == 0 && books.live_streams == 0).await
    }

    /// Waits until nothing is held: a killed node's streams cannot be told to have ended.
    pub(crate) async fn nothing_held(&self, account: &Account) -> Books {
        self.books_when(account, |books| books.held == 0).await
    }

    /// The operator's totals balance too, no session contradicts itself, and in the end nothing is held.
    pub(crate) async fn balanced(&self) {
        let begun = Instant::now();
        loop {
            let report = self.admin("/admin/ledger").await.json();
            assert_eq!(report["balanced"], true, "{report}");
            assert_eq!(report["totals"]["contradictory"], 0, "{report}");
            if report["totals"]["held"] == 0 {
                return;
            }
            assert!(begun.elapsed() < LAPSED, "{report}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Nothing was lost and nothing given: to the unit where units can be counted.
    pub(crate) async fn exact(&self, account: &Account, streams: &[&Stream]) {
        let books = self.at_rest(account).await;
        let (least, most) = served(account.unit, streams);
        assert!(
            (least..=most).contains(&books.captured),
            "{:?}: {least} to {most} were served: {books:?}",
            account.unit
        );
    }
}

/// Units that streams of one unit were served, as their agents saw it.
pub(crate) fn served(unit: Unit, streams: &[&Stream]) -> (u64, u64) {
    let served = streams.iter().map(|stream| stream.served(unit));
    served.fold((0, 0), |(least, most), served| (least + served.start(), most + served.end()))
}

/// Whether captured and served differ by no more than a lease for each of so many faults.
pub(crate) fn within_a_lease(unit: Unit, captured: u64, (least, most): (u64, u64), faults: u64) {
    let bound = lease_bound(unit) * faults;
    assert!(
        captured + bound >= least && captured <= most + bound,
        "{unit:?}: {captured} captured, {least} to {most} served"
    );
}
