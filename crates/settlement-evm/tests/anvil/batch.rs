//! Payments that wait for each other settle in one transaction, and none sinks another.

use crate::support::{
    PRICE, World, attempt_shared, attempt_together, config, key, landed, prepare, until_landed,
};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tollwire_exact::evm::PrivateKey;
use tollwire_ledger::model::Payment;
use tollwire_settlement::{Chain, ChainError, Observation};
use tollwire_settlement_evm::EvmChain;
use tollwire_x402::Usdc;

/// Payers with money for two payments each.
async fn payers(world: &World, count: u8) -> Vec<PrivateKey> {
    let mut payers = Vec::new();
    for byte in 0..count {
        let payer = key(0x80 + byte);
        world.funded(&payer, 2).await;
        payers.push(payer);
    }
    payers
}

#[tokio::test]
async fn those_who_wait_for_the_account_share_one_transaction_and_its_cost() {
    let world = World::base().await;
    let mut payments: Vec<Payment> =
        payers(&world, 5).await.iter().map(|payer| world.payment_by(payer)).collect();
    payments.push(world.payment());
    let done = attempt_together(&world.chain, payments).await;
    let tx = done[0].1.as_ref().unwrap().tx.clone();
    let mut gas = Usdc::ZERO;
    for (payment, attempt) in &done {
        assert_eq!(attempt.as_ref().unwrap().tx, tx);
        let landing = until_landed(&world.chain, payment).await;
        assert_eq!(landing.tx, tx);
        gas = gas.checked_add(landing.gas).unwrap();
    }
    assert_eq!(world.received().await, 6 * PRICE);
    assert_eq!(world.sent().await, (1, 1));
    // The shares come to the whole, and each is rounded up by less than one atomic unit.
    let receipt = world.anvil.rpc("eth_getTransactionReceipt", json!([tx])).await.unwrap();
    let number = |name: &str| {
        u128::from_str_radix(receipt[name].as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
    };
    let wei = number("gasUsed") * number("effectiveGasPrice");
    let whole = u64::try_from((wei * 3_000_000_000).div_ceil(10_u128.pow(18))).unwrap();
    assert!((whole..=whole + 6).contains(&gas.atomic()), "{gas:?} of {whole}");
}

#[tokio::test]
async fn nobody_waits_when_nobody_else_does() {
    let world = World::base().await;
    for number in 1..=3 {
        let mut payment = world.payment();
        let before = std::time::Instant::now();
        let sent = attempt_shared(&world.chain, &mut payment).await.unwrap();
        assert!(before.elapsed() < Duration::from_millis(500));
        world.mined(&sent.tx).await;
        let receipt = world.anvil.rpc("eth_getTransactionReceipt", json!([sent.tx])).await.unwrap();
        assert_eq!(receipt["to"].as_str().unwrap(), world.anvil.usdc().to_lowercase(), "the direct call");
        assert_eq!(world.sent().await.0, number);
    }
}

#[tokio::test]
async fn one_whose_money_goes_in_the_last_moment_sinks_nobody_and_goes_alone_next() {
    let world = World::base().await;
    let payers = payers(&world, 3).await;
    world.anvil.set_automine(false).await.unwrap();
    let payments = payers.iter().map(|payer| world.payment_by(payer)).collect();
    let mut done = attempt_together(&world.chain, payments).await;
    // The second payer's money leaves in the same block, before the batch.
    let poor = payers[1].address().to_string();
    world.anvil.set_eth(&poor, 10_u128.pow(18)).await.unwrap();
    let funds = world.anvil.balance_of(&poor).await.unwrap();
    world.anvil.hurried_transfer(&poor, &key(9).address().to_string(), funds).await.unwrap();
    world.anvil.mine(1).await.unwrap();
    for number in [0, 2] {
        landed(world.chain.observe(&done[number].0).await.unwrap());
    }
    let failed = &mut done[1].0;
    assert_eq!(world.chain.observe(failed).await.unwrap(), Observation::Pending(None), "seen as failed");
    assert_eq!(world.received().await, 2 * PRICE);
    // Without money it is not even tried again; with money it lands, alone.
    let error = attempt_shared(&world.chain, failed).await.unwrap_err();
    assert!(matches!(error, ChainError::Refused(_)), "{error}");
    world.anvil.set_automine(true).await.unwrap();
    world.funded(&payers[1], 1).await;
    let again = attempt_shared(&world.chain, failed).await.unwrap();
    let landing = until_landed(&world.chain, failed).await;
    assert_eq!(landing.tx, again.tx);
    let single = world.anvil.rpc("eth_getTransactionReceipt", json!([again.tx])).await.unwrap();
    assert_eq!(single["to"].as_str().unwrap(), world.anvil.usdc().to_lowercase());
    assert_eq!(world.received().await, 3 * PRICE);
}

#[tokio::test]
async fn what_would_fail_is_left_out_beforehand() {
    let world = World::base().await;
    let payers = payers(&world, 2).await;
    let penniless = key(0x70);
    let mut settled = world.payment();
    attempt_shared(&world.chain, &mut settled).await.unwrap();
    until_landed(&world.chain, &settled).await;
    let mut replay = settled.clone();
    replay.attempts.clear();
    let payments = vec![
        world.payment_by(&payers[0]),
        world.payment_by(&penniless),
        replay,
        world.payment_by(&payers[1]),
    ];
    let done = attempt_together(&world.chain, payments).await;
    let refused = |number: usize| matches!(done[number].1, Err(ChainError::Refused(_)));
    assert!(refused(1) && refused(2));
    assert_eq!(done[0].1.as_ref().unwrap().tx, done[3].1.as_ref().unwrap().tx);
    for number in [0, 3] {
        until_landed(&world.chain, &done[number].0).await;
    }
    assert_eq!(world.received().await, 3 * PRICE);
}

#[tokio::test]
async fn a_payer_with_code_shares_with_nobody() {
    let world = World::base().await;
    let payers = payers(&world, 3).await;
    let wallet = payers[1].address().to_string();
    world.anvil.put_wallet(&wallet, &wallet).await.unwrap();
    let payments = payers.iter().map(|payer| world.payment_by(payer)).collect();
    let mut done = attempt_together(&world.chain, payments).await;
    assert_eq!(done[1].1, Err(ChainError::Busy), "found out, and sent back");
    assert_eq!(done[0].1.as_ref().unwrap().tx, done[2].1.as_ref().unwrap().tx);
    let alone = attempt_shared(&world.chain, &mut done[1].0).await.unwrap();
    assert_ne!(alone.tx, done[0].1.as_ref().unwrap().tx);
    for (payment, _) in &done {
        until_landed(&world.chain, payment).await;
    }
    assert_eq!(world.received().await, 3 * PRICE);
}

#[tokio::test]
async fn a_member_whose_attach_was_lost_is_found_by_the_logs_with_its_share_of_gas() {
    let world = World::base().await;
    let payers = payers(&world, 2).await;
    let (mut kept, lost) = (world.payment_by(&payers[0]), world.payment_by(&payers[1]));
    let held = world.chain.turn().await.unwrap();
    let (first, second, ()) = tokio::join!(world.chain.turn_for(&kept), world.chain.turn_for(&lost), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(held);
    });
    let (first, second) = (first.unwrap(), second.unwrap());
    let (ours, theirs) =
        tokio::join!(world.chain.prepare(&kept, first.as_ref()), world.chain.prepare(&lost, second.as_ref()));
    let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
    assert_eq!(ours.tx, theirs.tx);
    // The second's record could not be written: it goes, and the first is not held up by it.
    drop(second);
    kept.attempts.push(ours.clone());
    world.chain.broadcast(&ours).await.unwrap();
    let (kept, lost) = (until_landed(&world.chain, &kept).await, until_landed(&world.chain, &lost).await);
    assert_eq!((&kept.tx, &lost.tx), (&ours.tx, &ours.tx));
    assert_eq!(kept.gas, lost.gas);
    assert!(lost.gas > Usdc::ZERO);
}

