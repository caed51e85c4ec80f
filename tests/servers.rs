//! Servers that nobody here wrote settle through us, under an account with a key: @x402/express and the Python package
//! x402 as they come. The programs are in `servers/`.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use serde_json::{Value, json};
use tempfile::TempDir;
use tollwire_client::{Budget, Config, Payer, Wallet};
use tollwire_exact::evm::PrivateKey;
use tollwire_testkit::evm::Anvil;
use tollwire_tests::agent::fresh_nonce;
use tollwire_tests::facilitator::{Facilitator, run};
use tollwire_tests::http::get;
use tollwire_tests::script::{Script, Server};
use tollwire_tests::settings::{ANVIL_KEY, Chain, PROVIDER, Settings};
use tollwire_x402::Network;

/// What a payer has at first, in atomic USDC.
const FUNDS: u64 = 1_000_000;

/// What an answer costs, in the words of the servers, and in atomic USDC.
const PRICE: &str = "$0.005";
const ATOMIC: u64 = 5_000;

/// A facilitator with one account, on a chain where a payer has money.
struct World {
    anvil: Anvil,
    facilitator: Facilitator,
    /// The account's key.
    key: String,
    /// The payer's.
    wallet: String,
    _hashes: TempDir,
}

impl World {
    /// `limits` are lines of the account's.
    async fn start(limits: &str) -> Self {
        let anvil = Anvil::start(8453).await.unwrap();
        let wallet = fresh_nonce();
        let payer = PrivateKey::from_bytes(&wallet).unwrap().address().to_string();
        anvil.mint(&payer, FUNDS).await.unwrap();
        let hashes = tempfile::tempdir().unwrap();
        let (status, told, problem) = run(&["accounts", "new", "weather"], hashes.path()).await;
        assert!(status.success(), "{problem}");
        let value = |name: &str| {
            let line = told.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().to_owned()
        };
        let file = hashes.path().join("weather.hash");
        std::fs::write(&file, value("key_hash:")).unwrap();
        let chain =
            Chain::Evm { network: "eip155:8453", rpc_url: anvil.url(), settlement_key: ANVIL_KEY.into() };
        let top = format!(
            "[[facilitator.account]]\nid = \"weather\"\nkey_hash = \"file:{}\"\npay_to = [\"{PROVIDER}\"]\n\
             [facilitator.account.limits]\n{limits}",
            file.display()
        );
        let facilitator = Facilitator::start(Settings { chain, top, ..Settings::dev(vec![]) }).await;
        let wallet = format!("0x{}", hex::encode(wallet));
        Self { anvil, facilitator, key: value("key:"), wallet, _hashes: hashes }
    }

    fn told(&self, script: Script, key: &str) -> Script {
        script
            .env("FACILITATOR_URL", self.facilitator.url(""))
            .env("API_KEY", key)
            .env("NETWORK", "eip155:8453")
            .env("PAY_TO", PROVIDER)
            .env("PRICE", PRICE)
    }

    async fn express(&self, key: &str) -> Server {
        self.told(Script::node("servers/express.mjs"), key).serve().await
    }

    /// Buys by @x402/fetch.
    async fn buys(&self, server: &Server, times: u32) -> Vec<Value> {
        let script = Script::node("servers/buyer.mjs")
            .env("URL", url(server, "/weather"))
            .env("PRIVATE_KEY", &self.wallet)
            .env("TIMES", times.to_string());
        script.result().await.as_array().unwrap().clone()
    }

    /// What the provider got, transaction by transaction.
    async fn earned(&self) -> Vec<(String, u64)> {
        let moved = self.anvil.transfers_to(PROVIDER).await.unwrap();
        moved.into_iter().map(|transfer| (transfer.tx, transfer.value)).collect()
    }

    /// Bought answers, each settled by one transaction of its own that the account can look up.
    async fn settled(&self, told: &[Value]) {
        let earned = self.earned().await;
        assert_eq!(earned.len(), told.len(), "{told:?}");
        for (bought, (tx, value)) in told.iter().zip(&earned) {
            assert_eq!((&bought["status"], &bought["body"]), (&json!(200), &json!({ "weather": "fair" })));
            assert_eq!((&bought["settled"]["success"], *value), (&json!(true), ATOMIC), "{bought}");
            assert_eq!(bought["settled"]["transaction"].as_str().unwrap().to_lowercase(), *tx);
            let status = self.facilitator.url(&format!("/settle/eip155:8453/{tx}"));
            assert_eq!(get(&status, &[]).await.status, 401, "an account's settlements are its own");
            let found = get(&status, &[("authorization", &format!("Bearer {}", self.key))]).await.json();
            assert_eq!(
                (&found["status"], &found["payments"][0]["amount"]),
                (&json!("settled"), &json!("5000"))
            );
            assert!(found["payments"][0]["confirmations"].as_u64().unwrap() >= 1, "{found}");
        }
    }
}

fn url(server: &Server, path: &str) -> String {
    format!("http://127.0.0.1:{}{path}", server.port)
}

#[tokio::test]
async fn an_express_server_sells_to_fetch() {
    let world = World::start("").await;
    let server = world.express(&world.key).await;
    let told = world.buys(&server, 2).await;
    world.settled(&told).await;
}

#[tokio::test]
async fn a_flask_server_sells_to_fetch() {
    let world = World::start("").await;
    let server = world.told(Script::python("servers/flask_server.py"), &world.key).serve().await;
    let told = world.buys(&server, 2).await;
    world.settled(&told).await;
}

#[tokio::test]
async fn our_client_buys_from_an_express_server() {
    let world = World::start("").await;
    let server = world.express(&world.key).await;
    let budget = Budget::new("0.005".parse().unwrap(), "0.01".parse().unwrap());
    let mut config = Config::new([Network::BASE]);
    config.allow_plain = true;
    let payer = Payer::new(Wallet::evm(&world.wallet).unwrap(), budget, config).unwrap();
    let free = payer.get(&url(&server, "/")).await.unwrap();
    assert_eq!((free.status.as_u16(), free.paid.atomic()), (200, 0));
    let mut told = Vec::new();
    for _ in 0..2 {
        let bought = payer.get(&url(&server, "/weather")).await.unwrap();
        assert_eq!(bought.paid.atomic(), ATOMIC);
        told.push(json!({
            "status": bought.status.as_u16(),
            "body": serde_json::from_slice::<Value>(&bought.body).unwrap(),
            "settled": bought.settlement.unwrap(),
        }));
    }
    world.settled(&told).await;
    let spent = payer.get(&url(&server, "/weather")).await.unwrap_err();
    assert!(matches!(spent, tollwire_client::Error::Budget { .. }), "{spent}");
}

#[tokio::test]
async fn a_server_whose_key_is_none_of_ours_sells_nothing() {
    let world = World::start("").await;
    let server = world.express(&format!("{}0", world.key)).await;
    let told = world.buys(&server, 1).await;
    assert_ne!(told[0]["status"], 200, "{told:?}");
    assert_eq!(world.earned().await, []);
}

/// What is over the quota is refused before anything is sent; its buyer keeps the money.
#[tokio::test]
async fn a_quota_ends_a_server_s_sales_for_the_day() {
    let world = World::start("settles_per_day = 2").await;
    let server = world.express(&world.key).await;
    let told = world.buys(&server, 3).await;
    assert_ne!(told[2]["status"], 200, "{told:?}");
    world.settled(&told[..2]).await;
}
