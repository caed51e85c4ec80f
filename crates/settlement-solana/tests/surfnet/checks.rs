//! What the node has to say, and the checklist before it: nothing is signed, nothing leaves, each reason is the right one.

use crate::support::{FUNDS, PRICE, World, key, prepare};
use serde_json::{Value, json};
use tollwire_exact::solana::{Transfer, program};
use tollwire_settlement::{Chain, ChainError};
use tollwire_testkit::solana::{DEVNET_USDC, MAINNET_USDC};
use tollwire_x402::reason;

async fn reason_of(world: &World, payload: &Value) -> &'static str {
    world.verify(payload).await.err().map_or("", |refusal| refusal.reason)
}

#[tokio::test]
async fn every_wrong_payment_has_its_reason_and_moves_nothing() {
    let world = World::start().await;
    let good = world.transfer().await;
    let stranger = key(3).address();
    let signed = |transfer: Transfer<'_>| world.signed(&transfer);
    for (payload, reason) in [
        (signed(good), ""),
        (signed(Transfer { amount: PRICE + 1, ..good }), reason::SVM_AMOUNT_MISMATCH),
        (signed(Transfer { amount: PRICE - 1, ..good }), reason::SVM_AMOUNT_MISMATCH),
        (signed(Transfer { to: stranger, ..good }), reason::SVM_RECIPIENT_MISMATCH),
        (signed(Transfer { mint: MAINNET_USDC.parse().unwrap(), ..good }), reason::SVM_MINT_MISMATCH),
        (signed(Transfer { token_program: program::TOKEN_2022, ..good }), reason::SVM_NO_TRANSFER),
        (signed(Transfer { fee_payer: stranger, ..good }), reason::SVM_FEE_PAYER_MISMATCH),
        (signed(Transfer { price: Some(5_000_001), ..good }), reason::SVM_COMPUTE_PRICE_TOO_HIGH),
        (signed(Transfer { price: Some(4_000_000), ..good }), reason::SVM_COMPUTE_PRICE_TOO_HIGH),
        // Creating an account would be at our expense.
        (signed(Transfer { create: true, ..good }), reason::SVM_NO_TRANSFER),
        // The chain knows neither this blockhash nor these decimals.
        (signed(Transfer { blockhash: [9; 32], ..good }), reason::SVM_SIMULATION_FAILED),
        (signed(Transfer { decimals: 9, ..good }), reason::SVM_SIMULATION_FAILED),
        (json!({ "transaction": good.transaction().unwrap().to_base64() }), reason::SVM_SIGNATURE_INVALID),
        (json!({ "transaction": "AAAA" }), reason::SVM_TRANSACTION_UNDECODABLE),
        (json!({ "authorization": {} }), reason::SVM_TRANSACTION_UNDECODABLE),
    ] {
        assert_eq!(reason_of(&world, &payload).await, reason, "{payload}");
    }
    assert_eq!((world.received().await, world.arrivals().await), (0, 0));
}

#[tokio::test]
async fn who_has_too_little_or_nothing_is_told_so() {
    let world = World::start().await;
    world.node.mint(DEVNET_USDC, &world.payer.address().to_string(), PRICE - 1).await.unwrap();
    let poor = world.payload().await;
    let refusal = world.verify(&poor).await.unwrap_err();
    assert_eq!(refusal.reason, reason::SVM_SIMULATION_FAILED);
    assert!(refusal.message.contains("insufficient funds"), "{}", refusal.message);
    assert_eq!(refusal.payer, Some(world.payer.address().to_string()));
    // Recorded all the same, it is not signed: a failure on chain would cost us its fee.
    let refused = prepare(&world.chain, &mut world.recorded(&poor)).await.unwrap_err();
    assert!(matches!(refused, ChainError::Refused(_)), "{refused}");
}

#[tokio::test]
async fn an_empty_purse_is_our_trouble_and_not_the_payers() {
    let world = World::start().await;
    let fee_payer = key(8).address().to_string();
    world.node.set_lamports(&fee_payer, 0).await.unwrap();
    let payload = world.payload().await;
    let verified = world.chain.verify(&world.requirements(), &payload, 0).await.unwrap_err();
    assert_eq!(verified, ChainError::OutOfGas(fee_payer.clone()));
    let prepared = prepare(&world.chain, &mut world.recorded(&payload)).await.unwrap_err();
    assert_eq!(prepared, ChainError::OutOfGas(fee_payer));
}

#[tokio::test]
async fn what_was_recorded_is_checked_again_before_it_is_signed() {
    let world = World::start().await;
    let good = world.transfer().await;
    for bad in [
        Transfer { amount: FUNDS, ..good },
        Transfer { to: key(3).address(), ..good },
        Transfer { from: key(8).address(), ..good },
    ] {
        let mut transaction = bad.transaction().unwrap();
        // The last one needs no other signature than ours.
        if bad.from == world.payer.address() {
            transaction.sign(&world.payer).unwrap();
        }
        let mut payment = world.recorded(&json!({ "transaction": transaction.to_base64() }));
        let refused = prepare(&world.chain, &mut payment).await.unwrap_err();
        assert!(matches!(refused, ChainError::Refused(_)), "{refused}");
    }
    assert_eq!(world.received().await, 0);
}