/// The payment that has the batch on record, and the others, which have a note of it.
fn apart(mut payments: Vec<Payment>) -> (Payment, Vec<Payment>) {
    let bytes = |payment: &Payment| payment.attempts.last().unwrap().raw.len();
    let at = (0..payments.len()).max_by_key(|at| bytes(&payments[*at])).unwrap();
    let whole = payments.remove(at);
    assert!(bytes(&whole) > 1000);
    assert!(payments.iter().all(|payment| bytes(payment) < 50), "one copy of it is enough");
    (whole, payments)
}

#[tokio::test]
async fn killed_before_the_broadcast_the_payment_that_has_the_batch_on_record_brings_it_out() {
    let world = World::base().await;
    let payers = payers(&world, 3).await;
    let chain = Arc::new(world.restarted().await);
    // The node is out of reach when the batch is to leave.
    let dead = prepare_together(&chain, payers.iter().map(|payer| world.payment_by(payer)).collect()).await;
    drop(chain);
    let restarted = world.restarted().await;
    let (whole, others) = apart(dead);
    for payment in &others {
        restarted.broadcast(&payment.attempts[0]).await.unwrap();
    }
    assert_eq!(world.sent().await, (0, 0), "they have nothing to send");
    restarted.broadcast(&whole.attempts[0]).await.unwrap();
    let landing = until_landed(&restarted, &whole).await;
    assert_eq!(landing.tx, whole.attempts[0].tx);
    for payment in &others {
        assert_eq!(
            until_landed(&restarted, payment).await,
            landing,
            "the same, and the same share of its gas"
        );
    }
    assert_eq!((world.received().await, world.sent().await), (3 * PRICE, (1, 1)));
}

