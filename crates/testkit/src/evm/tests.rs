use super::*;

/// Key 0x11 * 32 and its signature over the authorization below, from the published x402 test vectors.
const PAYER: &str = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A";
const PAYEE: &str = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C";
const STRANGER: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

fn authorization(signature: &str) -> Authorization {
    Authorization {
        from: PAYER.into(),
        to: PAYEE.into(),
        value: 10_000,
        valid_after: 0,
        valid_before: 1_893_456_000,
        nonce: [0x22; 32],
        signature: hex::decode(signature).unwrap(),
    }
}

const BASE: &str = "5a60f35924571c0018020b6f29fb20a45381933c267de8bad0c6bde2362095c239de2a754f38c9139a4cbbac02b7a3d414079f3513dc31c28b058b5b209d67391c";
const SEPOLIA: &str = "56eca79af8845a206a6b6806f1c1c969d9870ba1632c908c9d6881b61235a0cd6430df18c5a1333451aff539658ba853df8fc3611b7bfb04467eebc0a0573ca11b";

#[tokio::test]
async fn usdc_is_the_live_contract_to_the_signature() {
    for (chain, separator, signature) in [
        (8453, "02fa7265e7c5d81118673727957699e4d68f74cd74b7db77da710fe8a2c7834f", BASE),
        (84532, "71f17a3b2ff373b803d70a5a07c046c1a2bc8e89c09ef722fcb047abe94c9818", SEPOLIA),
    ] {
        let anvil = Anvil::start(chain).await.unwrap();
        assert_eq!(hex::encode(anvil.domain_separator().await.unwrap()), separator);
        anvil.mint(PAYER, 25_000).await.unwrap();
        let tx = anvil.submit_authorization(STRANGER, &authorization(signature)).await.unwrap();
        anvil.succeeded(&tx).await.unwrap();
        assert_eq!(anvil.balance_of(PAYEE).await.unwrap(), 10_000);
        assert_eq!(anvil.balance_of(PAYER).await.unwrap(), 15_000);
        let transfers = anvil.transfers_to(PAYEE).await.unwrap();
        assert_eq!(transfers.len(), 1);
        assert_eq!((transfers[0].tx.as_str(), transfers[0].value), (tx.as_str(), 10_000));
        assert_eq!(transfers[0].from, PAYER.to_lowercase());
        let nonce = format!("0x{}", "22".repeat(32));
        assert_eq!(anvil.authorizations_used(PAYER).await.unwrap(), [(tx, nonce)]);
    }
}

#[tokio::test]
async fn a_restarted_node_has_its_chain_and_an_empty_one_has_not() {
    let mut anvil = Anvil::start(8453).await.unwrap();
    anvil.mint(PAYER, 7).await.unwrap();
    let height = anvil.block_number().await.unwrap();
    anvil.stop().await.unwrap();
    assert!(anvil.block_number().await.is_err());
    anvil.start_again().await.unwrap();
    assert_eq!(anvil.balance_of(PAYER).await.unwrap(), 7);
    assert_eq!(anvil.block_number().await.unwrap(), height);
    anvil.start_empty().await.unwrap();
    assert_eq!(anvil.block_number().await.unwrap(), 0);
}

#[tokio::test]
async fn blocks_and_time_obey() {
    let anvil = Anvil::start(84532).await.unwrap();
    let (block, time) = (anvil.block_number().await.unwrap(), anvil.block_time().await.unwrap());
    anvil.mine(3).await.unwrap();
    assert_eq!(anvil.block_number().await.unwrap(), block + 3);
    anvil.advance_time(3600).await.unwrap();
    assert!(anvil.block_time().await.unwrap() >= time + 3600);
    anvil.set_automine(false).await.unwrap();
    anvil.set_eth(PAYEE, 10_u128.pow(18)).await.unwrap();
    let tx = anvil.send(PAYEE, STRANGER, &[]).await.unwrap();
    assert_eq!(anvil.transaction_count(PAYEE).await.unwrap(), 0);
    anvil.mine(1).await.unwrap();
    anvil.succeeded(&tx).await.unwrap();
    assert_eq!(anvil.transaction_count(PAYEE).await.unwrap(), 1);
}

#[tokio::test]
async fn the_wallet_takes_its_owners_signature_only() {
    let anvil = Anvil::start(8453).await.unwrap();
    let wallet = "0x00000000000000000000000000000000000cafe1";
    let digest = "54708f57e0ead3638c9d50d860137811442f3a93136da1d95ca9bd4c2b6fbcbc";
    let digest: [u8; 32] = hex::decode(digest).unwrap().try_into().unwrap();
    let signature = hex::decode(BASE).unwrap();
    anvil.put_wallet(wallet, PAYER).await.unwrap();
    assert!(anvil.wallet_accepts(wallet, digest, &signature).await.unwrap());
    assert!(!anvil.wallet_accepts(wallet, [1; 32], &signature).await.unwrap());
    anvil.put_wallet(wallet, STRANGER).await.unwrap();
    assert!(!anvil.wallet_accepts(wallet, digest, &signature).await.unwrap());
}
