//! What became of a payment: landed by whoever sent it, dead only with proof, else pending.

use crate::support::{PRICE, STRANGER, World, attempt, dead, key, landed, prepare, settle};
use tollwire_settlement::{Chain, Observation};
use tollwire_x402::{Usdc, reason};

#[tokio::test]
async fn nothing_sent_is_pending() {
    let world = World::base().await;
    assert_eq!(world.chain.observe(&world.payment()).await.unwrap(), Observation::Pending(None));
}

#[tokio::test]
async fn a_stranger_who_submits_it_has_paid_for_us() {
    let world = World::base().await;
    let payload = world.signed(world.authorization());
    let stolen = world.anvil.submit_authorization(STRANGER, &World::stolen(&payload)).await.unwrap();
    world.anvil.succeeded(&stolen).await.unwrap();
    let landing = landed(world.chain.observe(&world.recorded(&payload)).await.unwrap());
    assert_eq!(landing.tx, stolen);
    assert_eq!(landing.gas, Usdc::ZERO, "the stranger paid for the gas");
    assert_eq!(world.received().await, PRICE);
}

#[tokio::test]
async fn a_stranger_who_is_faster_leaves_us_a_revert_and_the_money() {
    let world = World::base().await;
    let payload = world.signed(world.authorization());
    let mut payment = world.recorded(&payload);
    world.anvil.set_automine(false).await.unwrap();
    prepare(&world.chain, &mut payment).await.unwrap();
    let stolen = world.anvil.submit_authorization(STRANGER, &World::stolen(&payload)).await.unwrap();
    world.anvil.mine(1).await.unwrap();
    world.chain.broadcast(&payment.attempts[0]).await.unwrap();
    world.anvil.mine(1).await.unwrap();
    let landing = landed(world.chain.observe(&payment).await.unwrap());
    assert_eq!(landing.tx, stolen);
    assert!(landing.gas > Usdc::ZERO, "our reverted transaction cost something");
    assert_eq!(world.received().await, PRICE);
}

#[tokio::test]
async fn a_stolen_payment_is_found_many_blocks_later() {
    let world = World::with(8453, |config| config.log_blocks = 100).await;
    let payload = world.signed(world.authorization());
    let payment = world.recorded(&payload);
    world.anvil.mine(500).await.unwrap();
    let stolen = world.anvil.submit_authorization(STRANGER, &World::stolen(&payload)).await.unwrap();
    world.mined(&stolen).await;
    world.anvil.mine(1_500).await.unwrap();
    assert_eq!(landed(world.chain.observe(&payment).await.unwrap()).tx, stolen);
}

#[tokio::test]
async fn cancelled_by_the_payer_is_dead_and_credits_nothing() {
    let world = World::base().await;
    let mut payment = world.payment();
    let payer = world.payer.address().to_string();
    let nonce = [1; 32];
    let digest = world.anvil.cancel_digest(&payer, nonce).await.unwrap();
    let signature = world.payer.sign_digest(&digest).unwrap();
    prepare(&world.chain, &mut payment).await.unwrap();
    world.anvil.cancel_authorization(&payer, nonce, signature.as_bytes()).await.unwrap();
    let observed = world.chain.observe(&payment).await.unwrap();
    assert_eq!(dead(observed), reason::EVM_NONCE_ALREADY_USED);
    // Our transaction arrives too late and reverts; nothing changes.
    world.chain.broadcast(&payment.attempts[0]).await.unwrap();
    world.mined(&payment.attempts[0].tx).await;
    let observed = world.chain.observe(&payment).await.unwrap();
    assert_eq!(dead(observed), reason::EVM_NONCE_ALREADY_USED);
    assert_eq!(world.received().await, 0);
}

#[tokio::test]
async fn a_nonce_spent_on_somebody_else_is_dead() {
    let world = World::base().await;
    let ours = world.authorization();
    let mut other = ours.clone();
    other.to = key(9).address();
    let other = world.signed(other);
    let tx = world.anvil.submit_authorization(STRANGER, &World::stolen(&other)).await.unwrap();
    world.anvil.succeeded(&tx).await.unwrap();
    // The very same amount from the same payer arrives by another way; it does not count for this authorization.
    let plain = world.payer.address().to_string();
    world.anvil.set_eth(&plain, 10_u128.pow(18)).await.unwrap();
    world.anvil.transfer(&plain, world.deposit_wallet(), PRICE).await.unwrap();
    let observed = world.chain.observe(&world.recorded(&world.signed(ours))).await.unwrap();
    assert_eq!(dead(observed), reason::EVM_NONCE_ALREADY_USED);
}

#[tokio::test]
async fn expiry_is_proven_by_the_chains_clock_and_some_blocks() {
    let world = World::with(8453, |config| config.expiry_depth = 3).await;
    let payment = world.payment();
    world.anvil.advance_time(61).await.unwrap();
    for _ in 0..3 {
        let observed = world.chain.observe(&payment).await.unwrap();
        assert_eq!(observed, Observation::Pending(None), "not deep enough");
        world.anvil.mine(1).await.unwrap();
    }
    assert_eq!(dead(world.chain.observe(&payment).await.unwrap()), reason::EVM_VALID_BEFORE);
}

#[tokio::test]
async fn a_payment_that_landed_before_it_expired_has_landed() {
    let world = World::with(8453, |config| config.expiry_depth = 1).await;
    let mut payment = world.payment();
    settle(&world.chain, &mut payment).await;
    world.anvil.advance_time(3600).await.unwrap();
    world.anvil.mine(20).await.unwrap();
    landed(world.chain.observe(&payment).await.unwrap());
    // Also for a process that lost its attempts.
    payment.attempts.clear();
    landed(world.chain.observe(&payment).await.unwrap());
}

#[tokio::test]
async fn a_revert_is_not_the_end_while_the_authorization_is_good() {
    let world = World::base().await;
    let mut payment = world.payment();
    let payer = world.payer.address().to_string();
    world.anvil.set_eth(&payer, 10_u128.pow(18)).await.unwrap();
    prepare(&world.chain, &mut payment).await.unwrap();
    let funds = world.anvil.balance_of(&payer).await.unwrap();
    world.anvil.transfer(&payer, STRANGER, funds).await.unwrap();
    world.chain.broadcast(&payment.attempts[0]).await.unwrap();
    let sent = payment.attempts[0].tx.clone();
    world.mined(&sent).await;
    assert_eq!(world.chain.observe(&payment).await.unwrap(), Observation::Pending(None), "spent");
    // The payer has money again, and the next attempt lands.
    world.anvil.mint(&payer, PRICE).await.unwrap();
    settle(&world.chain, &mut payment).await;
    assert_eq!(payment.attempts.len(), 2);
    assert_eq!(world.received().await, PRICE);
}

#[tokio::test]
async fn confirmations_are_waited_for() {
    let world = World::with(8453, |config| config.confirmations = 3).await;
    let mut payment = world.payment();
    let sent = attempt(&world.chain, &mut payment).await.unwrap();
    world.mined(&sent.tx).await;
    for _ in 0..2 {
        let observed = world.chain.observe(&payment).await.unwrap();
        assert_eq!(observed, Observation::Pending(Some(sent.tx.clone())));
        world.anvil.mine(1).await.unwrap();
    }
    assert_eq!(landed(world.chain.observe(&payment).await.unwrap()).tx, sent.tx);
}
