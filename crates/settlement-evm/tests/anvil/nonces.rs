//! Account nonces: no gaps, whatever is lost on the way; one transaction per payment, whatever is repeated.

use crate::support::{PRICE, World, attempt, config, landed, prepare, settle, until_landed};
use std::sync::Arc;
use std::time::Duration;
use tollwire_ledger::SystemClock;
use tollwire_ledger::memory::MemoryLedger;
use tollwire_settlement::{Chain, ChainError};
use tollwire_settlement_evm::EvmChain;
use tollwire_testkit::link::{FaultLink, Faults};

#[tokio::test]
async fn killed_between_prepare_and_broadcast_the_stored_attempt_lands() {
    let world = World::base().await;
    let mut payment = world.payment();
    prepare(&world.chain, &mut payment).await.unwrap();
    let restarted = world.restarted().await;
    restarted.broadcast(&payment.attempts[0]).await.unwrap();
    assert_eq!(until_landed(&restarted, &payment).await.tx, payment.attempts[0].tx);
    assert_eq!(world.received().await, PRICE);
}

#[tokio::test]
async fn a_broadcast_that_never_arrived_leaves_no_gap() {
    let world = World::base().await;
    let link = FaultLink::start(world.anvil.address()).await.unwrap();
    let mut through_link = config(&world.anvil);
    through_link.rpc_url = format!("http://{}", link.address());
    let chain = EvmChain::connect(through_link).await.unwrap();

    let mut lost = world.payment();
    prepare(&chain, &mut lost).await.unwrap();
    link.set(Faults { refuse: true, ..Faults::default() });
    link.cut();
    let error = chain.broadcast(&lost.attempts[0]).await.unwrap_err();
    assert!(matches!(error, ChainError::Unavailable(_)), "{error}");
    link.set(Faults::default());

    let mut next = world.payment();
    settle(&chain, &mut next).await;
    assert_eq!(next.attempts[0].nonce, lost.attempts[0].nonce, "the nonce was free");
    let error = chain.broadcast(&lost.attempts[0]).await.unwrap_err();
    assert!(matches!(error, ChainError::Superseded(_)), "{error}");
    settle(&chain, &mut lost).await;
    assert_eq!(lost.attempts[1].nonce, Some(1));
    assert_eq!(world.received().await, 2 * PRICE);
}

#[tokio::test]
async fn what_the_node_forgot_is_sent_again_as_it_was() {
    let world = World::base().await;
    world.anvil.set_automine(false).await.unwrap();
    let mut payment = world.payment();
    let sent = attempt(&world.chain, &mut payment).await.unwrap();
    world.anvil.drop_pending().await.unwrap();
    world.chain.broadcast(&sent).await.unwrap();
    world.anvil.mine(1).await.unwrap();
    assert_eq!(landed(world.chain.observe(&payment).await.unwrap()).tx, sent.tx);
}

#[tokio::test]
async fn a_stuck_transaction_is_outbid_in_its_place_and_one_of_both_lands() {
    let world = World::base().await;
    world.anvil.set_automine(false).await.unwrap();
    let mut payment = world.payment();
    let first = attempt(&world.chain, &mut payment).await.unwrap();
    let second = attempt(&world.chain, &mut payment).await.unwrap();
    assert_eq!(first.nonce, second.nonce);
    assert_ne!(first.tx, second.tx);
    world.anvil.mine(1).await.unwrap();
    assert_eq!(landed(world.chain.observe(&payment).await.unwrap()).tx, second.tx);
    assert_eq!(world.received().await, PRICE);
    // The next payment goes on after it.
    world.anvil.set_automine(true).await.unwrap();
    let mut next = world.payment();
    settle(&world.chain, &mut next).await;
    assert_eq!(next.attempts[0].nonce, Some(1));
}

