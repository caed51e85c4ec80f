//! What purses promise, on whatever rows they are kept.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "a failed expectation ends the test")]

use std::sync::Arc;
use tollwire_ledger::Timestamp;
use tollwire_relay::orchestrator::{AutoPay, Credit, Purses, Usdc};
use tollwire_relay::store::Rows;

/// Seconds of a day.
const DAY: u64 = 86_400;

fn usdc(atomic: u64) -> Usdc {
    Usdc::from_atomic(atomic).unwrap()
}

/// Noon of a day.
fn on(day: u64) -> Timestamp {
    Timestamp::from_millis((day * DAY + DAY / 2) * 1_000)
}

/// All of it.
pub async fn contract(rows: Arc<dyn Rows>) {
    let purses = Purses::new(rows);
    caps_hold_to_the_atomic_unit(&purses).await;
    a_job_is_spent_on_once(&purses).await;
    a_day_ends(&purses).await;
    of_many_at_once_as_many_as_fit(&purses).await;
    a_credit_is_taken_once(&purses).await;
    no_credit_is_forgotten(&purses).await;
    a_job_may_be_asked_for_another_price(&purses).await;
    a_job_that_was_done_after_all_leaves_no_credit(&purses).await;
}

async fn allow(purses: &Purses, person: &str, per_job: u64, per_day: u64) {
    let auto = AutoPay { enabled: true, per_job: usdc(per_job), per_day: usdc(per_day) };
    purses.change(person, |purse| purse.auto = auto).await.unwrap();
}

async fn caps_hold_to_the_atomic_unit(purses: &Purses) {
    let spend = |job: &'static str, amount| purses.spend("caps", job, usdc(amount), on(100));
    assert!(!spend("a", 1).await.unwrap(), "not before it is enabled");
    allow(purses, "caps", 10, 25).await;
    assert!(!spend("b", 11).await.unwrap());
    assert!(spend("c", 10).await.unwrap() && spend("d", 10).await.unwrap());
    assert!(!spend("e", 6).await.unwrap());
    assert!(spend("f", 5).await.unwrap());
    assert!(!spend("g", 1).await.unwrap());
    assert_eq!(purses.of("caps").await.unwrap().spent_on(on(100)), usdc(25));
}

async fn a_job_is_spent_on_once(purses: &Purses) {
    allow(purses, "once", 10, 20).await;
    for _ in 0..3 {
        assert!(purses.spend("once", "job", usdc(10), on(100)).await.unwrap(), "asked again after a crash");
    }
    assert_eq!(purses.of("once").await.unwrap().spent, usdc(10));
    for _ in 0..2 {
        purses.release("once", "job").await.unwrap();
    }
    assert_eq!(purses.of("once").await.unwrap().spent, usdc(0), "given back, once");
    assert!(purses.spend("once", "other", usdc(10), on(100)).await.unwrap());
    purses.settle("once", "other").await.unwrap();
    purses.release("once", "other").await.unwrap();
    assert_eq!(purses.of("once").await.unwrap().spent, usdc(10), "what was used is not given back");
}

async fn a_day_ends(purses: &Purses) {
    allow(purses, "day", 10, 10).await;
    assert!(purses.spend("day", "a", usdc(10), on(100)).await.unwrap());
    assert!(!purses.spend("day", "b", usdc(1), on(100)).await.unwrap());
    assert!(purses.spend("day", "b", usdc(10), on(101)).await.unwrap());
    purses.release("day", "a").await.unwrap();
    assert!(!purses.spend("day", "c", usdc(1), on(101)).await.unwrap(), "yesterday's job is yesterday's");
    assert!(
        !purses.spend("day", "d", usdc(1), on(100)).await.unwrap(),
        "a clock that steps back gives nothing"
    );
    assert_eq!(purses.of("day").await.unwrap().spent_on(on(102)), usdc(0));
}

