//! Paying back out of the deposit wallet: once, however often it is tried.

use crate::support::{LAMPORTS, PRICE, World, key};
use std::time::Duration;
use tollwire_ledger::model::{Attempt, Landing, Refund, RefundFate, RefundOrder};
use tollwire_ledger::{Clock, SystemClock};
use tollwire_settlement::{Chain, ChainError, Delivery};
use tollwire_testkit::solana::DEVNET_USDC;
use tollwire_x402::Usdc;

/// What the deposit wallet holds.
const HELD: u64 = 50_000;

fn usdc(atomic: u64) -> Usdc {
    Usdc::from_atomic(atomic).unwrap()
}

fn owed(world: &World, to: &str) -> Refund {
    let order = RefundOrder {
        number: 1,
        units: 1,
        bought: 1,
        captured: 0,
        value: usdc(PRICE),
        gas: usdc(1_000),
        network: world.chain.info().network,
        asset: world.chain.info().asset.clone(),
        from: world.deposit_wallet().to_owned(),
        to: to.to_owned(),
    };
    Refund { order, ordered: SystemClock.now(), attempts: Vec::new(), fate: RefundFate::Pending }
}

async fn prepare(world: &World, refund: &mut Refund) -> Result<Attempt, ChainError> {
    let turn = world.chain.turn().await?;
    let attempt = world.chain.prepare_outgoing(&refund.outgoing(), turn.as_ref()).await?;
    refund.attempts.push(attempt.clone());
    Ok(attempt)
}

