//! Contract wallets (EIP-1271), delegated accounts (EIP-7702), wallets that are not there yet (ERC-6492).

use crate::support::{PRICE, World, key, settle};
use tollwire_exact::evm::{Address, Authorization, Payload};
use tollwire_x402::reason;

const WALLET: &str = "0x00000000000000000000000000000000000cafe1";

/// An authorization of a wallet, with this many bytes after its owner's signature.
fn of_wallet(world: &World, owner: u8, extra: usize) -> Payload {
    let authorization = Authorization { from: WALLET.parse().unwrap(), ..world.authorization() };
    let signature = authorization.sign(&key(owner), &world.domain()).unwrap();
    let mut payload = Payload::new(authorization, &signature);
    payload.signature.resize(65 + extra, 0);
    payload
}

/// The signature wrapped as for a wallet that a factory would deploy: `abi.encode(factory, calldata, signature)`.
fn wrapped(signature: &[u8]) -> Vec<u8> {
    let word = |number: usize| {
        let mut word = [0; 32];
        word[24..].copy_from_slice(&u64::try_from(number).unwrap().to_be_bytes());
        word
    };
    let mut bytes = [word(0xfac), word(96), word(128), word(0), word(signature.len())].concat();
    bytes.extend(signature);
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    bytes.extend([0x64, 0x92].repeat(16));
    bytes
}

#[tokio::test]
async fn a_wallet_pays_with_its_owners_signature_of_any_length() {
    let world = World::base().await;
    world.anvil.put_wallet(WALLET, &key(7).address().to_string()).await.unwrap();
    world.anvil.mint(WALLET, 10 * PRICE).await.unwrap();
    let mut deployed_but_wrapped = of_wallet(&world, 7, 0);
    deployed_but_wrapped.signature = wrapped(&deployed_but_wrapped.signature);
    let payloads = [of_wallet(&world, 7, 0), of_wallet(&world, 7, 40), deployed_but_wrapped];
    for (number, payload) in payloads.into_iter().enumerate() {
        world.verify(&payload).await.unwrap();
        settle(&world.chain, &mut world.recorded(&payload)).await;
        assert_eq!(world.received().await, PRICE * (u64::try_from(number).unwrap() + 1));
    }
}

#[tokio::test]
async fn a_wallet_refuses_everybody_elses_signature() {
    let world = World::base().await;
    world.anvil.put_wallet(WALLET, &key(7).address().to_string()).await.unwrap();
    world.anvil.mint(WALLET, 10 * PRICE).await.unwrap();
    for payload in [of_wallet(&world, 8, 0), of_wallet(&world, 8, 40)] {
        assert_eq!(world.verify(&payload).await.unwrap_err().reason, reason::EVM_SIGNATURE);
    }
}

#[tokio::test]
async fn an_account_with_code_is_judged_by_its_code_alone() {
    let world = World::base().await;
    let payload = world.signed(world.authorization());
    world.verify(&payload).await.expect("its own key has signed");
    let account: Address = world.payer.address();
    world.anvil.put_wallet(&account.to_string(), &key(7).address().to_string()).await.unwrap();
    let refusal = world.verify(&payload).await.unwrap_err();
    assert_eq!(refusal.reason, reason::EVM_SIGNATURE);
}

#[tokio::test]
async fn a_wallet_that_is_not_deployed_is_told_so() {
    let world = World::base().await;
    let mut payload = of_wallet(&world, 7, 0);
    payload.signature = wrapped(&payload.signature);
    let refusal = world.verify(&payload).await.unwrap_err();
    assert_eq!(refusal.reason, reason::EVM_UNDEPLOYED_SMART_WALLET);
    // Without the wrapper it is just nobody's signature.
    let refusal = world.verify(&of_wallet(&world, 7, 40)).await.unwrap_err();
    assert_eq!(refusal.reason, reason::EVM_SIGNATURE);
}
