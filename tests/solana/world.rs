//! A Solana node, a feed sold on it, and wallets with USDC and without SOL.

use serde_json::json;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tollwire_client::{Budget, Config, Payer};
use tollwire_testkit::feed::{Mode, SampleFeed};
use tollwire_testkit::link::FaultLink;
use tollwire_testkit::solana::{DEVNET_USDC, Surfnet};
use tollwire_tests::facilitator::Facilitator;
use tollwire_tests::settings::{Chain, Feed, Settings};
use tollwire_tests::solana::Wallet;
use tollwire_x402::{Network, SolanaCluster};

/// A blockhash lives for 15 seconds.
const SLOT: Duration = Duration::from_millis(100);

/// The access key in the node's URL: nobody is told.
pub(crate) const RPC_CANARY: &str = "rpc-canary-0123456789abcdef";

/// What a payer has at first, in atomic USDC.
pub(crate) const FUNDS: u64 = 5_000_000;

pub(crate) const NETWORK: &str = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1";

pub(crate) struct World {
    pub(crate) node: Surfnet,
    /// Between the facilitator and the node.
    pub(crate) link: FaultLink,
    /// Kept, because it ends when it is dropped.
    _upstream: SampleFeed,
    pub(crate) facilitator: Facilitator,
    wallets: AtomicU8,
}

/// Pays the fees.
pub(crate) fn fee_payer() -> Wallet {
    Wallet::of(8)
}

/// Receives deposits, and refunds out of them.
pub(crate) fn deposit() -> Wallet {
    Wallet::of(9)
}

/// Our client, with a node of its own if it has one.
pub(crate) fn client_of(wallet: &Wallet, node: Option<String>) -> Payer {
    let budget = Budget::new("0.10".parse().unwrap(), "1".parse().unwrap());
    let mut config = Config::new([Network::Solana(SolanaCluster::Devnet)]);
    config.solana_rpc = node;
    Payer::new(tollwire_client::Wallet::of(&wallet.key).unwrap(), budget, config).unwrap()
}

impl World {
    pub(crate) async fn start(adjust: impl FnOnce(&mut Settings)) -> Self {
        let node = Surfnet::start(SLOT).await.unwrap();
        node.set_lamports(&fee_payer().address, 1_000_000_000).await.unwrap();
        node.mint(DEVNET_USDC, &deposit().address, 0).await.unwrap();
        let link = FaultLink::start(node.address()).await.unwrap();
        let upstream = SampleFeed::start(Mode::Ticks(Duration::from_millis(5))).await.unwrap();
        let chain = Chain::Solana {
            network: NETWORK,
            rpc_url: format!("http://{}/?key={RPC_CANARY}", link.address()),
            genesis: node.genesis().await.unwrap(),
            settlement_key: fee_payer().key,
            deposit_key: deposit().key,
        };
        let feed = Feed { deposit_units: "[1000, 100, 10, 1]", ..Feed::ticks(upstream.url("/stream")) };
        let mut settings = Settings { chain, ..Settings::dev(vec![feed]) };
        adjust(&mut settings);
        let facilitator = Facilitator::start(settings).await;
        Self { node, link, _upstream: upstream, facilitator, wallets: AtomicU8::new(20) }
    }

    /// A wallet of its own, with money.
    pub(crate) async fn payer(&self) -> Wallet {
        let payer = Wallet::of(self.wallets.fetch_add(1, Ordering::Relaxed));
        self.node.mint(DEVNET_USDC, &payer.address, FUNDS).await.unwrap();
        payer
    }

    /// Our client with such a wallet.
    pub(crate) async fn client(&self) -> (Payer, Wallet) {
        let wallet = self.payer().await;
        (client_of(&wallet, None), wallet)
    }

    pub(crate) fn session_url(&self) -> String {
        self.facilitator.url("/feeds/ticks/session")
    }

    /// What the deposit wallet holds.
    pub(crate) async fn received(&self) -> u64 {
        self.node.tokens(DEVNET_USDC, &deposit().address).await.unwrap().unwrap()
    }

    pub(crate) async fn tokens(&self, of: &Wallet) -> u64 {
        self.node.tokens(DEVNET_USDC, &of.address).await.unwrap().unwrap()
    }

    /// The operator's books.
    pub(crate) async fn books(&self) -> serde_json::Value {
        let books = tollwire_tests::world::admin(&self.facilitator, http::Method::GET, "/admin/ledger", "")
            .await
            .json();
        assert_eq!((&books["balanced"], &books["payments_in_doubt"]), (&json!(true), &json!(0)), "{books}");
        books
    }
}
