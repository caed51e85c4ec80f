//! A payment moves USDC once.

use crate::support::{FUNDS, PRICE, World, attempt, prepare, settle};
use tollwire_settlement::{Chain, ChainError};
use tollwire_x402::reason;

#[tokio::test]
async fn a_valid_payment_moves_usdc_exactly_once_on_both_chains() {
    for chain_id in [8453, 84532] {
        let world = World::start(chain_id).await;
        let payload = world.signed(world.authorization());
        world.verify(&payload).await.unwrap();
        let mut payment = world.recorded(&payload);
        let landing = settle(&world.chain, &mut payment).await;

        assert_eq!(landing.tx, payment.attempts[0].tx);
        let transfers = world.anvil.transfers_to(world.deposit_wallet()).await.unwrap();
        assert_eq!(transfers.len(), 1);
        assert_eq!((transfers[0].value, &transfers[0].tx), (PRICE, &landing.tx));
        assert_eq!(transfers[0].block, landing.block);
        let payer = world.payer.address().to_string();
        assert_eq!(world.anvil.balance_of(&payer).await.unwrap(), FUNDS - PRICE);
        // About 100,000 gas at about 1 gwei and $3000 for a whole coin: between 10 cents and a dollar.
        assert!((100_000..1_000_000).contains(&landing.gas.atomic()), "{:?}", landing.gas);
    }
}

#[tokio::test]
async fn a_payment_sent_again_is_refused_before_it_costs_gas() {
    let world = World::base().await;
    let payload = world.signed(world.authorization());
    let mut payment = world.recorded(&payload);
    settle(&world.chain, &mut payment).await;

    let refusal = world.verify(&payload).await.unwrap_err();
    assert_eq!(refusal.reason, reason::EVM_NONCE_ALREADY_USED);
    let mut again = world.recorded(&payload);
    let error = prepare(&world.chain, &mut again).await.unwrap_err();
    assert!(matches!(&error, ChainError::Refused(text) if text.contains("used or canceled")), "{error}");
    assert_eq!(world.received().await, PRICE);
}

#[tokio::test]
async fn the_same_attempt_broadcast_again_is_success_and_moves_nothing_more() {
    let world = World::base().await;
    let mut payment = world.payment();
    world.anvil.set_automine(false).await.unwrap();
    let sent = attempt(&world.chain, &mut payment).await.unwrap();
    world.chain.broadcast(&sent).await.expect("already known");
    world.anvil.mine(1).await.unwrap();
    world.chain.broadcast(&sent).await.expect("already mined");
    assert_eq!(world.received().await, PRICE);
}

#[tokio::test]
async fn a_signature_with_v_of_0_or_1_settles_as_well() {
    let world = World::base().await;
    let mut payload = world.signed(world.authorization());
    payload.signature[64] -= 27;
    world.verify(&payload).await.unwrap();
    settle(&world.chain, &mut world.recorded(&payload)).await;
    assert_eq!(world.received().await, PRICE);
}

#[tokio::test]
async fn twenty_at_once_all_land_with_consecutive_nonces() {
    let world = std::sync::Arc::new(World::base().await);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let world = std::sync::Arc::clone(&world);
        tasks.spawn(async move {
            let mut payment = world.payment();
            settle(&world.chain, &mut payment).await;
            payment.attempts[0].nonce.unwrap()
        });
    }
    let mut nonces = tasks.join_all().await;
    nonces.sort_unstable();
    assert_eq!(nonces, (0..20).collect::<Vec<_>>());
    assert_eq!(world.received().await, 20 * PRICE);
}

#[tokio::test]
async fn twenty_at_once_share_blocks_when_blocks_are_slow() {
    let world = std::sync::Arc::new(World::base().await);
    world.anvil.set_automine(false).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let world = std::sync::Arc::clone(&world);
        tasks.spawn(async move {
            let mut payment = world.payment();
            attempt(&world.chain, &mut payment).await.unwrap();
            payment
        });
    }
    let payments = tasks.join_all().await;
    world.anvil.mine(1).await.unwrap();
    for payment in &payments {
        crate::support::landed(world.chain.observe(payment).await.unwrap());
    }
    assert_eq!(world.received().await, 20 * PRICE);
}
