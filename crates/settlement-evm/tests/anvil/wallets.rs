//! Contract wallets (EIP-1271), delegated accounts (EIP-7702), wallets that are not there yet (ERC-6492).

use crate::support::{PRICE, World, attempt_shared, key, settle, until_landed};
use serde_json::json;
use tollwire_exact::evm::{Address, Authorization, Payload, keccak256};
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

/// The factory that [`wrapped`] names.
const FACTORY: &str = "0x0000000000000000000000000000000000000fac";

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
    assert_eq!(refusal.reason, reason::EIP6492_FACTORY_NOT_ALLOWED);
    // Without the wrapper it is just nobody's signature.
    let refusal = world.verify(&of_wallet(&world, 7, 40)).await.unwrap_err();
    assert_eq!(refusal.reason, reason::EVM_SIGNATURE);
}

/// A payload of a wallet that the factory would deploy for the owner of key 7.
fn of_undeployed(world: &World, wallet: &str) -> Payload {
    let authorization = Authorization { from: wallet.parse().unwrap(), ..world.authorization() };
    let signature = authorization.sign(&key(7), &world.domain()).unwrap();
    let mut payload = Payload::new(authorization, &signature);
    payload.signature = wrapped(&payload.signature);
    payload
}

#[tokio::test]
async fn a_wallet_of_an_allowed_factory_is_deployed_by_its_first_payment() {
    let world = World::with(8453, |config| config.factories.push(FACTORY.into())).await;
    let wallet = world.anvil.put_factory(FACTORY, &key(7).address().to_string()).await.unwrap();
    world.anvil.mint(&wallet, 10 * PRICE).await.unwrap();
    let code = async || world.anvil.rpc("eth_getCode", json!([wallet, "latest"])).await.unwrap();
    assert_eq!(code().await, "0x");
    // Once with its deployment, once when it is there.
    for number in 1..=2 {
        let payload = of_undeployed(&world, &wallet);
        world.verify(&payload).await.unwrap();
        let mut payment = world.recorded(&payload);
        attempt_shared(&world.chain, &mut payment).await.unwrap();
        until_landed(&world.chain, &payment).await;
        assert_eq!(world.received().await, number * PRICE);
        assert_ne!(code().await, "0x");
    }
    // Another's signature is not made good by a factory.
    let mut forged = of_undeployed(&world, &wallet);
    let signature = forged.authorization.sign(&key(8), &world.domain()).unwrap();
    forged.signature = wrapped(signature.as_bytes());
    assert_eq!(world.verify(&forged).await.unwrap_err().reason, reason::EVM_SIGNATURE);
}

#[tokio::test]
async fn a_factory_that_is_not_allowed_or_fails_is_told() {
    let allowed = World::with(8453, |config| config.factories.push(FACTORY.into())).await;
    let wallet = allowed.anvil.put_factory(FACTORY, &key(7).address().to_string()).await.unwrap();
    // Without money the deployment works and the transfer does not.
    let refusal = allowed.verify(&of_undeployed(&allowed, &wallet)).await.unwrap_err();
    assert_eq!(refusal.reason, reason::EVM_INSUFFICIENT_BALANCE);
    allowed.anvil.rpc("anvil_setCode", json!([FACTORY, "0x60006000fd"])).await.unwrap();
    let refusal = allowed.verify(&of_undeployed(&allowed, &wallet)).await.unwrap_err();
    assert_eq!(refusal.reason, reason::SMART_WALLET_DEPLOYMENT_FAILED);
    let strict = World::base().await;
    let wallet = strict.anvil.put_factory(FACTORY, &key(7).address().to_string()).await.unwrap();
    strict.anvil.mint(&wallet, PRICE).await.unwrap();
    let refusal = strict.verify(&of_undeployed(&strict, &wallet)).await.unwrap_err();
    assert_eq!(refusal.reason, reason::EIP6492_FACTORY_NOT_ALLOWED);
}

#[tokio::test]
async fn a_delegated_account_is_judged_by_what_it_delegates_to() {
    let world = World::base().await;
    // The payer's own key hands its account over to a wallet that another key signs for (EIP-7702).
    world.anvil.put_wallet(WALLET, &key(7).address().to_string()).await.unwrap();
    let delegate: Address = WALLET.parse().unwrap();
    let mut signed = vec![0x05, 0xd9, 0x82, 0x21, 0x05, 0x94];
    signed.extend(delegate.as_bytes());
    signed.push(0x80);
    let signature = world.payer.sign_digest(&keccak256(&signed)).unwrap();
    let [r @ .., v] = signature.as_bytes();
    let quantity = |bytes: &[u8]| format!("0x{}", hex::encode(bytes).trim_start_matches('0'));
    let payer = world.payer.address().to_string();
    let transaction = json!([{
        "from": crate::support::STRANGER, "to": payer, "gas": "0x30d40",
        "authorizationList": [{
            "chainId": "0x2105", "address": WALLET, "nonce": "0x0", "yParity": format!("{:#x}", v - 27),
            "r": quantity(&r[..32]), "s": quantity(&r[32..]),
        }],
    }]);
    let sent = world.anvil.rpc("eth_sendTransaction", transaction).await.unwrap();
    world.anvil.succeeded(sent.as_str().unwrap()).await.unwrap();
    let code = world.anvil.rpc("eth_getCode", json!([payer, "latest"])).await.unwrap();
    assert_eq!(code.as_str().unwrap(), format!("0xef0100{}", hex::encode(delegate.as_bytes())));

    // Its own key's signature counts for nothing now, here as in the contract.
    let own = world.signed(world.authorization());
    assert_eq!(world.verify(&own).await.unwrap_err().reason, reason::EVM_SIGNATURE);
    let mut theirs = world.signed(world.authorization());
    theirs.signature = theirs.authorization.sign(&key(7), &world.domain()).unwrap().as_bytes().to_vec();
    world.verify(&theirs).await.unwrap();
    settle(&world.chain, &mut world.recorded(&theirs)).await;
    assert_eq!(world.received().await, PRICE);
}
