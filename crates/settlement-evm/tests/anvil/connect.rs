//! What connecting refuses, in words that hold no secret.

use crate::support::{World, config, key};
use tollwire_settlement::Chain;
use tollwire_settlement_evm::{Error, EvmChain};
use tollwire_testkit::evm::Anvil;
use tollwire_x402::Network;

#[tokio::test]
async fn knows_itself() {
    let world = World::start(84532).await;
    let info = world.chain.info();
    assert_eq!(info.claim, "base-sepolia");
    assert_eq!(info.asset, "0x036CbD53842c5426634e7929541eC2318f3dCF7e");
    assert_eq!((&info.offer_extra["name"], &info.offer_extra["version"]), (&"USDC".into(), &"2".into()));
    assert_eq!(info.deposit_wallet, world.chain.signers()[0]);
    let elsewhere = key(5).address().to_string();
    let world = World::with(8453, |config| config.pay_to = Some(elsewhere.to_lowercase())).await;
    assert_eq!(world.chain.info().deposit_wallet, elsewhere);
    assert_eq!(world.chain.info().claim, "base");
}

#[tokio::test]
async fn refuses_a_node_of_another_chain_or_without_usdc() {
    let mut anvil = Anvil::start(84532).await.unwrap();
    let mut wrong = config(&anvil);
    wrong.network = Network::BASE;
    let error = EvmChain::connect(wrong).await.unwrap_err();
    assert!(error.to_string().contains("its chain id is 84532, not 8453"), "{error}");

    anvil.start_empty().await.unwrap();
    let error = EvmChain::connect(config(&anvil)).await.unwrap_err();
    assert!(matches!(&error, Error::Unfit { reason, .. } if reason.contains("no contract")), "{error}");
}

#[tokio::test]
async fn refuses_a_token_that_payers_did_not_sign_for() {
    let (base, sepolia) = (Anvil::start(8453).await.unwrap(), Anvil::start(84532).await.unwrap());
    // Base Sepolia's token code reads its name from storage, which is empty here.
    let code = sepolia.rpc("eth_getCode", serde_json::json!([sepolia.usdc(), "latest"])).await.unwrap();
    base.rpc("anvil_setCode", serde_json::json!([base.usdc(), code])).await.unwrap();
    let slot = "0x0000000000000000000000000000000000000000000000000000000000000004";
    let name = format!("0x{}{}08", hex::encode("Fake"), "00".repeat(27));
    base.rpc("anvil_setStorageAt", serde_json::json!([base.usdc(), slot, name])).await.unwrap();
    let error = EvmChain::connect(config(&base)).await.unwrap_err();
    assert!(error.to_string().contains("USDC's name is Fake, not USD Coin"), "{error}");
}

#[tokio::test]
async fn refuses_what_cannot_work_without_quoting_it() {
    let anvil = Anvil::start(8453).await.unwrap();
    let mut bad_key = config(&anvil);
    bad_key.settlement_key = "0xsecret".into();
    let mut bad_url = config(&anvil);
    bad_url.rpc_url = "node.example/secret".into();
    let mut dead = config(&anvil);
    dead.rpc_url = "http://127.0.0.1:1/secret".into();
    let mut bad_wallet = config(&anvil);
    bad_wallet.pay_to = Some("nobody".into());
    let mut no_usdc = config(&anvil);
    no_usdc.network = Network::Eip155(1);
    let mut no_depth = config(&anvil);
    no_depth.confirmations = 0;
    for (config, says) in [
        (bad_key, "settlement_key: "),
        (bad_url, "rpc_url: "),
        (dead, "the chain node of eip155:8453 does not answer: "),
        (bad_wallet, "pay_to: "),
        (no_usdc, "network: "),
        (no_depth, "confirmations: "),
    ] {
        assert!(!format!("{config:?}").contains("secret"));
        let error = EvmChain::connect(config).await.unwrap_err().to_string();
        assert!(error.starts_with(says) && !error.contains("secret"), "{error}");
    }
}
