//! A Redis Cluster: every command goes to the primary that has its slot, wherever that is at that moment.

use crate::address::member;
use crate::config::ServerConfig;
use crate::connection::{Connections, only};
use crate::map::{Map, Place};
use crate::redis::{Cmd, ConnectionInfo, Pipeline, Value, cmd};
use crate::reply;
use crate::route::{Again, Item, Route, judged};
use crate::slot;
use crate::store::Replicas;
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tollwire_ledger::Error;

/// How long a request waits before it tries again, doubled each time up to the second.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(200);
/// How often a request follows where it is sent without a pause.
const HOPS_MAX: u32 = 4;
/// The part of a request's time that one server may take to tell the map.
const MAP_PART: u32 = 4;

/// Every server of a cluster.
pub(crate) struct Cluster {
    known: Vec<Place>,
    like: ConnectionInfo,
    settings: ServerConfig,
    scripts: fn() -> Pipeline,
    /// With the number of changes made to it.
    map: RwLock<(u64, Arc<Map>)>,
    members: Mutex<BTreeMap<Place, Arc<Connections>>>,
    /// Held by whoever asks for the map.
    asking: tokio::sync::Mutex<()>,
    /// The map may be old although no server says so.
    doubtful: AtomicBool,
    turn: AtomicUsize,
    epochs: Option<Epochs>,
    home: u16,
}

/// What every slot must have before an answer from it is believed.
pub(crate) struct Epochs {
    pub(crate) epoch: String,
    /// The key of a slot's epoch; `None` for a slot that has no rows.
    pub(crate) key: Box<dyn Fn(u16) -> Option<String> + Send + Sync>,
}

/// The time of one request.
#[derive(Clone, Copy)]
struct Budget {
    begun: Instant,
    limit: Duration,
}

impl Budget {
    fn left(self) -> Duration {
        self.limit.saturating_sub(self.begun.elapsed())
    }
}

/// What one server told.
enum Told {
    Answers(Vec<Value>),
    /// It did not answer, which is said, or it is not what the map says.
    Astray(Option<String>),
}

/// What one round leaves to be done before the next.
#[derive(Default)]
struct Next {
    moved: Option<(u16, Place)>,
    down: bool,
    later: bool,
    error: Option<Error>,
}

impl Cluster {
    /// `home` is a key in the slot of commands that have none.
    pub(crate) fn new(
        (known, like): (&[Place], &ConnectionInfo),
        settings: ServerConfig,
        scripts: fn() -> Pipeline,
        home: &str,
    ) -> Self {
        Self {
            known: known.to_vec(),
            like: like.clone(),
            settings,
            scripts,
            map: RwLock::default(),
            members: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            doubtful: AtomicBool::new(true),
            turn: AtomicUsize::new(0),
            epochs: None,
            home: slot::of(home.as_bytes()),
        }
    }

    /// From now on no answer is believed that comes from a slot without this epoch.
    pub(crate) fn expect(&mut self, epochs: Epochs) {
        self.epochs = Some(epochs);
    }

    /// One answer for each command, errors of single commands included; commands of one slot keep their order.
    ///
    /// With `replicas`, every primary that was written to has told that many replicas. [`Error::Lost`] if a slot has
    /// not the epoch expected; [`Error::Unavailable`] after the time allowed: then the commands may or may not have run.
    pub(crate) async fn send(
        &self,
        commands: &Pipeline,
        replicas: Option<&Replicas>,
    ) -> Result<Vec<Value>, Error> {
        let wait = replicas.map(|replicas| replicas.wait).unwrap_or_default();
        let budget = Budget { begun: Instant::now(), limit: self.settings.timeout.saturating_add(wait) };
        let mut route = Route::of(commands, self.home, |slot| self.question(slot));
        let mut pause = PAUSE_MIN;
        for round in 0_u32.. {
            if self.doubtful.swap(false, Ordering::AcqRel) {
                self.learn(self.map().0, None, budget).await?;
            }
            let (changes, map) = self.map();
            let parties = route.parties(&map);
            let mut next = Next { down: !route.is_done(), ..Next::default() };
            let map = &*map;
            let asked = parties.into_iter().map(|(place, items)| async move {
                let told = self.ask(map, &place, &items, replicas, budget).await;
                (place, items, told)
            });
            for (place, items, told) in join_all(asked).await {
                self.take(&mut route, &mut next, &place, items, told)?;
            }
            if route.is_done() {
                return Ok(route.answers());
            }
            if next.down || next.later || round >= HOPS_MAX {
                tokio::time::sleep(pause.min(budget.left())).await;
                pause = pause.saturating_mul(2).min(PAUSE_MAX);
            }
            if budget.left().is_zero() {
                // A server that hangs is left by the others before it says so itself.
                self.doubtful.fetch_or(next.down, Ordering::AcqRel);
                return Err(next.error.unwrap_or_else(|| self.late()));
            }
            if next.down || next.moved.is_some() {
                self.learn(changes, next.moved.as_ref(), budget).await?;
            }
        }
        Err(self.late())
    }

