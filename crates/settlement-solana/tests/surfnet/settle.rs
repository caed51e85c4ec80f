//! The happy path, and what of it is told.

use crate::support::{FUNDS, LAMPORTS, PRICE, World, key, landed, prepare, settle, until_known};
use tollwire_exact::solana::Transaction;
use tollwire_ledger::model::Landing;
use tollwire_settlement::{Chain, Firmness, Observation};
use tollwire_settlement_solana::Commitment;
use tollwire_testkit::solana::{DEVNET_USDC, TOKEN_2022_PROGRAM};

#[tokio::test]
async fn a_payment_lands_and_costs_its_payer_no_sol() {
    let world = World::start().await;
    let payload = world.payload().await;
    world.verify(&payload).await.unwrap();
    let mut payment = world.recorded(&payload);
    let landing = settle(&world.chain, &mut payment).await;

    assert_eq!(landing.tx, payment.attempts[0].tx);
    assert_eq!(world.received().await, PRICE);
    let payer = world.payer.address().to_string();
    assert_eq!(world.node.tokens(DEVNET_USDC, &payer).await.unwrap(), Some(FUNDS - PRICE));
    assert_eq!(world.node.lamports(&payer).await.unwrap(), 0);
    let fee_payer = key(8).address().to_string();
    // Two signatures and a lamport of priority, which this node leaves out when it tells the fee.
    assert_eq!(world.node.lamports(&fee_payer).await.unwrap(), LAMPORTS - 10_001);
    assert_eq!(landing.gas.atomic(), 2_000);
    assert_eq!(world.node.signatures(&payer).await.unwrap(), std::slice::from_ref(&landing.tx));
    let time = world.chain.block_time(&landing).await.unwrap().unwrap();
    assert!(time.abs_diff(crate::support::now()) < 60, "{time}");
}

#[tokio::test]
async fn a_landing_is_young_and_then_final() {
    let world = World::start().await;
    let mut payment = world.payment().await;
    let landing = settle(&world.chain, &mut payment).await;
    assert_eq!(world.chain.firmness(&payment, &landing).await.unwrap(), Firmness::Young);
    let becoming_final = async {
        while world.chain.firmness(&payment, &landing).await.unwrap() != Firmness::Final {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), becoming_final).await.expect("it is final");
    assert!(world.chain.final_block().await.unwrap() >= Some(landing.block));
    // What the node does not show proves nothing while its blockhash may live.
    let mut other = world.payment().await;
    let attempt = prepare(&world.chain, &mut other).await.unwrap();
    let landing = Landing { tx: attempt.tx, ..landing };
    assert!(world.chain.firmness(&other, &landing).await.is_err());
}

#[tokio::test]
async fn the_transaction_and_its_name_are_known_before_anything_leaves() {
    let world = World::start().await;
    let mut payment = world.payment().await;
    let attempt = prepare(&world.chain, &mut payment).await.unwrap();
    assert_eq!(world.received().await, 0);
    let transaction = Transaction::from_bytes(&attempt.raw).unwrap();
    assert_eq!(transaction.verify(), Ok(()));
    assert_eq!(transaction.signature().to_string(), attempt.tx);
    // Prepared again, by whomever, it is the same transaction.
    let mut again = payment.clone();
    again.attempts.clear();
    assert_eq!(prepare(&world.chain, &mut again).await.unwrap().raw, attempt.raw);
    // Sent as often as you like.
    for _ in 0..5 {
        world.chain.broadcast(&attempt).await.unwrap();
    }
    landed(until_known(&world.chain, &payment).await);
    world.chain.broadcast(&attempt).await.expect("known");
    assert_eq!(world.arrivals().await, 1);
}

#[tokio::test]
async fn finalized_waits_for_what_can_no_longer_be_taken_back() {
    let world = World::with(|config| config.commitment = Commitment::Finalized).await;
    let mut payment = world.payment().await;
    let attempt = prepare(&world.chain, &mut payment).await.unwrap();
    world.chain.broadcast(&attempt).await.unwrap();
    let mut waited = false;
    while world.received().await == 0 {
        tokio::task::yield_now().await;
    }
    if let Observation::Pending(tx) = world.chain.observe(&payment).await.unwrap() {
        assert_eq!(tx, Some(attempt.tx.clone()));
        waited = true;
    }
    landed(until_known(&world.chain, &payment).await);
    assert!(waited, "it was believed at once");
}

#[tokio::test]
async fn a_token_of_the_newer_program_is_taken() {
    const MINT: &str = "2b1kV6DkPAnxd5ixfnxCpjxmKwqjjaYmCZfHsFu24GXo";
    // Metadata pointer, 64 bytes: an extension that changes nothing of a transfer.
    let extensions = [&18_u16.to_le_bytes()[..], &64_u16.to_le_bytes(), &[0; 64]].concat();
    let node = tollwire_testkit::solana::Surfnet::start(crate::support::SLOT).await.unwrap();
    node.put_mint(MINT, TOKEN_2022_PROGRAM, &extensions).await.unwrap();
    let mut config = crate::support::config(&node).await;
    config.asset = Some(MINT.into());
    let deposit = key(9).address().to_string();
    let chain = tollwire_settlement_solana::SolanaChain::connect(config.clone()).await;
    let error = chain.expect_err("the deposit wallet has no account yet").to_string();
    assert!(error.contains("spl-token create-account"), "{error}");
    node.mint(MINT, &deposit, 0).await.unwrap();
    tollwire_settlement_solana::SolanaChain::connect(config).await.unwrap();
}