async fn of_many_at_once_as_many_as_fit(purses: &Purses) {
    allow(purses, "many", 50, 399).await;
    let jobs: Vec<String> = (0..20).map(|job| format!("job {job}")).collect();
    let all = jobs.iter().map(|job| purses.spend("many", job, usdc(50), on(100)));
    let outcomes = futures_util::future::join_all(all).await;
    assert_eq!(outcomes.into_iter().filter(|spent| *spent.as_ref().unwrap()).count(), 7);
    assert_eq!(purses.of("many").await.unwrap().spent, usdc(350));
}

fn credit(job: &str) -> Credit {
    Credit {
        job: job.to_owned(),
        agent: "summarizer".into(),
        amount: usdc(5),
        transaction: "0x1".into(),
        taken: None,
    }
}

async fn a_credit_is_taken_once(purses: &Purses) {
    for _ in 0..2 {
        purses.keep("credit", credit("vain")).await.unwrap();
    }
    let take =
        |agent: &'static str, amount, job: &'static str| purses.take("credit", (agent, usdc(amount)), job);
    assert_eq!(take("other", 5, "a").await.unwrap(), None);
    assert_eq!(take("summarizer", 4, "a").await.unwrap(), None);
    for _ in 0..2 {
        assert_eq!(take("summarizer", 5, "a").await.unwrap().unwrap().transaction, "0x1");
    }
    assert_eq!(take("summarizer", 5, "b").await.unwrap(), None, "it is taken");
    purses.used("credit", "a", false).await.unwrap();
    assert!(take("summarizer", 5, "b").await.unwrap().is_some());
    purses.used("credit", "b", true).await.unwrap();
    assert_eq!(take("summarizer", 5, "c").await.unwrap(), None);
}

async fn no_credit_is_forgotten(purses: &Purses) {
    let jobs: Vec<String> = (0..=100).map(|job| format!("job {job}")).collect();
    for (number, job) in jobs.iter().enumerate() {
        let has_room = purses.of("hoard").await.unwrap().has_room_for_a_credit();
        assert_eq!(has_room, number < 100, "{number}");
        // The last was settled while there was room.
        purses.keep("hoard", credit(job)).await.unwrap();
    }
    let kept = purses.of("hoard").await.unwrap().credits;
    assert_eq!(kept, jobs.iter().map(|job| credit(job)).collect::<Vec<_>>());
}

/// A broker died after it had covered a price; to the next, the agent names another.
async fn a_job_may_be_asked_for_another_price(purses: &Purses) {
    allow(purses, "price", 10, 20).await;
    let spend = |amount| purses.spend("price", "job", usdc(amount), on(100));
    let so_far = async || purses.of("price").await.unwrap().spent;
    assert!(spend(10).await.unwrap() && spend(7).await.unwrap());
    assert_eq!(so_far().await, usdc(7), "the later one");
    assert!(!spend(11).await.unwrap());
    assert_eq!(so_far().await, usdc(0), "what is not covered costs nothing");
    purses.keep("price", credit("vain")).await.unwrap();
    let take = |amount, job: &'static str| purses.take("price", ("summarizer", usdc(amount)), job);
    assert!(take(5, "a").await.unwrap().is_some());
    assert_eq!(take(6, "a").await.unwrap(), None, "no credit pays for more than it is");
    assert!(take(5, "b").await.unwrap().is_some(), "and it is not lost");
}

/// A job was given up, and then taken up again after a crash.
async fn a_job_that_was_done_after_all_leaves_no_credit(purses: &Purses) {
    for job in ["one", "two"] {
        purses.keep("after all", credit(job)).await.unwrap();
    }
    purses.withdraw("after all", "one").await.unwrap();
    assert_eq!(purses.of("after all").await.unwrap().credits, [credit("two")]);
    // What pays for another job already stays with that.
    let taken = purses.take("after all", ("summarizer", usdc(5)), "other").await.unwrap();
    assert_eq!(taken.unwrap().job, "two");
    purses.withdraw("after all", "two").await.unwrap();
    assert_eq!(purses.of("after all").await.unwrap().credits.len(), 1);
}