#[tokio::test]
async fn two_processes_that_prepare_the_same_payment_move_it_once() {
    let world = World::base().await;
    world.anvil.set_automine(false).await.unwrap();
    let other = world.restarted().await;
    let mut ours = world.payment();
    let mut theirs = ours.clone();
    prepare(&world.chain, &mut ours).await.unwrap();
    prepare(&other, &mut theirs).await.unwrap();
    world.chain.broadcast(&ours.attempts[0]).await.unwrap();
    // The same payment at the same nonce is the same transaction, byte for byte.
    other.broadcast(&theirs.attempts[0]).await.unwrap();
    assert_eq!(ours.attempts[0].raw, theirs.attempts[0].raw);
    world.anvil.mine(1).await.unwrap();
    for chain in [world.chain.as_ref(), &other] {
        assert_eq!(until_landed(chain, &ours).await.tx, ours.attempts[0].tx);
    }
    assert_eq!(world.received().await, PRICE);
}

#[tokio::test]
async fn a_key_used_elsewhere_is_noticed_and_survived() {
    let world = World::base().await;
    let mut payment = world.payment();
    prepare(&world.chain, &mut payment).await.unwrap();
    let signer = world.settlement().to_string();
    let elsewhere = world.anvil.send(&signer, &signer, &[]).await.unwrap();
    world.anvil.succeeded(&elsewhere).await.unwrap();
    let error = world.chain.broadcast(&payment.attempts[0]).await.unwrap_err();
    assert!(matches!(error, ChainError::Superseded(_)), "{error}");
    settle(&world.chain, &mut payment).await;
    assert_eq!(payment.attempts[1].nonce, Some(1));
}

#[tokio::test]
async fn one_turn_at_a_time_and_waiting_has_an_end() {
    let world = World::with(8453, |config| config.turn_wait = Duration::from_millis(50)).await;
    let turn = world.chain.turn().await.unwrap();
    assert_eq!(world.chain.turn().await.err(), Some(ChainError::Busy));
    drop(turn);
    world.chain.turn().await.unwrap();
}

#[tokio::test]
async fn two_processes_on_one_ledger_take_turns() {
    let world = Arc::new(World::base().await);
    let ledger = Arc::new(MemoryLedger::new(Arc::new(SystemClock)));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let mut shared = config(&world.anvil);
        shared.lease = Some(ledger.clone());
        let chain = Arc::new(EvmChain::connect(shared).await.unwrap());
        for _ in 0..8 {
            let (chain, world) = (Arc::clone(&chain), Arc::clone(&world));
            tasks.spawn(async move {
                let mut payment = world.payment();
                settle(&chain, &mut payment).await;
                payment.attempts[0].nonce.unwrap()
            });
        }
    }
    let mut nonces = tasks.join_all().await;
    nonces.sort_unstable();
    assert_eq!(nonces, (0..16).collect::<Vec<_>>());
    assert_eq!(world.received().await, 16 * PRICE);
}

#[tokio::test]
async fn a_foreign_turn_is_no_turn() {
    struct Stranger;
    impl tollwire_settlement::chain::Turn for Stranger {}
    let world = World::base().await;
    let error = world.chain.prepare(&world.payment(), &Stranger).await.unwrap_err();
    assert_eq!(error, ChainError::Busy);
}

#[tokio::test]
async fn gas_has_a_purse_and_a_cap() {
    let world = World::base().await;
    let signer = world.settlement().to_string();
    world.anvil.set_eth(&signer, 0).await.unwrap();
    let mut payment = world.payment();
    prepare(&world.chain, &mut payment).await.unwrap();
    let error = world.chain.broadcast(&payment.attempts[0]).await.unwrap_err();
    assert_eq!(error, ChainError::OutOfGas(signer));

    let capped = World::with(8453, |config| config.max_fee_per_gas = 1).await;
    let error = prepare(&capped.chain, &mut capped.payment()).await.unwrap_err();
    assert!(matches!(&error, ChainError::Refused(text) if text.contains("max_fee_per_gas")), "{error}");
}
