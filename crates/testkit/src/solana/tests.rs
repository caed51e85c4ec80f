use super::*;

const WALLET: &str = "GmaDrppBC7P5ARKV8g3djiwP89vz1jLK23V2GBjuAEGB";

#[tokio::test]
async fn a_node_has_the_programs_the_mints_and_what_it_is_given() {
    let node = Surfnet::start(Duration::from_millis(20)).await.unwrap();
    for program in [TOKEN_PROGRAM, TOKEN_2022_PROGRAM, "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"] {
        let account = node.rpc("getAccountInfo", json!([program, { "encoding": "base64" }])).await.unwrap();
        assert_eq!(account["value"]["executable"], true, "{program}");
    }
    assert_eq!(node.tokens(DEVNET_USDC, WALLET).await.unwrap(), None);
    node.mint(DEVNET_USDC, WALLET, 42).await.unwrap();
    assert_eq!(node.tokens(DEVNET_USDC, WALLET).await.unwrap(), Some(42));
    assert_eq!(node.tokens(MAINNET_USDC, WALLET).await.unwrap(), None);
    node.set_lamports(WALLET, 7_000_000).await.unwrap();
    assert_eq!(node.lamports(WALLET).await.unwrap(), 7_000_000);
    assert!((43..=44).contains(&node.genesis().await.unwrap().len()), "32 bytes in base58");
}

#[tokio::test]
async fn blocks_come_by_themselves_and_become_final() {
    let node = Surfnet::start(Duration::from_millis(20)).await.unwrap();
    let height = node.height("processed").await.unwrap();
    while node.height("finalized").await.unwrap() <= height {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(node.height("processed").await.unwrap() > height + 20);
}
