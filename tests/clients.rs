//! Clients that nobody here wrote buy from us, as they come: the official x402 packages of npm and PyPI, with their
//! own spending caps, and WebSockets by `ws` and `websockets`. The programs are in `clients/`; `interop/` runs each of them
//! on each chain that people pay on, this the dev chain, Base Sepolia and the facilitator API.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use serde_json::{Value, json};
use std::time::Duration;
use tollwire_exact::evm::PrivateKey;
use tollwire_testkit::evm::{Anvil, Transfer};
use tollwire_testkit::feed::{Mode, SampleFeed};
use tollwire_tests::agent::fresh_nonce;
use tollwire_tests::facilitator::{ADMIN_TOKEN, Facilitator};
use tollwire_tests::http::get;
use tollwire_tests::script::Script;
use tollwire_tests::settings::{ANVIL_ADDRESS, ANVIL_KEY, Chain, Feed, PROVIDER, Settings};

/// What a payer has at first, in atomic USDC.
const FUNDS: u64 = 5_000_000;

/// Which client, and what it should buy of deposits of $10, $1, $0.10 and $0.01 with its default cap.
#[derive(Clone, Copy)]
struct Client {
    script: fn() -> Script,
    version: u8,
    atomic: u64,
}

/// Takes at most $1.
const FETCH: Client = Client { script: || Script::node("clients/fetch.mjs"), version: 2, atomic: 1_000_000 };
/// Takes at most $0.10.
const LEGACY_FETCH: Client =
    Client { script: || Script::node("clients/legacy_fetch.mjs"), version: 1, atomic: 100_000 };
/// Takes at most $1.
const PYTHON: Client = Client {
    script: || Script::python("clients/python_x402.py").env("HTTP_CLIENT", "httpx"),
    version: 2,
    atomic: 1_000_000,
};

/// A wallet we settle for, beside the provider's.
const SERVED: &str = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC";

struct Wallet {
    key: String,
    address: String,
}

impl Wallet {
    fn new() -> Self {
        let bytes = fresh_nonce();
        let address = PrivateKey::from_bytes(&bytes).unwrap().address().to_string();
        Self { key: format!("0x{}", hex::encode(bytes)), address }
    }
}

fn feed(upstream: &SampleFeed) -> Feed {
    Feed { deposit_units: "[1000, 100, 10, 1]", ..Feed::ticks(upstream.url("/stream")) }
}

async fn upstream() -> SampleFeed {
    SampleFeed::start(Mode::Ticks(Duration::from_millis(5))).await.unwrap()
}

/// The client buys and streams; gives its receipt, which is checked as far as it can be without the chain.
async fn buys_and_streams(
    client: Client,
    wallet: &Wallet,
    names: (&str, &str, &str),
    facilitator: &Facilitator,
    upstream: &SampleFeed,
) -> Value {
    let (v2_network, v1_network, claim) = names;
    let script = (client.script)()
        .env("X402_VERSION", client.version.to_string())
        .env("SESSION_URL", facilitator.url("/feeds/ticks/session"))
        .env("PRIVATE_KEY", &wallet.key);
    let told = script.result().await;
    let units = client.atomic / 10_000;
    assert_eq!(told["status"], 200, "{told}");
    assert_eq!(told["payer"], wallet.address.as_str());
    let session = &told["bought"]["session"];
    assert_eq!(session["units_remaining"], units, "{told}");
    assert_eq!(session["deposited"], format!("${}.{:02}", units / 100, units % 100));
    assert_eq!((&session["feed"], &session["unit"]), (&json!("ticks"), &json!("stream")));
    assert_eq!(session["chain"], claim);
    assert_eq!(told["frames"], json!([{ "tick": 1 }, { "tick": 2 }, { "tick": 3 }]));

    let receipt = &told["receipt"];
    assert_eq!(receipt["success"], true, "{receipt}");
    assert_eq!(receipt["network"], if client.version == 2 { v2_network } else { v1_network });
    assert_eq!(receipt["payer"].as_str().unwrap().to_lowercase(), wallet.address.to_lowercase());
    if client.version == 2 {
        assert_eq!(receipt["amount"], client.atomic.to_string());
    }

    assert_eq!(upstream.requests().len(), 1, "one stream reached the upstream");
    let admin = format!("Bearer {ADMIN_TOKEN}");
    let books = get(&facilitator.admin_url("/admin/ledger"), &[("authorization", &admin)]).await.json();
    assert_eq!(books["balanced"], true, "{books}");
    assert_eq!((&books["totals"]["sessions"], &books["totals"]["bought"]), (&json!(1), &json!(units)));
    assert_eq!((&books["totals"]["captured"], &books["payments_in_doubt"]), (&json!(1), &json!(0)));
    assert_eq!(books["totals"]["usdc"]["deposited"], client.atomic.to_string());
    receipt.clone()
}

async fn on_the_dev_chain(client: Client) {
    let upstream = upstream().await;
    let facilitator = Facilitator::start(Settings::dev(vec![feed(&upstream)])).await;
    let names = ("eip155:84532", "base-sepolia", "dev");
    buys_and_streams(client, &Wallet::new(), names, &facilitator, &upstream).await;
}