    /// Whether every primary answers and, where it has rows, the epoch.
    pub(crate) async fn whole(&self) -> Result<(), Error> {
        if self.doubtful.swap(false, Ordering::AcqRel) {
            let budget = Budget { begun: Instant::now(), limit: self.settings.timeout };
            self.learn(self.map().0, None, budget).await?;
        }
        let (_, map) = self.map();
        let mut ask = Pipeline::new();
        for slot in map.primaries().iter().filter_map(|primary| map.slot_at(primary)) {
            ask.cmd("EXISTS").arg(self.mark(slot));
        }
        // Where all rows are, if they are all in one slot.
        ask.cmd("TIME");
        self.send(&ask, None).await.map(drop)
    }

    fn mark(&self, slot: u16) -> String {
        format!("{}mark:{{{}}}", self.settings.prefix, slot::tag(slot))
    }

    /// Who has the slot of a key, asked of the cluster now, and how to connect there.
    pub(crate) async fn owner(&self, key: &str) -> Result<(Place, ConnectionInfo), Error> {
        let budget = Budget { begun: Instant::now(), limit: self.settings.timeout };
        self.learn(self.map().0, None, budget).await?;
        let (_, map) = self.map();
        let owner = map.owner(slot::of(key.as_bytes()));
        let owner =
            owner.ok_or_else(|| Error::Unavailable("a slot of the cluster is nobody's".to_owned()))?;
        Ok((owner.clone(), member(&self.like, owner)))
    }

    fn question(&self, slot: u16) -> Option<Cmd> {
        let key = (self.epochs.as_ref()?.key)(slot)?;
        Some(cmd("GET").arg(key).clone())
    }

    /// Asks one server. Its answers are without those to what was added.
    async fn ask(
        &self,
        map: &Map,
        place: &Place,
        items: &[Item],
        replicas: Option<&Replicas>,
        budget: Budget,
    ) -> Result<Told, Error> {
        let mut asked = Pipeline::new();
        for item in items {
            if item.asks.is_some() {
                asked.cmd("ASKING");
            }
            asked.add_command(item.command.clone());
        }
        if let Some(replicas) = replicas {
            // A write of our own in a slot of its own, because WAIT covers only what its connection wrote: a repeated
            // command writes nothing, and the first try may have gone over another connection.
            let Some(slot) = map.slot_at(place) else { return Ok(Told::Astray(None)) };
            asked.cmd("SET").arg(self.mark(slot)).arg("1");
            replicas.wait_in(&mut asked);
        }
        let member = self.member(place);
        let mut told = match member.send_within(&asked, replicas.is_some(), budget.left()).await {
            Err(Error::Unavailable(why)) => return Ok(Told::Astray(Some(why))),
            told => told?,
        };
        if let Some(replicas) = replicas {
            let reached = told.pop().unwrap_or_default();
            if matches!(told.pop(), None | Some(Value::ServerError(_))) {
                return Ok(Told::Astray(None));
            }
            replicas.enough(reached)?;
        }
        let mut told = told.into_iter();
        let answer = |item: &Item| {
            if item.asks.is_some() {
                drop(told.next());
            }
            told.next().unwrap_or_default()
        };
        Ok(Told::Answers(items.iter().map(answer).collect()))
    }

