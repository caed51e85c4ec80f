//! Calls paid for with real USDC: on an EVM node with Circle's contract, and on a Solana node.

use super::shop::{PRICE, paid, payment};
use crate::rig::{frame, send};
use serde_json::json;
use std::time::Duration;
use tollwire_client::{ApiCall, Budget, Config, Payer, RelayClient, Wallet, Way};
use tollwire_testkit::evm::Anvil;
use tollwire_testkit::solana::{DEVNET_USDC, Surfnet};
use tollwire_tests::agent::{Agent, fresh_nonce};
use tollwire_tests::api::Api;
use tollwire_tests::broker::{Broker, BrokerSettings};
use tollwire_tests::http::get;
use tollwire_tests::settings::{ANVIL_ADDRESS, ANVIL_KEY, PROVIDER};
use tollwire_tests::solana;
use tollwire_tests::ws::open;
use tollwire_x402::{Network, SolanaCluster, Usdc};

/// What a payer has at first, in atomic USDC.
const FUNDS: u64 = 1_000_000;

/// How many calls are bought.
const CALLS: usize = 5;
const COST: u64 = 5 * PRICE;

const DEVNET: &str = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1";

/// A broker that settles by this chain, with its keys in files, and sells calls of an API for this provider.
async fn broker(api: &Api, chain: &str, pay_to: (&str, &str), keys: &[(&str, &str)]) -> Broker {
    let (network, provider) = pay_to;
    let priced = format!("price = \"0.005\"\npay_to = {{ \"{network}\" = \"{provider}\" }}");
    let settings = BrokerSettings {
        top: format!("store = \"file:broker.db\"\n[[chain]]\nnetwork = \"{network}\"\n{chain}"),
        apis: BrokerSettings::api("demo", &api.url(""), &priced),
        ..BrokerSettings::default()
    };
    Broker::start_with(&settings, keys).await
}

async fn on_base(api: &Api, anvil: &Anvil) -> Broker {
    let chain = format!("rpc_url = \"{}\"\nsettlement_key = \"file:evm.key\"\n", anvil.url());
    broker(api, &chain, ("eip155:8453", PROVIDER), &[("evm.key", ANVIL_KEY)]).await
}

/// Buys calls, some at the same time; the transactions they were settled by.
async fn buy(broker: &Broker, wallet: &str, network: Network) -> Vec<String> {
    let usdc = |atomic| Usdc::from_atomic(atomic).unwrap();
    let budget = Budget::new(usdc(PRICE), usdc(COST));
    let payer = Payer::new(Wallet::of(wallet).unwrap(), budget, Config::new([network])).unwrap();
    let client = RelayClient::new(payer, &broker.url("")).unwrap();
    let calls: Vec<_> = (0..CALLS).map(|call| ApiCall::get("demo", &format!("/slow?{call}"))).collect();
    let called = futures_util::future::join_all(calls.iter().map(|call| client.call(call))).await;
    let called = called.into_iter().map(|called| {
        let called = called.unwrap();
        assert_eq!((called.paid.atomic(), called.way), (PRICE, Way::Socket));
        called.settlement.unwrap().transaction
    });
    let mut transactions: Vec<_> = called.collect();
    transactions.sort();
    transactions
}

#[tokio::test]
async fn on_base_each_call_moves_its_price_to_the_provider_once() {
    let (api, anvil) = (Api::start().await, Anvil::start(8453).await.unwrap());
    let broker = on_base(&api, &anvil).await;
    let key = format!("0x{}", hex::encode(fresh_nonce()));
    let address = Wallet::of(&key).unwrap().address();
    anvil.mint(&address, FUNDS).await.unwrap();
    let mut told = buy(&broker, &key, Network::BASE).await;
    let moved = anvil.transfers_to(PROVIDER).await.unwrap();
    assert!(moved.iter().all(|transfer| transfer.value == PRICE), "{moved:?}");
    assert_eq!(anvil.balance_of(&address).await.unwrap(), FUNDS - COST);
    // Several may share a transaction.
    let mut landed: Vec<_> = moved.into_iter().map(|transfer| transfer.tx).collect();
    landed.sort();
    for tx in &mut told {
        tx.make_ascii_lowercase();
    }
    assert_eq!(told, landed);
    assert_eq!(api.seen().len(), CALLS);
}

