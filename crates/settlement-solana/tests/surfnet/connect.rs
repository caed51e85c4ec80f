//! A node, a mint or a wallet that does not fit stops the start, with what to correct.

use crate::support::{SLOT, config, exported, key};
use tollwire_settlement::Chain;
use tollwire_settlement_solana::{Error, SolanaChain, SolanaConfig};
use tollwire_testkit::solana::{DEVNET_USDC, Surfnet, TOKEN_2022_PROGRAM, TOKEN_PROGRAM};

async fn refused(config: SolanaConfig) -> Error {
    SolanaChain::connect(config).await.expect_err("it does not fit")
}

#[tokio::test]
async fn what_does_not_fit_is_named() {
    let node = Surfnet::start(SLOT).await.unwrap();
    let good = config(&node).await;

    let error = refused(good.clone()).await.to_string();
    assert!(error.contains("no token account") && error.contains("spl-token create-account"), "{error}");
    node.mint(DEVNET_USDC, &key(9).address().to_string(), 0).await.unwrap();
    let chain = SolanaChain::connect(good.clone()).await.unwrap();
    assert_eq!(chain.info().claim, "solana-devnet");
    assert_eq!(chain.info().offer_extra["feePayer"], key(8).address().to_string());
    assert_eq!(chain.info().deposit_wallet, key(9).address().to_string());
    assert_eq!(chain.signers(), [key(8).address().to_string()]);
    let [purse] = &chain.purses().await.unwrap()[..] else { panic!("one account pays") };
    assert_eq!((&purse.account, purse.coin, purse.decimals), (&key(8).address().to_string(), "SOL", 9));
    assert_eq!(purse.low, purse.balance < u128::from(good.balance_low));

    let with = |change: &dyn Fn(&mut SolanaConfig)| {
        let mut config = good.clone();
        change(&mut config);
        refused(config)
    };
    for (error, wanted) in [
        (with(&|config| config.genesis = None).await, "genesis hash"),
        (with(&|config| config.asset = Some("me".into())).await, "asset: "),
        (with(&|config| config.asset = Some(key(3).address().to_string())).await, "there is no mint"),
        (with(&|config| config.asset = Some(TOKEN_PROGRAM.into())).await, "cannot be taken"),
        (with(&|config| config.settlement_key = "s3cret".into()).await, "settlement_key: "),
        (with(&|config| config.deposit_key = Some("s3cret".into())).await, "deposit_key: "),
        (with(&|config| config.pay_to = Some("me".into())).await, "pay_to: "),
        (with(&|config| config.pay_to = Some(key(3).address().to_string())).await, "deposit_key: "),
        (with(&|config| config.rpc_url = "http://127.0.0.1:1/s3cret".into()).await, "does not answer"),
        (with(&|config| config.rpc_url = "s3cret".into()).await, "rpc_url: "),
    ] {
        let error = error.to_string();
        assert!(error.contains(wanted) && !error.contains("s3cret"), "{wanted}: {error}");
    }
    let debug = format!("{good:?} {chain:?}");
    assert!(!debug.contains(&exported(8)) && !debug.contains("http"), "{debug}");
}

#[tokio::test]
async fn mints_with_fees_or_hooks_are_refused() {
    let node = Surfnet::start(SLOT).await.unwrap();
    let mint = key(4).address().to_string();
    let mut config = config(&node).await;
    config.asset = Some(mint.clone());
    for (kind, length, word) in [(1_u16, 108_u16, "fee"), (14, 64, "hook")] {
        let mut extension = [kind.to_le_bytes(), length.to_le_bytes()].concat();
        extension.resize(4 + usize::from(length), 0);
        node.put_mint(&mint, TOKEN_2022_PROGRAM, &extension).await.unwrap();
        let error = refused(config.clone()).await.to_string();
        assert!(error.contains(word), "{error}");
    }
}
