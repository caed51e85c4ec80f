//! Several settlement accounts; accounts that run dry, nonces that go elsewhere, gaps that are repaired.

use crate::support::{
    PRICE, World, attempt, attempt_shared, attempt_together, config, key, settle, until_landed,
};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use tollwire_settlement::{Chain, ChainError};
use tollwire_settlement_evm::{Error, EvmChain};

const SECOND: u8 = 0x43;
const THIRD: u8 = 0x44;

/// A chain with three settlement accounts, each with money for gas.
async fn three(world: &World) -> Arc<EvmChain> {
    let mut changed = config(&world.anvil);
    for byte in [SECOND, THIRD] {
        changed.more_keys.push(hex::encode([byte; 32]));
        world.anvil.set_eth(&key(byte).address().to_string(), 10_u128.pow(18)).await.unwrap();
    }
    Arc::new(EvmChain::connect(changed).await.unwrap())
}

#[tokio::test]
async fn work_goes_to_whichever_account_is_free() {
    let world = World::base().await;
    let chain = three(&world).await;
    assert_eq!(chain.signers().len(), 3);
    assert_eq!(chain.info().deposit_wallet, chain.signers()[0], "deposits go to the first");
    // Three at once, each with an account of its own: nobody waits, nobody shares.
    let payments = [world.payment(), world.payment(), world.payment()];
    let (a, b, c) = tokio::join!(
        chain.turn_for(&payments[0]),
        chain.turn_for(&payments[1]),
        chain.turn_for(&payments[2])
    );
    let turns = [a.unwrap(), b.unwrap(), c.unwrap()];
    let mut signers = BTreeSet::new();
    for (turn, mut payment) in turns.iter().zip(payments) {
        let sent = chain.prepare(&payment, turn.as_ref()).await.unwrap();
        payment.attempts.push(sent.clone());
        chain.broadcast(&sent).await.unwrap();
        until_landed(&chain, &payment).await;
        signers.insert(sent.signer);
    }
    assert_eq!(signers, chain.signers().into_iter().collect());
    assert_eq!(world.received().await, 3 * PRICE);
}

#[tokio::test]
async fn what_each_account_has_left_is_told_and_what_is_little_is_called_low() {
    let world = World::base().await;
    let chain = three(&world).await;
    world.anvil.set_eth(&chain.signers()[1], 1_000).await.unwrap();
    let purses = chain.purses().await.unwrap();
    let accounts: Vec<&String> = purses.iter().map(|purse| &purse.account).collect();
    assert_eq!(accounts, chain.signers().iter().collect::<Vec<_>>());
    assert_eq!(purses.iter().map(|purse| purse.low).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!((purses[1].balance, purses[2].balance), (1_000, 10_u128.pow(18)));
    assert_eq!((purses[0].coin, purses[0].decimals), ("ETH", 18));
}

#[tokio::test]
async fn an_account_without_money_leaves_its_work_to_another() {
    let world = World::base().await;
    let chain = three(&world).await;
    for signer in &chain.signers()[..2] {
        world.anvil.set_eth(signer, 0).await.unwrap();
    }
    for _ in 0..4 {
        let mut payment = world.payment();
        let sent = loop {
            match attempt_shared(&chain, &mut payment).await {
                Ok(sent) => break sent,
                Err(error) => assert_eq!(error, ChainError::Busy),
            }
        };
        assert_eq!((payment.attempts.len(), &sent.signer), (1, &chain.signers()[2]));
        until_landed(&chain, &payment).await;
    }
    // Nobody has any: said as it is.
    world.anvil.set_eth(&chain.signers()[2], 0).await.unwrap();
    let mut payment = world.payment();
    let error = loop {
        match attempt_shared(&chain, &mut payment).await {
            Err(ChainError::Busy) => {}
            other => break other.unwrap_err(),
        }
    };
    assert!(matches!(error, ChainError::OutOfGas(_)), "{error}");
}

#[tokio::test]
async fn what_one_account_has_sent_another_does_not_send_again() {
    let world = World::base().await;
    world.anvil.set_automine(false).await.unwrap();
    let chain = three(&world).await;
    let mut payment = world.payment();
    let first = attempt_shared(&chain, &mut payment).await.unwrap();
    let second = attempt_shared(&chain, &mut payment).await.unwrap();
    assert_eq!((&first.signer, first.nonce), (&second.signer, second.nonce), "outbid in its place");
    world.anvil.mine(1).await.unwrap();
    assert_eq!(until_landed(&chain, &payment).await.tx, second.tx);
}

#[tokio::test]
async fn a_key_twice_or_unreadable_is_refused() {
    let world = World::base().await;
    let mut twice = config(&world.anvil);
    twice.more_keys.push(twice.settlement_key.clone());
    let error = EvmChain::connect(twice).await.unwrap_err();
    assert!(matches!(&error, Error::Config { key: "settlement_keys", .. }), "{error}");
    let mut unreadable = config(&world.anvil);
    unreadable.more_keys.push("0xsecret".into());
    let error = EvmChain::connect(unreadable).await.unwrap_err().to_string();
    assert!(!error.contains("secret"), "{error}");
}

#[tokio::test]
async fn what_the_node_lost_is_sent_again_before_anything_is_put_behind_it() {
    let world = World::base().await;
    world.anvil.set_automine(false).await.unwrap();
    let mut sent = Vec::new();
    for _ in 0..3 {
        let mut payment = world.payment();
        attempt(&world.chain, &mut payment).await.unwrap();
        sent.push(payment);
    }
    // The node forgets the second; the third waits behind the gap.
    let lost = &sent[1].attempts[0];
    world.anvil.rpc("anvil_dropTransaction", json!([lost.tx])).await.unwrap();
    let mut next = world.payment();
    attempt(&world.chain, &mut next).await.unwrap();
    assert_eq!(next.attempts[0].nonce, Some(3));
    sent.push(next);
    world.anvil.mine(1).await.unwrap();
    for payment in &sent {
        until_landed(&world.chain, payment).await;
    }
    assert_eq!(world.sent().await, (4, 4));
}

#[tokio::test]
async fn a_nonce_that_was_attached_and_never_sent_is_the_next_ones() {
    let world = World::base().await;
    let held = world.chain.turn().await.unwrap();
    let mut dead = world.payment();
    dead.attempts.push(world.chain.prepare(&dead, held.as_ref()).await.unwrap());
    drop(held);
    let payments = (0..3).map(|_| world.payment()).collect();
    for (payment, attempt) in attempt_together(&world.chain, payments).await {
        assert_eq!(attempt.unwrap().nonce, dead.attempts[0].nonce);
        until_landed(&world.chain, &payment).await;
    }
    // Its own record can only be superseded; it is prepared again.
    let error = world.chain.broadcast(&dead.attempts[0]).await.unwrap_err();
    assert!(matches!(error, ChainError::Superseded(_)), "{error}");
    settle(&world.chain, &mut dead).await;
    assert_eq!(world.sent().await, (2, 2));
}