#[tokio::test]
async fn on_solana_each_call_moves_its_price_to_the_provider_once() {
    let api = Api::start().await;
    let node = Surfnet::start(Duration::from_millis(100)).await.unwrap();
    let [fees, deposit, provider, buyer] = [8, 9, 40, 41].map(solana::Wallet::of);
    node.set_lamports(&fees.address, 1_000_000_000).await.unwrap();
    for (owner, amount) in [(deposit.address.as_str(), 0), (&provider.address, 0), (&buyer.address, FUNDS)] {
        node.mint(DEVNET_USDC, owner, amount).await.unwrap();
    }
    let chain = format!(
        "rpc_url = \"{}\"\ngenesis = \"{}\"\nsettlement_key = \"file:fees.json\"\ndeposit_key = \"file:deposit.json\"\n",
        node.url(),
        node.genesis().await.unwrap()
    );
    let keys = [("fees.json", fees.key.as_str()), ("deposit.json", &deposit.key)];
    let broker = broker(&api, &chain, (DEVNET, &provider.address), &keys).await;
    let mut told = buy(&broker, &buyer.key, Network::Solana(SolanaCluster::Devnet)).await;
    told.dedup();
    assert_eq!(told.len(), CALLS, "a transaction each");
    let tokens = async |owner: &str| node.tokens(DEVNET_USDC, owner).await.unwrap().unwrap();
    assert_eq!(
        (tokens(&provider.address).await, tokens(&buyer.address).await, tokens(&deposit.address).await),
        (COST, FUNDS - COST, 0)
    );
    assert_eq!(api.seen().len(), CALLS);
}

#[tokio::test]
async fn a_broker_killed_before_the_block_collects_the_one_transfer_after_it() {
    let (api, anvil) = (Api::start().await, Anvil::start(8453).await.unwrap());
    let mut broker = on_base(&api, &anvil).await;
    let agent = Agent::new();
    anvil.mint(&agent.address(), FUNDS).await.unwrap();
    anvil.set_automine(false).await.unwrap();
    let payment = payment(&broker, &agent, "/slow?1").await;
    let mut socket = open(&broker.socket_url(), &[]).await.unwrap();
    send(&mut socket, &paid("c1", "/slow?1", &payment)).await;
    let pending = json!([ANVIL_ADDRESS, "pending"]);
    let latest = json!([ANVIL_ADDRESS, "latest"]);
    let count =
        async |at: &serde_json::Value| anvil.rpc("eth_getTransactionCount", at.clone()).await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), async {
        while count(&pending).await == count(&latest).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("nothing was sent");
    broker.crash_and_restart().await;
    anvil.mine(1).await.unwrap();
    anvil.set_automine(true).await.unwrap();
    let url = broker.url("/relay/demo/slow?1");
    let header = [(payment.header, payment.value.as_str())];
    let mut answer = get(&url, &header).await;
    for _ in 0..60 {
        assert_ne!(answer.status, 402, "another bill: {answer:?}");
        if answer.status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        answer = get(&url, &header).await;
    }
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({ "slow": 1 })));
    let moved = anvil.transfers_to(PROVIDER).await.unwrap();
    assert_eq!((moved.len(), moved[0].value), (1, PRICE), "{moved:?}");
    let settled = answer.decoded("payment-response");
    assert_eq!(settled["transaction"].as_str().unwrap().to_lowercase(), moved[0].tx);
    // Over a socket it is the same.
    let mut socket = open(&broker.socket_url(), &[]).await.unwrap();
    send(&mut socket, &paid("c2", "/slow?1", &payment)).await;
    assert_eq!(frame(&mut socket).await["metadata"]["replayed"], true);
    assert_eq!(anvil.balance_of(&agent.address()).await.unwrap(), FUNDS - PRICE);
}
