//! A node that is gone, frozen or emptied is never evidence against a payment.

use crate::support::{PRICE, World, landed, now, prepare, settle};
use std::time::Duration;
use tollwire_settlement::{Chain, ChainError};

#[tokio::test]
async fn a_stopped_node_answers_nothing_and_everything_once_it_is_back() {
    let mut world = World::base().await;
    let mut payment = world.payment();
    settle(&world.chain, &mut payment).await;
    world.anvil.stop().await.unwrap();

    let unavailable = |error: &ChainError| matches!(error, ChainError::Unavailable(_));
    assert!(unavailable(&world.chain.observe(&payment).await.unwrap_err()));
    assert!(unavailable(&world.chain.broadcast(&payment.attempts[0]).await.unwrap_err()));
    assert!(unavailable(&prepare(&world.chain, &mut world.payment()).await.unwrap_err()));
    let payload = world.signed(world.authorization()).to_json();
    let verified = world.chain.verify(&world.requirements(), &payload, now()).await;
    assert!(unavailable(&verified.unwrap_err()));

    world.anvil.start_again().await.unwrap();
    landed(world.chain.observe(&payment).await.unwrap());
    world.chain.broadcast(&payment.attempts[0]).await.expect("mined already");
    assert_eq!(world.received().await, PRICE);
}

#[tokio::test]
async fn an_emptied_node_proves_nothing_even_after_expiry() {
    let mut world = World::with(8453, |config| config.expiry_depth = 1).await;
    let mut payment = world.payment();
    settle(&world.chain, &mut payment).await;
    world.anvil.start_empty().await.unwrap();
    world.anvil.advance_time(3600).await.unwrap();
    world.anvil.mine(5).await.unwrap();
    let error = world.chain.observe(&payment).await.unwrap_err();
    assert!(matches!(error, ChainError::Unavailable(_)), "{error}");
}

#[tokio::test]
async fn a_frozen_node_is_waited_for_only_so_long() {
    let world = World::with(8453, |config| config.request_timeout = Duration::from_secs(2)).await;
    let payment = world.payment();
    world.anvil.freeze().await.unwrap();
    let error = world.chain.observe(&payment).await.unwrap_err();
    assert!(error.to_string().contains("no answer within 2s"), "{error}");
    world.anvil.thaw().await.unwrap();
    world.chain.observe(&payment).await.unwrap();
}

#[tokio::test]
async fn a_node_of_another_kind_is_no_evidence() {
    let world = World::base().await;
    let payment = world.payment();
    world.anvil.rpc("anvil_setCode", serde_json::json!([world.anvil.usdc(), "0x"])).await.unwrap();
    let error = world.chain.observe(&payment).await.unwrap_err();
    assert!(error.to_string().contains("nonsense"), "{error}");
}
