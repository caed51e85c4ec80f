//! How agents that are reached over HTTP have been: asked regularly by one broker of several, and left out after too many
//! failures in a row until they are well again. It is kept in rows, so that all brokers know the same.

use super::limits::OrchestratorLimits;
use crate::store::{Change, Changed, FOR_EVER, Row, Rows, StoreError, read, rewrite};
use crate::telemetry;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tollwire_ledger::Timestamp;
use tollwire_x402::ApiId;

/// What its rows are called in errors.
const WHAT: &str = "an agent's health";

/// What is known of an agent's health.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Health {
    /// When it was last asked, and whether it was well.
    pub(super) checked: Option<(Timestamp, bool)>,
    /// How often in a row it was not.
    pub(super) failures: u32,
    /// Since when it is left out.
    pub(super) suspended: Option<Timestamp>,
    /// When it is asked again.
    next: Timestamp,
}

/// The rules.
#[derive(Debug, Clone, Copy)]
struct Rules {
    /// How often an agent is asked.
    every: Duration,
    /// After how many failures in a row it is left out.
    failures_max: u32,
    /// Within what time two failures are one: people who come together find the same.
    one: Duration,
}

impl Health {
    /// Whether it should be asked. A clock that was set back puts it off no longer than by one turn.
    fn is_due(&self, now: Timestamp, rules: &Rules) -> bool {
        self.next <= now || self.next > now.after(rules.every)
    }

    /// After it was asked.
    #[must_use]
    fn after(self, well: bool, now: Timestamp, rules: &Rules) -> Self {
        let mut health = Self { checked: Some((now, well)), next: now.after(rules.every), ..self };
        if well {
            (health.failures, health.suspended) = (0, None);
            return health;
        }
        let same = |(at, before): (Timestamp, bool)| !before && now < at.after(rules.one);
        if self.checked.is_some_and(same) {
            return self;
        }
        health.failures = self.failures.saturating_add(1);
        if health.failures >= rules.failures_max {
            health.suspended = self.suspended.or(Some(now));
        }
        health
    }

    /// Whether that is worth writing down: an agent that is well is not noted every time it is asked.
    fn is_news(&self, before: &Self, rules: &Rules) -> bool {
        let (Some((now, well)), Some((at, was_well))) = (self.checked, before.checked) else { return true };
        let same = Self { checked: before.checked, next: before.next, ..*self } == *before;
        let recent = at <= now && now < at.after(rules.every / 2);
        !(same && well == was_well && recent)
    }
}

/// The health of all agents.
pub(super) struct Watch {
    rows: Arc<dyn Rows>,
    rules: Rules,
    /// As it was last read or written here.
    seen: Mutex<HashMap<ApiId, Health>>,
}