#[tokio::test]
async fn payments_whose_batch_is_on_no_record_any_more_get_another_transaction() {
    let world = World::base().await;
    let payers = payers(&world, 3).await;
    let chain = Arc::new(world.restarted().await);
    let dead = prepare_together(&chain, payers.iter().map(|payer| world.payment_by(payer)).collect()).await;
    drop(chain);
    let (mut whole, others) = apart(dead);
    let restarted = Arc::new(world.restarted().await);
    let done = attempt_together(&restarted, others).await;
    for (payment, attempt) in &done {
        assert_eq!(attempt.as_ref().unwrap().nonce, payment.attempts[0].nonce, "which nobody has used");
        assert_eq!(until_landed(&restarted, payment).await.tx, attempt.as_ref().unwrap().tx);
    }
    // It comes too late, and finds that its nonce is gone.
    let error = restarted.broadcast(&whole.attempts[0]).await.unwrap_err();
    assert!(matches!(error, ChainError::Superseded(_)), "{error}");
    attempt_shared(&restarted, &mut whole).await.unwrap();
    until_landed(&restarted, &whole).await;
    assert_eq!((world.received().await, world.sent().await), (3 * PRICE, (2, 2)));
}

#[tokio::test]
async fn a_stuck_batch_is_outbid_by_those_who_have_a_note_of_it() {
    let world = World::base().await;
    let payers = payers(&world, 3).await;
    world.anvil.set_automine(false).await.unwrap();
    let payments = payers.iter().map(|payer| world.payment_by(payer)).collect();
    let stuck = attempt_together(&world.chain, payments).await;
    let (mut whole, others) = apart(stuck.into_iter().map(|(payment, _)| payment).collect());
    let done = attempt_together(&world.chain, others).await;
    for (payment, attempt) in &done {
        assert_eq!(attempt.as_ref().unwrap().nonce, payment.attempts[0].nonce);
    }
    world.anvil.mine(1).await.unwrap();
    for (payment, attempt) in &done {
        let landing = landed(world.chain.observe(payment).await.unwrap());
        assert_eq!(landing.tx, attempt.as_ref().unwrap().tx, "the node took it in place of the first");
    }
    world.anvil.set_automine(true).await.unwrap();
    attempt_shared(&world.chain, &mut whole).await.unwrap();
    until_landed(&world.chain, &whole).await;
    assert_eq!((world.received().await, world.sent().await), (3 * PRICE, (2, 2)));
}

#[tokio::test]
async fn a_stuck_batch_is_outbid_by_a_batch_in_its_place() {
    let world = World::base().await;
    let payers = payers(&world, 3).await;
    world.anvil.set_automine(false).await.unwrap();
    let payments = payers.iter().map(|payer| world.payment_by(payer)).collect();
    let stuck: Vec<Payment> =
        attempt_together(&world.chain, payments).await.into_iter().map(|(payment, _)| payment).collect();
    let done = attempt_together(&world.chain, stuck).await;
    let second = done[0].1.as_ref().unwrap();
    for (payment, attempt) in &done {
        assert_eq!(attempt.as_ref().unwrap().tx, second.tx);
        assert_ne!(payment.attempts[0].tx, second.tx);
        assert_eq!(payment.attempts[0].nonce, second.nonce);
    }
    world.anvil.mine(1).await.unwrap();
    for (payment, _) in &done {
        assert_eq!(landed(world.chain.observe(payment).await.unwrap()).tx, second.tx);
    }
    assert_eq!((world.received().await, world.sent().await), (3 * PRICE, (1, 1)));
}

#[tokio::test]
async fn without_multicall_or_with_batches_off_everybody_goes_alone() {
    for without in [true, false] {
        let world = World::base().await;
        if without {
            world.anvil.remove_multicall().await.unwrap();
        }
        let mut changed = config(&world.anvil);
        changed.batch_max = if without { 50 } else { 1 };
        let chain = Arc::new(EvmChain::connect(changed).await.unwrap());
        let payments = payers(&world, 3).await.iter().map(|payer| world.payment_by(payer)).collect();
        for (payment, attempt) in attempt_together(&chain, payments).await {
            attempt.unwrap();
            until_landed(&chain, &payment).await;
        }
        assert_eq!(world.sent().await, (3, 3));
    }
}

/// Prepares payments that share a transaction, and attaches it to each.
async fn prepare_together(chain: &Arc<EvmChain>, payments: Vec<Payment>) -> Vec<Payment> {
    let held = chain.turn().await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for mut payment in payments {
        let chain = Arc::clone(chain);
        tasks.spawn(async move {
            let turn = chain.turn_for(&payment).await.unwrap();
            payment.attempts.push(chain.prepare(&payment, turn.as_ref()).await.unwrap());
            payment
        });
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(held);
    tasks.join_all().await
}

#[tokio::test]
async fn a_payment_with_a_turn_of_its_own_is_prepared_as_ever() {
    let world = World::base().await;
    let mut payment = world.payment();
    let first = prepare(&world.chain, &mut payment).await.unwrap();
    let again = prepare(&world.chain, &mut payment).await.unwrap();
    assert_eq!(first.nonce, again.nonce, "nothing was sent: the nonce is free");
}
