//! Our own client on account: bought when it is needed, topped up when it runs dry, each call charged once.

use super::account::{Bank, PRICE, admin};
use serde_json::json;
use std::time::Duration;
use tollwire_client::{ApiCall, Budget, Config, Error, Payer, RelayClient, Wallet, Way};
use tollwire_testkit::link::FaultLink;
use tollwire_tests::agent::fresh_nonce;
use tollwire_x402::{Network, Usdc};

/// The smallest deposit: two calls.
const DEPOSIT: u64 = 10_000;

fn payer(wallet: &Wallet, deposits: u64) -> Payer {
    let usdc = |atomic| Usdc::from_atomic(atomic).unwrap();
    let budget = Budget::new(usdc(DEPOSIT), usdc(DEPOSIT * deposits));
    Payer::new(wallet.clone(), budget, Config::new([Network::BASE_SEPOLIA])).unwrap()
}

fn wallet() -> Wallet {
    Wallet::evm(&hex::encode(fresh_nonce())).unwrap()
}

fn spent(client: &RelayClient) -> u64 {
    client.payer().budget().spent().atomic()
}

#[tokio::test]
async fn calls_at_once_share_one_account_which_is_topped_up_within_the_budget() {
    let bank = Bank::open().await;
    let client = RelayClient::prepaid(payer(&wallet(), 5), &bank.broker.url("")).unwrap();
    let calls = (0..9_u64).map(|number| {
        let client = client.clone();
        async move { client.call(&ApiCall::get("demo", &format!("/slow?{number}"))).await.unwrap() }
    });
    let answers = futures_util::future::join_all(calls).await;
    for answer in &answers {
        assert_eq!(
            (answer.status.as_u16(), answer.paid.atomic(), answer.way),
            (200, 0, Way::Socket),
            "{answer:?}"
        );
        assert!(answer.balance.is_some() && answer.settlement.is_none(), "{answer:?}");
    }
    assert_eq!((bank.api.seen().len(), spent(&client)), (9, 5 * DEPOSIT));
    let accounts = admin(&bank.broker, "GET", "accounts").await.json();
    let accounts = accounts["sessions"].as_array().unwrap();
    assert_eq!(accounts.len(), 1, "{accounts:?}");
    assert_eq!((&accounts[0]["bought"], &accounts[0]["captured"]), (&json!(5 * DEPOSIT), &json!(9 * PRICE)));

    // One call is left, and then nothing more may be spent.
    let last = client.call(&ApiCall::get("demo", "/slow?9")).await.unwrap();
    assert_eq!(last.balance.unwrap().atomic(), 0);
    let over = client.call(&ApiCall::get("demo", "/slow?10")).await.unwrap_err();
    assert!(matches!(over, Error::Budget { .. }), "{over}");
    assert_eq!(bank.api.seen().len(), 10, "an API was asked for nothing");
}

#[tokio::test]
async fn a_socket_cut_in_mid_call_is_charged_once_and_its_answer_collected() {
    let bank = Bank::open().await;
    let link = FaultLink::start(([127, 0, 0, 1], bank.broker.port()).into()).await.unwrap();
    let client = RelayClient::prepaid(payer(&wallet(), 1), &format!("http://{}", link.address())).unwrap();
    let calling = tokio::spawn({
        let client = client.clone();
        async move { client.call(&ApiCall::get("demo", "/held")).await }
    });
    bank.api.asked(1).await;
    link.cut();
    tokio::time::sleep(Duration::from_millis(300)).await;
    bank.api.release();
    let called = calling.await.unwrap().unwrap();
    assert_eq!((&called.body[..], called.way), (&br#"{"held":true}"#[..], Way::Http));
    assert_eq!((called.balance.unwrap().atomic(), bank.api.seen().len()), (DEPOSIT - PRICE, 1));

    // By now it is known that its calls are made once: one that changes something is sent again as well.
    let calling = tokio::spawn({
        let client = client.clone();
        async move { client.call(&ApiCall::post_json("demo", "/slow?1500", "{}")).await }
    });
    bank.api.asked(2).await;
    link.cut();
    let called = calling.await.unwrap().unwrap();
    assert_eq!((called.balance.unwrap().atomic(), bank.api.seen().len()), (0, 2), "{called:?}");
}

#[tokio::test]
async fn a_wallet_that_comes_back_uses_up_what_it_has() {
    let bank = Bank::open().await;
    let wallet = wallet();
    let call = ApiCall::get("demo", "/slow?1");
    let first = RelayClient::prepaid(payer(&wallet, 1), &bank.broker.url("")).unwrap();
    assert_eq!(first.call(&call).await.unwrap().balance.unwrap().atomic(), DEPOSIT - PRICE);
    drop(first);
    let second = RelayClient::prepaid(payer(&wallet, 1), &bank.broker.url("")).unwrap();
    assert_eq!(second.call(&call).await.unwrap().balance.unwrap().atomic(), 0);
    assert_eq!(spent(&second), 0, "it bought another account");

    // An account that is over is given up for another, once.
    let accounts = admin(&bank.broker, "GET", "accounts").await.json();
    let jti = accounts["sessions"][0]["jti"].as_str().unwrap().to_owned();
    assert_eq!(admin(&bank.broker, "POST", &format!("accounts/{jti}/revoke")).await.status, 204);
    let called = second.call(&call).await.unwrap();
    assert_eq!((called.balance.unwrap().atomic(), spent(&second)), (DEPOSIT - PRICE, DEPOSIT));
}

#[tokio::test]
async fn an_api_that_costs_nothing_here_takes_nothing_from_the_account() {
    let bank = Bank::open().await;
    let client = RelayClient::prepaid(payer(&wallet(), 1), &bank.broker.url("")).unwrap();
    let free = client.call(&ApiCall::get("free", "/echo")).await.unwrap();
    assert_eq!((free.status.as_u16(), free.balance), (200, None), "{free:?}");
    let failed = client.call(&ApiCall::get("demo", "/status?404")).await.unwrap();
    assert_eq!((failed.status.as_u16(), failed.balance), (404, None), "{failed:?}");
    let sold = client.call(&ApiCall::get("demo", "/slow?1")).await.unwrap();
    assert_eq!(sold.balance.unwrap().atomic(), DEPOSIT - PRICE);
}
