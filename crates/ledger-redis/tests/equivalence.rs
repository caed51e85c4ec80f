//! Redis against the core: the same random commands at the same times, equal answers and equal rows.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

#[path = "../../ledger/tests/common/mod.rs"]
mod common;
mod support;

use common::ManualClock;
use common::plan::{Answer, Fences, Step, plan, play, show};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeSet;
use support::{config, config_of};
use tokio::runtime::Runtime;
use tollwire_ledger::Outcome;
use tollwire_ledger::memory::MemoryLedger;
use tollwire_ledger_redis::{RedisConfig, RedisLedger};
use tollwire_testkit::redis::{RedisCluster, RedisServer};

/// Plans played, all on one server, each under a prefix of its own. `TOLLWIRE_PLANS` asks for more.
const PLANS: u32 = 500;
/// The same on a cluster, where a new prefix gives every slot an epoch first.
const PLANS_CLUSTER: u32 = 20;
const STEPS: usize = 80;

/// Kinds of outcomes: all of them must occur, or the plans are too tame.
const OUTCOMES: usize = 13;

type Kinds = BTreeSet<String>;

/// An outcome's name.
fn kind(outcome: &Outcome) -> String {
    format!("{outcome:?}").chars().take_while(char::is_ascii_alphabetic).collect()
}

/// Plays a plan on memory and on Redis, and returns which kinds of outcomes it met; the error says where they part.
async fn compare(mut config: RedisConfig, prefix: String, steps: &[Step]) -> Result<Kinds, String> {
    let clock = ManualClock::new();
    let memory = MemoryLedger::new(clock.shared());
    config.prefix = prefix;
    config.clock = Some(clock.shared());
    config.connections = 1;
    let redis = RedisLedger::connect(config).await.map_err(|error| error.to_string())?;
    let (mut ours, mut theirs) = (Fences::default(), Fences::default());
    let mut kinds = Kinds::new();
    for (n, step) in steps.iter().enumerate() {
        clock.advance(step.later);
        let expected = play(&memory, &step.action, &mut ours).await;
        let answered = play(&redis, &step.action, &mut theirs).await;
        if let Answer::Outcome(outcome) = &answered {
            kinds.insert(kind(outcome));
        }
        if expected != answered {
            return Err(format!("step {n} {step:?}\n core: {expected:#?}\nredis: {answered:#?}"));
        }
    }
    let (expected, shown) = (show(&memory).await, show(&redis).await);
    if expected == shown { Ok(kinds) } else { Err(format!(" core: {expected:#?}\nredis: {shown:#?}")) }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

#[test]
fn redis_says_what_the_core_says() {
    let runtime = runtime();
    let server = runtime.block_on(RedisServer::start()).unwrap();
    let plans = std::env::var("TOLLWIRE_PLANS").map_or(PLANS, |plans| plans.parse().unwrap());
    let met = say_the_same(&runtime, &config(&server), plans);
    assert_eq!(met.len(), OUTCOMES, "some kinds of outcomes never occurred: {met:?}");
}

#[test]
fn a_cluster_says_what_the_core_says() {
    let runtime = runtime();
    let cluster = runtime.block_on(RedisCluster::start()).unwrap();
    say_the_same(&runtime, &config_of(&cluster), PLANS_CLUSTER);
}

/// Plays plans, and returns which kinds of outcomes they met.
fn say_the_same(runtime: &Runtime, config: &RedisConfig, plans: u32) -> Kinds {
    let mut runner = TestRunner::new(Config::default());
    let (mut played, mut met) = (0_u32, Kinds::new());
    for _ in 0..plans {
        let mut tree = plan(STEPS).new_tree(&mut runner).unwrap();
        let mut check = |steps: Vec<Step>| {
            played += 1;
            runtime.block_on(compare(config.clone(), format!("plan-{played}:"), &steps))
        };
        let mut why = match check(tree.current()) {
            Ok(kinds) => {
                met.extend(kinds);
                continue;
            }
            Err(why) => why,
        };
        // Shrink: the shortest plan on which they part says most.
        let mut smallest = tree.current();
        for _ in 0..500 {
            if !tree.simplify() {
                break;
            }
            match check(tree.current()) {
                Err(again) => (smallest, why) = (tree.current(), again),
                Ok(_) => {
                    if !tree.complicate() {
                        break;
                    }
                }
            }
        }
        panic!("{why}\nplan: {smallest:#?}");
    }
    met
}
