//! What an operator's page shows: the books and the newest sessions, from one walk over the ledger that all who ask
//! share.

mod index;
mod kept;
mod series;
mod state;

pub use index::{Listed, Listing, NEWEST_MAX};
pub(crate) use kept::Kept;
pub use series::{DAYS, HOURS, Period, Series};
pub use state::State;

use crate::error::Error;
use crate::gate::Gate;
use crate::totals::{Doubts, Money, Totals};
use index::Index;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tollwire_ledger::Timestamp;
use tollwire_ledger::model::Session;
use tollwire_settlement::dues::Statement;
use tollwire_x402::{FeedId, Network, Unit};

/// The books at one moment, and how they came to be.
#[derive(Debug, Clone, Serialize)]
pub struct Overview {
    /// When the walk began; what is younger may be in it or not.
    #[serde(skip)]
    pub at: Timestamp,
    /// How long it took.
    #[serde(skip)]
    pub took: Duration,
    /// Whether every equation holds, for units and for money.
    pub balanced: bool,
    /// All feeds together.
    pub totals: Totals,
    /// Each feed that has sold anything.
    pub feeds: BTreeMap<FeedId, FeedTotals>,
    /// Who earned where.
    pub providers: Vec<ProviderTotals>,
    /// What is not known to have arrived.
    #[serde(flatten)]
    pub doubts: Doubts,
    /// Sessions with streams, and their streams, on all nodes.
    pub live: Live,
    /// Units used so far, by what they are.
    pub used: BTreeMap<Unit, u128>,
    /// Deposits and earnings over time.
    pub series: Series,
    /// Sessions, newest first.
    #[serde(skip)]
    pub newest: Listing,
}

/// What is open now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Live {
    /// Sessions that have a stream.
    pub sessions: u64,
    /// Streams.
    pub streams: u64,
}

/// A feed's sums.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FeedTotals {
    /// Sums over its sessions.
    #[serde(flatten)]
    pub totals: Totals,
    /// What is open now.
    pub live: Live,
}

/// A provider's sums on one chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProviderTotals {
    /// Where.
    pub network: Network,
    /// Its wallet; `None` for sessions that nobody is to be paid for.
    pub provider: Option<String>,
    /// Sessions.
    pub sessions: u64,
    /// Money, in atomic USDC, as text.
    pub usdc: Money,
}

impl Live {
    fn add(&mut self, streams: u64) {
        self.sessions = self.sessions.saturating_add(u64::from(streams > 0));
        self.streams = self.streams.saturating_add(streams);
    }
}

impl Gate {
    /// Walks over the ledger. Reads every session: its cost grows with their number. [`Gate::overview`] does it no
    /// oftener than is cheap.
    async fn walk(&self) -> Result<Overview, Error> {
        let (at, began) = (self.clock.now(), tokio::time::Instant::now());
        let mut walk = Walk::new(at);
        self.each_session(|id, session, money| {
            walk.see(session, money);
            walk.index.see(id, session, at);
        })
        .await?;
        let doubts = self.doubts().await?;
        let mut overview = walk.end(doubts);
        overview.took = began.elapsed();
        Ok(overview)
    }
}

/// A walk under way.
struct Walk {
    at: Timestamp,
    totals: Totals,
    feeds: BTreeMap<FeedId, FeedTotals>,
    providers: BTreeMap<(Network, Option<String>), (u64, Money)>,
    live: Live,
    used: BTreeMap<Unit, u128>,
    series: Series,
    index: Index,
}

impl Walk {
    fn new(at: Timestamp) -> Self {
        Self {
            at,
            totals: Totals::default(),
            feeds: BTreeMap::new(),
            providers: BTreeMap::new(),
            live: Live::default(),
            used: BTreeMap::new(),
            series: Series::until(at),
            index: Index::default(),
        }
    }

    fn see(&mut self, session: &Session, money: Option<Statement>) {
        let streams = crate::view::live_streams(session);
        self.totals.add(session, money);
        self.live.add(streams);
        let feed = self.feeds.entry(session.feed.clone()).or_default();
        feed.totals.add(session, money);
        feed.live.add(streams);
        let used = self.used.entry(session.unit).or_default();
        *used = used.saturating_add(u128::from(session.captured));
        let provider = self.providers.entry((session.network, session.provider.clone())).or_default();
        provider.0 = provider.0.saturating_add(1);
        if let Some(money) = money {
            provider.1.add(&money);
            self.series.add(session.opened, &money);
        }
    }

    fn end(self, doubts: Doubts) -> Overview {
        let of_provider =
            |((network, provider), (sessions, usdc))| ProviderTotals { network, provider, sessions, usdc };
        Overview {
            at: self.at,
            took: Duration::ZERO,
            balanced: self.totals.balanced() && self.feeds.values().all(|feed| feed.totals.balanced()),
            totals: self.totals,
            feeds: self.feeds,
            providers: self.providers.into_iter().map(of_provider).collect(),
            doubts,
            live: self.live,
            used: self.used,
            series: self.series,
            newest: self.index.end(),
        }
    }
}