async fn until(world: &World, refund: &Refund, wanted: fn(&Delivery) -> bool) -> Delivery {
    let looking = async {
        loop {
            let seen = world.chain.observe_outgoing(&refund.outgoing()).await.unwrap();
            if wanted(&seen) {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), looking).await.expect("what was waited for")
}

async fn until_paid(world: &World, refund: &Refund) -> Landing {
    match until(world, refund, |seen| matches!(seen, Delivery::Landed(_))).await {
        Delivery::Landed(landing) => landing,
        other => panic!("{other:?}"),
    }
}

async fn funded() -> (World, String) {
    let world = World::start().await;
    world.node.mint(DEVNET_USDC, world.deposit_wallet(), HELD).await.unwrap();
    let payer = world.payer.address().to_string();
    world.node.mint(DEVNET_USDC, &payer, 0).await.unwrap();
    (world, payer)
}

#[tokio::test]
async fn a_refund_reaches_its_payer_once() {
    let (world, payer) = funded().await;
    assert_eq!(world.chain.outgoing_gas(&payer).await.unwrap(), usdc(2_012), "two signatures and the bid");
    let mut refund = owed(&world, &payer);
    assert_eq!(world.chain.observe_outgoing(&refund.outgoing()).await.unwrap(), Delivery::Clear);
    let attempt = prepare(&world, &mut refund).await.unwrap();
    assert_eq!(
        world.chain.observe_outgoing(&refund.outgoing()).await.unwrap(),
        Delivery::Pending(attempt.tx.clone())
    );
    // As long as it may land there is no other.
    assert!(matches!(prepare(&world, &mut refund).await, Err(ChainError::Refused(_))));
    for _ in 0..3 {
        world.chain.broadcast(&attempt).await.unwrap();
    }
    let landing = until_paid(&world, &refund).await;
    assert_eq!(landing.tx, attempt.tx);
    assert_eq!(world.node.tokens(DEVNET_USDC, &payer).await.unwrap(), Some(PRICE - 1_000));
    assert_eq!(world.received().await, HELD - (PRICE - 1_000));
    assert_eq!(world.chain.custody().await.unwrap(), usdc(HELD - (PRICE - 1_000)));
    assert!(matches!(prepare(&world, &mut refund).await, Err(ChainError::Refused(_))), "it was paid");
}

#[tokio::test]
async fn another_is_made_only_when_the_last_is_dead() {
    let (world, payer) = funded().await;
    let mut refund = owed(&world, &payer);
    let lost = prepare(&world, &mut refund).await.unwrap();
    until(&world, &refund, |seen| *seen == Delivery::Clear).await;
    let next = prepare(&world, &mut refund).await.unwrap();
    assert_ne!(lost.tx, next.tx);
    world.chain.broadcast(&next).await.unwrap();
    world.chain.broadcast(&lost).await.unwrap();
    until_paid(&world, &refund).await;
    assert_eq!(world.node.tokens(DEVNET_USDC, &payer).await.unwrap(), Some(PRICE - 1_000), "paid once");
}

#[tokio::test]
async fn two_refunds_that_are_alike_are_two_transactions() {
    let (world, payer) = funded().await;
    let (mut one, mut two) = (owed(&world, &payer), owed(&world, &payer));
    let (a, b) = (prepare(&world, &mut one).await.unwrap(), prepare(&world, &mut two).await.unwrap());
    assert_ne!(a.tx, b.tx);
    for attempt in [&a, &b] {
        world.chain.broadcast(attempt).await.unwrap();
    }
    until_paid(&world, &one).await;
    until_paid(&world, &two).await;
    assert_eq!(world.node.tokens(DEVNET_USDC, &payer).await.unwrap(), Some(2 * (PRICE - 1_000)));
}

#[tokio::test]
async fn a_closed_token_account_is_made_again_at_the_payers_expense() {
    let (world, _) = funded().await;
    let payer = key(3).address().to_string();
    assert_eq!(world.node.tokens(DEVNET_USDC, &payer).await.unwrap(), None);
    // Rent of 2,039,280 lamports on top.
    assert_eq!(world.chain.outgoing_gas(&payer).await.unwrap(), usdc(2_012 + 407_856));
    let mut refund = owed(&world, &payer);
    let attempt = prepare(&world, &mut refund).await.unwrap();
    world.chain.broadcast(&attempt).await.unwrap();
    let landing = until_paid(&world, &refund).await;
    assert_eq!(world.node.tokens(DEVNET_USDC, &payer).await.unwrap(), Some(PRICE - 1_000));
    let spent = LAMPORTS - world.node.lamports(&key(8).address().to_string()).await.unwrap();
    // This node leaves the priority fee, 60 lamports, out when it tells the fee.
    assert_eq!(landing.gas.atomic(), ((spent - 60) * 200).div_ceil(1_000), "what was spent is booked");
}

#[tokio::test]
async fn without_the_key_or_the_leave_nothing_is_paid_back() {
    let world = World::with(|config| {
        config.deposit_key = None;
        config.pay_to = Some(key(5).address().to_string());
    })
    .await;
    let payer = world.payer.address().to_string();
    let error = world.chain.outgoing_gas(&payer).await.unwrap_err();
    assert!(matches!(&error, ChainError::CannotPay(why) if why.contains("deposit_key")), "{error}");
    let refused = prepare(&world, &mut owed(&world, &payer)).await.unwrap_err();
    assert!(matches!(refused, ChainError::CannotPay(_)), "{refused}");

    let world = World::with(|config| config.refund_creates_account = false).await;
    let error = world.chain.outgoing_gas(&key(3).address().to_string()).await.unwrap_err();
    assert!(
        matches!(&error, ChainError::CannotPay(why) if why.contains("refund_creates_account")),
        "{error}"
    );
}

#[tokio::test]
async fn one_key_for_both_needs_one_signature() {
    let world = World::with(|config| config.deposit_key = None).await;
    world.node.mint(DEVNET_USDC, world.deposit_wallet(), HELD).await.unwrap();
    let payer = world.payer.address().to_string();
    assert_eq!(world.chain.outgoing_gas(&payer).await.unwrap(), usdc(1_012));
    world.node.mint(DEVNET_USDC, &payer, 0).await.unwrap();
    let mut refund = owed(&world, &payer);
    let attempt = prepare(&world, &mut refund).await.unwrap();
    world.chain.broadcast(&attempt).await.unwrap();
    until_paid(&world, &refund).await;
    assert_eq!(world.node.tokens(DEVNET_USDC, &payer).await.unwrap(), Some(PRICE - 1_000));
}
