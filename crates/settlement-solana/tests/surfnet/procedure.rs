//! The settlement procedure over the real node.

use crate::support::{PRICE, World, prepare};
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tollwire_ledger::memory::MemoryLedger;
use tollwire_ledger::model::{Fate, Landing};
use tollwire_ledger::{Command, Ledger, Outcome, SystemClock};
use tollwire_settlement::{Chain, Settled, Settler, SettlerConfig};
use tollwire_x402::reason;

const WAIT: Duration = Duration::from_secs(30);

fn ledger() -> Arc<MemoryLedger> {
    Arc::new(MemoryLedger::new(Arc::new(SystemClock)))
}

fn settler(world: &World, ledger: &Arc<MemoryLedger>) -> Arc<Settler> {
    let chains: Vec<Arc<dyn Chain>> = vec![world.chain.clone()];
    Arc::new(Settler::new(ledger.clone(), chains, Arc::new(SystemClock), SettlerConfig::default()))
}

async fn settle(world: &World, settler: &Settler, payload: &Value) -> Settled {
    let intent = world.recorded(payload).intent;
    settler.settle(&world.requirements(), intent, world.id(payload), WAIT).await.unwrap()
}

async fn done(ledger: &MemoryLedger, command: Command) {
    assert!(matches!(ledger.apply(command).await.unwrap(), Outcome::Done(_)));
}

fn landing(settled: Settled) -> Landing {
    let Settled::Credited { payment, .. } = settled else { panic!("not credited: {settled:?}") };
    let Fate::Credited(landing) = payment.fate else { panic!("not landed") };
    landing
}

#[tokio::test]
async fn the_same_payment_fifty_times_at_once_settles_once() {
    let world = Arc::new(World::start().await);
    let settler = settler(&world, &ledger());
    let payload = world.payload().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (world, settler, payload) = (world.clone(), settler.clone(), payload.clone());
        tasks.spawn(async move { landing(settle(&world, &settler, &payload).await).tx });
    }
    let mut landed = tasks.join_all().await;
    landed.dedup();
    assert_eq!(landed.len(), 1);
    assert_eq!(world.received().await, PRICE);
    assert_eq!(landing(settle(&world, &settler, &payload).await).tx, landed[0], "and once more, later");
    assert_eq!(world.received().await, PRICE);
}

#[tokio::test]
async fn a_signature_in_our_place_does_not_make_another_payment() {
    let world = World::start().await;
    let settler = settler(&world, &ledger());
    let payload = world.payload().await;
    let first = landing(settle(&world, &settler, &payload).await);
    let mut transaction =
        tollwire_exact::solana::Transaction::from_base64(payload["transaction"].as_str().unwrap()).unwrap();
    let mut bytes = transaction.to_bytes();
    bytes[1..65].fill(7);
    transaction = tollwire_exact::solana::Transaction::from_bytes(&bytes).unwrap();
    let bent = serde_json::json!({ "transaction": transaction.to_base64() });
    assert_eq!(landing(settle(&world, &settler, &bent).await), first);
    assert_eq!(world.arrivals().await, 1);
}

#[tokio::test]
async fn thirty_payments_at_once_take_no_turns() {
    let world = Arc::new(World::start().await);
    let settler = settler(&world, &ledger());
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let payload = world.payload().await;
        let (world, settler) = (world.clone(), settler.clone());
        tasks.spawn(async move { landing(settle(&world, &settler, &payload).await).tx });
    }
    let mut landed = tasks.join_all().await;
    landed.sort();
    landed.dedup();
    assert_eq!(landed.len(), 30);
    println!("30 settlements in {:?}", start.elapsed());
    assert_eq!(world.received().await, 30 * PRICE);
}

#[tokio::test]
async fn a_crash_between_the_record_of_a_transaction_and_its_sending_costs_nobody_anything() {
    let world = World::start().await;
    let ledger = ledger();
    let payload = world.payload().await;
    let (mut payment, id) = (world.recorded(&payload), world.id(&payload));
    let session = payment.intent.session.clone();
    let intent = Box::new(payment.intent.clone());
    done(&ledger, Command::Record { payment: id.clone(), intent }).await;
    let attempt = prepare(&world.chain, &mut payment).await.unwrap();
    let attach = Command::Attach { payment: id.clone(), session, attempt: attempt.clone() };
    done(&ledger, attach).await;
    // Here the process dies. The next one finds the record and goes on.
    let next = settler(&world, &ledger);
    let landed = landing(next.await_fate(&id, WAIT).await.unwrap());
    assert_eq!(landed.tx, attempt.tx);
    assert_eq!(landing(settle(&world, &next, &payload).await), landed);
    assert_eq!(world.arrivals().await, 1);
}

#[tokio::test]
async fn a_payment_that_dies_is_refused_for_good_and_another_is_taken() {
    let world = World::start().await;
    let ledger = ledger();
    let payload = world.payload().await;
    let (mut payment, id) = (world.recorded(&payload), world.id(&payload));
    let intent = Box::new(payment.intent.clone());
    let session = payment.intent.session.clone();
    done(&ledger, Command::Record { payment: id.clone(), intent }).await;
    let attempt = prepare(&world.chain, &mut payment).await.unwrap();
    done(&ledger, Command::Attach { payment: id.clone(), session, attempt: attempt.clone() }).await;
    // The next process comes when its blockhash is long gone.
    while world.node.height("finalized").await.unwrap() <= attempt.nonce.unwrap() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let next = settler(&world, &ledger);
    let Settled::Refused(refusal) = next.await_fate(&id, WAIT).await.unwrap() else { panic!("not refused") };
    assert_eq!(refusal.reason, reason::SVM_TRANSACTION_FAILED);
    let Settled::Refused(again) = settle(&world, &next, &payload).await else { panic!("not refused") };
    assert_eq!(again.reason, reason::SVM_TRANSACTION_FAILED);
    landing(settle(&world, &next, &world.payload().await).await);
    assert_eq!(world.arrivals().await, 1);
}