async fn on_a_node(client: Client, chain_id: u64, names: (&'static str, &str, &str)) {
    let (anvil, upstream, wallet) = (Anvil::start(chain_id).await.unwrap(), upstream().await, Wallet::new());
    anvil.mint(&wallet.address, FUNDS).await.unwrap();
    let settings = Settings { chain: evm(&anvil, names.0), ..Settings::dev(vec![feed(&upstream)]) };
    let facilitator = Facilitator::start(settings).await;
    let receipt = buys_and_streams(client, &wallet, names, &facilitator, &upstream).await;

    let moved = anvil.transfers_to(ANVIL_ADDRESS).await.unwrap();
    let block = moved.first().map(|transfer| transfer.block).unwrap_or_default();
    let expected = Transfer {
        tx: receipt["transaction"].as_str().unwrap().to_lowercase(),
        block,
        from: wallet.address.to_lowercase(),
        to: ANVIL_ADDRESS.to_lowercase(),
        value: client.atomic,
    };
    assert_eq!(moved, [expected], "USDC moved once, to the deposit wallet, in the receipt's transaction");
    assert_eq!(anvil.balance_of(&wallet.address).await.unwrap(), FUNDS - client.atomic);
    assert_eq!(anvil.authorizations_used(&wallet.address).await.unwrap().len(), 1);
}

fn evm(anvil: &Anvil, network: &'static str) -> Chain {
    Chain::Evm { network, rpc_url: anvil.url(), settlement_key: ANVIL_KEY.into() }
}

#[tokio::test]
async fn x402_fetch_on_the_dev_chain() {
    on_the_dev_chain(FETCH).await;
}

#[tokio::test]
async fn x402_fetch_on_base_sepolia() {
    on_a_node(FETCH, 84532, ("eip155:84532", "base-sepolia", "base-sepolia")).await;
}

#[tokio::test]
async fn legacy_x402_fetch_on_the_dev_chain() {
    on_the_dev_chain(LEGACY_FETCH).await;
}

#[tokio::test]
async fn python_x402_on_the_dev_chain() {
    on_the_dev_chain(PYTHON).await;
}

/// Somebody else's resource server settles through us, by the official client of the facilitator API.
#[tokio::test]
async fn a_resource_server_settles_through_us() {
    let anvil = Anvil::start(8453).await.unwrap();
    let wallet = Wallet::new();
    anvil.mint(&wallet.address, FUNDS).await.unwrap();
    let settings = Settings {
        chain: evm(&anvil, "eip155:8453"),
        top: format!("[facilitator]\npay_to = [\"{PROVIDER}\", \"{SERVED}\"]"),
        ..Settings::dev(vec![])
    };
    let facilitator = Facilitator::start(settings).await;
    let requirements = json!({
        "scheme": "exact", "network": "eip155:8453", "amount": "5000", "asset": anvil.usdc(), "payTo": PROVIDER,
        "maxTimeoutSeconds": 60, "extra": { "name": "USD Coin", "version": "2" },
    });
    let script = Script::node("clients/facilitator.mjs")
        .env("FACILITATOR_URL", facilitator.url(""))
        .env("PRIVATE_KEY", &wallet.key)
        .env("SERVED_WALLET", SERVED)
        .env("OTHER_WALLET", &wallet.address)
        .env("REQUIREMENTS", requirements.to_string());
    let told = script.result().await;

    let kinds = told["supported"]["kinds"].as_array().unwrap();
    for (version, network) in [(1, "base"), (2, "eip155:8453")] {
        let wanted = |kind: &&Value| kind["x402Version"] == version && kind["network"] == network;
        assert_eq!(kinds.iter().find(wanted).unwrap()["scheme"], "exact", "{kinds:?}");
    }
    assert_eq!(told["verified"]["isValid"], true, "{told}");
    assert_eq!(told["verified"]["payer"].as_str().unwrap().to_lowercase(), wallet.address.to_lowercase());
    for (refused, reason) in [
        ("verifiedForMore", "invalid_exact_evm_payload_authorization_value_mismatch"),
        ("verifiedForServed", "invalid_exact_evm_recipient_mismatch"),
        ("verifiedForOther", "invalid_payment_requirements"),
        ("verifiedAgain", "invalid_exact_evm_nonce_already_used"),
    ] {
        assert_eq!(told[refused]["isValid"], false, "{refused}: {told}");
        assert_eq!(told[refused]["invalidReason"], reason, "{refused}");
    }
    assert_eq!(told["settledForMore"]["success"], false, "{told}");
    assert_eq!(told["settled"]["success"], true, "{told}");
    assert_eq!(told["settledAgain"], told["settled"], "the same settlement, not another");

    let moved = anvil.transfers_to(PROVIDER).await.unwrap();
    assert_eq!(moved.len(), 1, "{moved:?}");
    assert_eq!((moved[0].value, &moved[0].from), (5_000, &wallet.address.to_lowercase()));
    assert_eq!(told["settled"]["transaction"], moved[0].tx.as_str());
    assert_eq!(anvil.balance_of(&wallet.address).await.unwrap(), FUNDS - 5_000);
}
