//! The settlement procedure over the real chain.

use crate::support::{PRICE, STRANGER, World};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tollwire_exact::evm::Payload;
use tollwire_ledger::SystemClock;
use tollwire_ledger::memory::MemoryLedger;
use tollwire_settlement::{Chain, Settled, Settler, SettlerConfig};
use tollwire_x402::{Usdc, reason};

const WAIT: Duration = Duration::from_secs(30);

fn settler(world: &World) -> Arc<Settler> {
    let clock = Arc::new(SystemClock);
    let ledger = Arc::new(MemoryLedger::new(clock.clone()));
    let chains: Vec<Arc<dyn Chain>> = vec![world.chain.clone()];
    Arc::new(Settler::new(ledger, chains, clock, SettlerConfig::default()))
}

async fn settle(world: &World, settler: &Settler, payload: &Payload) -> Settled {
    let intent = world.recorded(payload).intent;
    settler.settle(&world.requirements(), intent, payload.id(&world.domain()), WAIT).await.unwrap()
}

/// As the payer, whose proof was checked.
async fn claim(world: &World, settler: &Settler, payload: &Payload) -> Settled {
    let intent = world.recorded(payload).intent;
    settler.claim(&world.requirements(), intent, payload.id(&world.domain()), WAIT).await.unwrap()
}

fn landing(settled: Settled) -> (String, Usdc) {
    let Settled::Credited { payment, .. } = settled else { panic!("not credited: {settled:?}") };
    let tollwire_ledger::model::Fate::Credited(landing) = payment.fate else { panic!("not landed") };
    (landing.tx, landing.gas)
}

#[tokio::test]
async fn the_same_payment_fifty_times_at_once_settles_once() {
    let world = Arc::new(World::base().await);
    let settler = settler(&world);
    let payload = world.signed(world.authorization());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (world, settler, payload) = (world.clone(), settler.clone(), payload.clone());
        tasks.spawn(async move { landing(settle(&world, &settler, &payload).await).0 });
    }
    let mut landed = tasks.join_all().await;
    landed.dedup();
    assert_eq!(landed.len(), 1);
    assert_eq!(world.received().await, PRICE);
    let signer = world.settlement().to_string();
    assert_eq!(world.anvil.transaction_count(&signer).await.unwrap(), 1);
}

#[tokio::test]
async fn thirty_payments_at_once_take_seconds_and_one_nonce_each() {
    let world = Arc::new(World::with(8453, |config| config.batch_max = 1).await);
    let settler = settler(&world);
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let (world, settler) = (world.clone(), settler.clone());
        let payload = world.signed(world.authorization());
        tasks.spawn(async move { landing(settle(&world, &settler, &payload).await) });
    }
    tasks.join_all().await;
    let took = start.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    println!("30 settlements in {took:?}");
    assert_eq!(world.received().await, 30 * PRICE);
    let signer = world.settlement().to_string();
    assert_eq!(world.anvil.transaction_count(&signer).await.unwrap(), 30);
}

#[tokio::test]
async fn a_race_with_a_thief_is_credited_once_from_whichever_landed() {
    let world = World::base().await;
    let settler = settler(&world);
    world.anvil.set_automine(false).await.unwrap();
    let payload = world.signed(world.authorization());
    world.anvil.submit_authorization(STRANGER, &World::stolen(&payload)).await.unwrap();
    // Both transactions wait for the same block; one of them will revert there.
    let signer = world.settlement().to_string();
    let miner = async {
        while world.anvil.rpc("eth_getTransactionCount", json!([signer, "pending"])).await.unwrap() != "0x1" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        world.anvil.mine(1).await.unwrap();
    };
    let (settled, ()) = tokio::join!(settle(&world, &settler, &payload), miner);
    let (tx, gas) = landing(settled);
    assert!(gas > Usdc::ZERO, "our transaction cost something, landed or reverted");
    let transfers = world.anvil.transfers_to(world.deposit_wallet()).await.unwrap();
    assert_eq!(transfers.iter().map(|transfer| &transfer.tx).collect::<Vec<_>>(), [&tx]);
}

#[tokio::test]
async fn what_a_stranger_submitted_first_is_credited_once_unless_it_is_older_than_the_store() {
    let world = World::base().await;
    let early = settler(&world);
    // Blocks have whole seconds; this one is to be later than the store's.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let payload = world.signed(world.authorization());
    let stolen = world.anvil.submit_authorization(STRANGER, &World::stolen(&payload)).await.unwrap();
    world.mined(&stolen).await;
    let late = settler(&world);
    let Settled::Refused(refusal) = claim(&world, &late, &payload).await else { panic!("not refused") };
    assert_eq!(refusal.reason, reason::EVM_NONCE_ALREADY_USED);
    assert_eq!(settle(&world, &early, &payload).await, Settled::Unclaimed);
    for _ in 0..2 {
        assert_eq!(landing(claim(&world, &early, &payload).await), (stolen.clone(), Usdc::ZERO));
    }
    assert_eq!(world.received().await, PRICE);
    let signer = world.settlement().to_string();
    assert_eq!(world.anvil.transaction_count(&signer).await.unwrap(), 0, "nothing was sent");
}

#[tokio::test]
async fn a_cancelled_payment_is_refused_for_good() {
    let world = World::base().await;
    let settler = settler(&world);
    let payload = world.signed(world.authorization());
    let payer = world.payer.address().to_string();
    let nonce = payload.authorization.nonce;
    let digest = world.anvil.cancel_digest(&payer, nonce).await.unwrap();
    let signature = world.payer.sign_digest(&digest).unwrap();
    world.anvil.cancel_authorization(&payer, nonce, signature.as_bytes()).await.unwrap();
    let Settled::Refused(refusal) = settle(&world, &settler, &payload).await else { panic!("not refused") };
    assert_eq!(refusal.reason, reason::EVM_NONCE_ALREADY_USED);
    assert_eq!(world.received().await, 0);
}