impl Watch {
    pub(super) fn new(rows: Arc<dyn Rows>, limits: &OrchestratorLimits) -> Self {
        let rules = Rules {
            every: limits.health_every,
            failures_max: limits.health_failures,
            one: limits.health_cache,
        };
        Self { rows, rules, seen: Mutex::default() }
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<ApiId, Health>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How an agent was when this broker last heard of it: not older than one turn.
    pub(super) fn last(&self, slug: &ApiId) -> Health {
        self.seen().get(slug).copied().unwrap_or_default()
    }

    /// How many are left out, as far as this broker knows.
    pub(super) fn suspended(&self) -> usize {
        self.seen().values().filter(|health| health.suspended.is_some()).count()
    }

    /// Forgets agents that are not registered any more.
    pub(super) fn keep(&self, is_there: impl Fn(&ApiId) -> bool) {
        self.seen().retain(|slug, _| is_there(slug));
    }

    /// How an agent is.
    pub(super) async fn of(&self, slug: &ApiId) -> Result<Health, StoreError> {
        let row = self.rows.row(&key(slug)).await?;
        let health = read(row.as_ref(), WHAT)?;
        self.seen().insert(slug.clone(), health);
        Ok(health)
    }

    /// Whether it is this broker's turn to ask an agent: of several, one hears `true` in each turn.
    pub(super) async fn take_turn(&self, slug: &ApiId, now: Timestamp) -> Result<bool, StoreError> {
        if !self.last(slug).is_due(now, &self.rules) {
            return Ok(false);
        }
        let next = now.after(self.rules.every);
        let take = |health: &mut Health| {
            let is_due = health.is_due(now, &self.rules);
            if is_due {
                health.next = next;
            }
            is_due
        };
        Ok(self.change(slug, take).await?.1)
    }

    /// Notes how an agent was found to be.
    pub(super) async fn note(&self, slug: &ApiId, well: bool, now: Timestamp) -> Result<Health, StoreError> {
        let rules = &self.rules;
        let noted = self.change(slug, |health| {
            let (before, after) = (*health, health.after(well, now, rules));
            if after.is_news(&before, rules) {
                *health = after;
            }
            before
        });
        let (health, before) = noted.await?;
        telemetry::checked(slug.as_str(), well);
        match (before.suspended, health.suspended) {
            (None, Some(_)) => {
                tracing::warn!(agent = %slug, failures = health.failures, "an agent is not well: it is left out until it is");
            }
            (Some(_), None) => tracing::info!(agent = %slug, "an agent is well again"),
            (None, None) if !well => {
                tracing::info!(agent = %slug, failures = health.failures, "an agent is not well");
            }
            _ => {}
        }
        Ok(health)
    }

    /// Forgets what was known of an agent.
    pub(super) async fn forget(&self, slug: &ApiId) -> Result<(), StoreError> {
        self.seen().remove(slug);
        let key = key(slug);
        let mut row = self.rows.row(&key).await?;
        while let Some(Row { version, .. }) = row {
            let change = Change {
                key: key.clone(),
                from: Some(version),
                to: None,
                keep_until: FOR_EVER,
                due: None,
                alias: None,
            };
            match self.rows.change(change).await? {
                Changed::Moved(now) => row = now,
                Changed::Done | Changed::Taken => return Ok(()),
            }
        }
        Ok(())
    }

    /// Changes what is known of an agent; how it is then, and what `change` answered.
    async fn change<T: Send>(
        &self,
        slug: &ApiId,
        change: impl FnMut(&mut Health) -> T + Send,
    ) -> Result<(Health, T), StoreError> {
        let (health, outcome) = rewrite(&*self.rows, (&key(slug), WHAT), change).await?;
        self.seen().insert(slug.clone(), health);
        Ok((health, outcome))
    }
}

fn key(slug: &ApiId) -> String {
    format!("orchestrator/health/{slug}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Embedded, EmbeddedRows};
    use tollwire_ledger::SystemClock;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_millis(secs * 1_000)
    }

    async fn rows() -> Arc<dyn Rows> {
        Arc::new(EmbeddedRows::open(Embedded::memory().unwrap(), Arc::new(SystemClock)).await.unwrap())
    }

    fn slug() -> ApiId {
        "summarizer".parse().unwrap()
    }

    #[tokio::test]
    async fn five_failures_in_a_row_leave_an_agent_out_until_it_is_well() {
        let watch = Watch::new(rows().await, &OrchestratorLimits::default());
        let note = async |well: bool, secs: u64| watch.note(&slug(), well, at(secs)).await.unwrap();
        for turn in 0..4 {
            assert_eq!(note(false, turn * 60).await.suspended, None);
        }
        assert_eq!(note(true, 240).await.failures, 0, "they must be in a row");
        for turn in 5..9 {
            assert_eq!(note(false, turn * 60).await.suspended, None);
        }
        let out = note(false, 540).await;
        assert_eq!((out.failures, out.suspended), (5, Some(at(540))));
        assert_eq!(note(false, 600).await.suspended, Some(at(540)), "since the first of it");
        assert_eq!(watch.suspended(), 1);
        let back = note(true, 660).await;
        assert_eq!((back.failures, back.suspended, back.checked), (0, None, Some((at(660), true))));
        assert_eq!((watch.suspended(), watch.last(&slug())), (0, back));
        watch.forget(&slug()).await.unwrap();
        assert_eq!(watch.of(&slug()).await.unwrap(), Health::default());
    }

    #[tokio::test]
    async fn people_who_come_together_find_one_failure() {
        let watch = Watch::new(rows().await, &OrchestratorLimits::default());
        for millis in [0, 1, 9_999] {
            let health = watch.note(&slug(), false, Timestamp::from_millis(millis)).await.unwrap();
            assert_eq!(health.failures, 1);
        }
        assert_eq!(watch.note(&slug(), false, at(10)).await.unwrap().failures, 2);
    }

    #[tokio::test]
    async fn of_several_brokers_one_asks_in_each_turn() {
        let rows = rows().await;
        let brokers: Vec<Watch> =
            (0..5).map(|_| Watch::new(Arc::clone(&rows), &OrchestratorLimits::default())).collect();
        for (secs, turns) in [(0, 1), (1, 0), (59, 0), (60, 1), (61, 0), (1_000, 1)] {
            let slug = slug();
            let all = brokers.iter().map(|watch| watch.take_turn(&slug, at(secs)));
            let taken = futures_util::future::join_all(all).await;
            let count = taken.into_iter().filter(|taken| *taken.as_ref().unwrap()).count();
            assert_eq!(count, turns, "at {secs} s");
        }
        // A clock that was set back by a day stops nobody.
        let mut count = 0;
        for watch in &brokers {
            count += usize::from(watch.take_turn(&slug(), at(500)).await.unwrap());
        }
        assert_eq!(count, 1);
    }

    #[tokio::test]
    async fn all_brokers_know_the_same() {
        let rows = rows().await;
        let [one, other] = [(); 2].map(|()| Watch::new(Arc::clone(&rows), &OrchestratorLimits::default()));
        for turn in 0..5 {
            let watch = if turn % 2 == 0 { &one } else { &other };
            watch.note(&slug(), false, at(turn * 60)).await.unwrap();
        }
        assert_eq!(other.of(&slug()).await.unwrap().suspended, Some(at(240)));
        one.note(&slug(), true, at(300)).await.unwrap();
        assert_eq!(other.of(&slug()).await.unwrap().suspended, None);
    }
}