    /// Keeps what was answered, and notes what has to be asked again.
    fn take(
        &self,
        route: &mut Route,
        next: &mut Next,
        place: &Place,
        items: Vec<Item>,
        told: Result<Told, Error>,
    ) -> Result<(), Error> {
        let answers = match told {
            Ok(Told::Answers(answers)) => answers,
            Ok(Told::Astray(why)) => {
                next.down = true;
                next.error = why.map(|why| Error::Unavailable(format!("{place}: {why}")));
                for item in items {
                    route.again(item, None);
                }
                return Ok(());
            }
            Err(Error::Unfit(why)) if self.epochs.is_some() => {
                tracing::error!(%place, why, "a server of the Redis Cluster is not trusted with rows");
                return Err(Error::Unavailable(format!("{place}: {why}")));
            }
            Err(Error::Unfit(why)) => return Err(Error::Unfit(format!("{place}: {why}"))),
            Err(error) => return Err(error),
        };
        let epoch = self.epochs.as_ref().map(|epochs| epochs.epoch.as_str());
        for (item, answer, again) in judged(items, answers, place) {
            match again {
                None => route.keep(&item, answer, epoch)?,
                Some(Again::Asks(to)) => route.again(item, Some(to)),
                Some(other) => {
                    match other {
                        Again::Moved(slot, to) => next.moved = Some((slot, to)),
                        Again::Down => next.down = true,
                        _ => next.later = true,
                    }
                    route.again(item, None);
                }
            }
        }
        Ok(())
    }

    fn late(&self) -> Error {
        Error::Unavailable(format!(
            "the Redis Cluster did not answer within {} ms: a primary is gone or a slot is being moved",
            self.settings.timeout.as_millis()
        ))
    }

    fn map(&self) -> (u64, Arc<Map>) {
        self.map.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn member(&self, place: &Place) -> Arc<Connections> {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let connect = || {
            let settings = &self.settings;
            Arc::new(Connections::to_member(
                member(&self.like, place),
                settings.connections,
                settings.timeout,
                self.scripts,
                settings.allow_volatile,
            ))
        };
        Arc::clone(members.entry(place.clone()).or_insert_with(connect))
    }

    /// Asks for the map, first whoever is said to have a slot, unless it changed after `changes` of it were seen.
    async fn learn(&self, changes: u64, moved: Option<&(u16, Place)>, budget: Budget) -> Result<(), Error> {
        let Ok(_asking) = tokio::time::timeout(budget.left(), self.asking.lock()).await else {
            return Err(self.late());
        };
        if self.map().0 != changes {
            return Ok(());
        }
        let mut places: Vec<Place> = moved.map(|(_, place)| place.clone()).into_iter().collect();
        let mut others: Vec<Place> = self.map().1.primaries().iter().chain(&self.known).cloned().collect();
        // Not the same one first each time: it may hang.
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let turn = turn.checked_rem(others.len()).unwrap_or_default();
        others.rotate_left(turn);
        places.extend(others);
        let mut last = self.late();
        for place in places {
            if budget.left().is_zero() {
                break;
            }
            let part = self.settings.timeout.checked_div(MAP_PART).unwrap_or_default().min(budget.left());
            let ask = only(cmd("CLUSTER").arg("SLOTS").clone());
            let told = self.member(&place).send_within(&ask, false, part).await.and_then(reply::first);
            match told.and_then(|answer| Map::read(answer, &place)) {
                Ok(map) if map.primaries().is_empty() => {}
                Ok(map) => {
                    self.change(map, moved);
                    return Ok(());
                }
                Err(Error::Unfit(why)) if self.epochs.is_none() => {
                    return Err(Error::Unfit(format!("{place}: {why}")));
                }
                Err(error) => last = error,
            }
        }
        // Whoever comes next asks again.
        self.doubtful.store(true, Ordering::Release);
        Err(last)
    }

    fn change(&self, mut map: Map, moved: Option<&(u16, Place)>) {
        if let Some((slot, to)) = moved {
            map.give(*slot, to);
        }
        let stays = |place: &Place| map.primaries().contains(place) || self.known.contains(place);
        self.members.lock().unwrap_or_else(PoisonError::into_inner).retain(|place, _| stays(place));
        let mut held = self.map.write().unwrap_or_else(PoisonError::into_inner);
        *held = (held.0.wrapping_add(1), Arc::new(map));
    }
}
