//! What a deposit costs in gas, alone and in batches, against the real contract.

use crate::support::{World, attempt_together, key, until_landed};
use serde_json::json;
use tollwire_exact::evm::PrivateKey;

/// Gas per deposit when `count` payers who have paid before settle together.
async fn gas_each(world: &World, payers: &[PrivateKey]) -> u64 {
    let payments = payers.iter().map(|payer| world.payment_by(payer)).collect();
    let done = attempt_together(&world.chain, payments).await;
    let tx = &done[0].1.as_ref().unwrap().tx;
    for (payment, attempt) in &done {
        assert_eq!(&attempt.as_ref().unwrap().tx, tx);
        until_landed(&world.chain, payment).await;
    }
    let receipt = world.anvil.rpc("eth_getTransactionReceipt", json!([tx])).await.unwrap();
    let gas = u64::from_str_radix(receipt["gasUsed"].as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
    gas.div_ceil(u64::try_from(payers.len()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deposit_in_a_batch_of_fifty_takes_three_quarters_of_the_gas() {
    let world = World::base().await;
    let mut payers = Vec::new();
    for byte in 0..50 {
        let payer = key(0x80 + byte);
        world.funded(&payer, 8).await;
        payers.push(payer);
    }
    // The wallets are in use: no balance begins or ends at nothing.
    gas_each(&world, &payers).await;
    let mut measured = Vec::new();
    for count in [1, 2, 10, 50] {
        measured.push((count, gas_each(&world, &payers[..count]).await));
    }
    for (count, gas) in &measured {
        println!("gas per deposit, {count} in a transaction: {gas}");
    }
    let (alone, fifty) = (measured[0].1, measured[3].1);
    assert!(fifty * 100 <= alone * 75, "{fifty} of {alone}");
    assert!(measured[2].1 < alone, "ten");
}
