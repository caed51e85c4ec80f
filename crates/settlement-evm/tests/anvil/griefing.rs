//! A payer who lets us pay for transactions that move nothing.

use crate::support::World;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tollwire_ledger::SystemClock;
use tollwire_ledger::memory::MemoryLedger;
use tollwire_settlement::{Chain, Settled, Settler, SettlerConfig};
use tollwire_x402::reason;

const WAIT: Duration = Duration::from_secs(30);

/// How many payments may come to nothing.
const BOUND: u32 = 3;

async fn transactions(world: &World, at: &str) -> u32 {
    let signer = world.settlement().to_string();
    let count = world.anvil.rpc("eth_getTransactionCount", json!([signer, at])).await.unwrap();
    u32::from_str_radix(count.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

#[tokio::test]
async fn who_cancels_in_the_same_block_costs_gas_so_many_times_and_no_more() {
    let world = World::base().await;
    let clock = Arc::new(SystemClock);
    let ledger = Arc::new(MemoryLedger::new(clock.clone()));
    let chains: Vec<Arc<dyn Chain>> = vec![world.chain.clone()];
    let config = SettlerConfig { failures_per_payer: BOUND, ..SettlerConfig::default() };
    let settler = Settler::new(ledger, chains, clock, config);
    world.anvil.set_automine(false).await.unwrap();
    let payer = world.payer.address().to_string();
    for sent in 1..=BOUND + 1 {
        let mut authorization = world.authorization();
        authorization.nonce = [u8::try_from(sent).unwrap(); 32];
        let payload = world.signed(authorization);
        let digest = world.anvil.cancel_digest(&payer, payload.authorization.nonce).await.unwrap();
        let signature = world.payer.sign_digest(&digest).unwrap();
        let intent = world.recorded(&payload).intent;
        let (requirements, id) = (world.requirements(), payload.id(&world.domain()));
        let settle = settler.settle(&requirements, intent, id, WAIT);
        // The cancellation is seen in the pool before it is mined, as ours is: both wait for one block.
        let cancel = async {
            while sent <= BOUND && transactions(&world, "pending").await < sent {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let nonce = payload.authorization.nonce;
            world.anvil.cancel_first(&payer, nonce, signature.as_bytes()).await.unwrap();
            world.anvil.mine(1).await.unwrap();
        };
        let (settled, ()) = tokio::join!(settle, cancel);
        let Settled::Refused(refusal) = settled.unwrap() else { panic!("not refused") };
        let expected =
            if sent <= BOUND { reason::EVM_NONCE_ALREADY_USED } else { reason::SPONSOR_BUDGET_EXHAUSTED };
        assert_eq!((sent, refusal.reason), (sent, expected));
    }
    assert_eq!(transactions(&world, "latest").await, BOUND, "each was mined, and none came after them");
    assert_eq!(world.received().await, 0);
}
