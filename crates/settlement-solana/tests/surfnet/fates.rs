//! Dead needs proof: a failure that is final, or a blockhash that is gone for good.

use crate::support::{LAMPORTS, PRICE, World, dead, key, landed, prepare, settle, until_known};
use std::time::{Duration, Instant};
use tollwire_settlement::{Chain, ChainError, Observation};
use tollwire_testkit::solana::DEVNET_USDC;
use tollwire_x402::reason;

#[tokio::test]
async fn what_was_never_sent_dies_with_its_blockhash_and_not_before() {
    let world = World::start().await;
    let mut payment = world.payment().await;
    prepare(&world.chain, &mut payment).await.unwrap();
    let begun = Instant::now();
    assert!(matches!(world.chain.observe(&payment).await.unwrap(), Observation::Pending(Some(_))));
    let reason = dead(until_known(&world.chain, &payment).await);
    assert_eq!(reason, reason::SVM_TRANSACTION_FAILED);
    // 150 blocks at 50 ms, and as many more as make that final.
    assert!(begun.elapsed() > Duration::from_secs(7), "{:?}", begun.elapsed());
    // Sent now, it does not land any more.
    world.chain.broadcast(&payment.attempts[0]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(world.received().await, 0);
    dead(world.chain.observe(&payment).await.unwrap());
}

#[tokio::test]
async fn what_landed_is_landed_however_late_anybody_looks() {
    let world = World::start().await;
    let mut payment = world.payment().await;
    let landing = settle(&world.chain, &mut payment).await;
    let last_height = payment.attempts[0].nonce.unwrap();
    while world.node.height("finalized").await.unwrap() <= last_height {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(landed(world.chain.observe(&payment).await.unwrap()), landing);
}

#[tokio::test]
async fn what_fails_on_chain_is_dead_once_that_is_final_and_its_fee_is_counted() {
    let world = World::with(|config| config.failed_fees_max = 10_000).await;
    let mut payment = world.payment().await;
    let attempt = prepare(&world.chain, &mut payment).await.unwrap();
    // Between our look and the block the money goes elsewhere.
    world.node.mint(DEVNET_USDC, &world.payer.address().to_string(), 0).await.unwrap();
    world.chain.broadcast(&attempt).await.unwrap();
    let reason = dead(until_known(&world.chain, &payment).await);
    assert_eq!(reason, reason::SVM_TRANSACTION_FAILED);
    assert_eq!(world.received().await, 0);
    let fee_payer = key(8).address().to_string();
    assert_eq!(world.node.lamports(&fee_payer).await.unwrap(), LAMPORTS - 10_001, "we paid for it");
    // That was the budget: nothing more is risked, for whomever.
    world.node.mint(DEVNET_USDC, &world.payer.address().to_string(), PRICE).await.unwrap();
    let refused = prepare(&world.chain, &mut world.payment().await).await.unwrap_err();
    assert!(matches!(&refused, ChainError::Refused(why) if why.contains("failed_fees_max")), "{refused}");
}

#[tokio::test]
async fn a_payment_that_was_never_signed_ends_when_it_is_over_and_its_blockhash_gone() {
    let world = World::start().await;
    let mut payment = world.payment().await;
    assert_eq!(world.chain.observe(&payment).await.unwrap(), Observation::Pending(None));
    payment.intent.valid_before = crate::support::now();
    let begun = Instant::now();
    let reason = dead(until_known(&world.chain, &payment).await);
    assert_eq!(reason, reason::SVM_TRANSACTION_FAILED);
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
}
